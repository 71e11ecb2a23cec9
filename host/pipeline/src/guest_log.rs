//! Log lines of transforms.

use crate::abi::Level;
use crate::subject::Subject;
use ocpp_gateway_core::Attributes;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The longest message or field that reaches the log, in bytes; the rest is cut off.
pub(crate) const MAX_LENGTH: usize = 4096;

/// The longest name of a field, in bytes.
const MAX_NAME: usize = 64;

/// The most fields of a line. Together they may be as long as a message.
const MAX_FIELDS: usize = 32;

/// One log line, held until the end of the call, when the charge point is known.
pub(crate) struct Line {
    level: Level,
    message: String,
    fields: LogFields,
}

/// One line that a transform has logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedLine {
    /// As in the log: `INFO`.
    pub level: &'static str,
    /// With its fields.
    pub text: String,
}

thread_local! {
    /// The lines of the traced call that this thread makes. A call never leaves its thread, while other instances of
    /// the same transform serve other messages.
    static TRACE: RefCell<Option<Vec<TracedLine>>> = const { RefCell::new(None) };
}

/// Collects the lines of the calls that this thread makes, until it is dropped.
pub(crate) struct LogTrace;

impl LogTrace {
    pub(crate) fn start() -> Self {
        TRACE.set(Some(Vec::new()));
        LogTrace
    }

    /// The lines so far.
    pub(crate) fn take(self) -> Vec<TracedLine> {
        TRACE.take().unwrap_or_default()
    }
}

/// Also after a panic of the host: later calls on this thread must not be collected.
impl Drop for LogTrace {
    fn drop(&mut self) {
        TRACE.set(None);
    }
}

/// Collects the line, if this thread traces its calls.
pub(crate) fn trace(line: &Line) {
    TRACE.with_borrow_mut(|trace| trace.iter_mut().for_each(|trace| trace.push(line.traced())));
}

impl Line {
    pub(crate) fn new(level: Level, mut message: String, mut fields: Attributes) -> Self {
        cut(&mut message, MAX_LENGTH);
        if fields.len() > MAX_FIELDS {
            fields.truncate(MAX_FIELDS);
            fields.shrink_to_fit();
        }
        let mut room = MAX_LENGTH;
        for (name, value) in &mut fields {
            cut(name, MAX_NAME);
            cut(value, room);
            room = room.saturating_sub(name.len() + value.len());
        }
        Line { level, message, fields: LogFields(fields) }
    }

    fn traced(&self) -> TracedLine {
        let level = match self.level {
            Level::Trace => "TRACE",
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
        };
        let fields = self.fields.to_string();
        let space = if fields.is_empty() { "" } else { " " };
        TracedLine { level, text: format!("{}{space}{fields}", self.message) }
    }

    /// Passes the line to `tracing`, with the transform, its version and the subject of the call.
    pub(crate) fn emit(&self, transform: &str, version: &str, subject: Subject<'_>) {
        let Subject { charge_point, action, .. } = subject;
        let message = &self.message;
        let fields = (!self.fields.0.is_empty()).then_some(&self.fields as &(dyn Error + 'static));
        macro_rules! event {
            ($level:ident) => {
                tracing::event!(
                    target: "transform",
                    tracing::Level::$level,
                    transform,
                    version,
                    charge_point,
                    action,
                    fields,
                    "{message}"
                )
            };
        }
        match self.level {
            Level::Trace => event!(TRACE),
            Level::Debug => event!(DEBUG),
            Level::Info => event!(INFO),
            Level::Warn => event!(WARN),
            Level::Error => event!(ERROR),
        }
    }
}

fn cut(text: &mut String, longest: usize) {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest));
        text.push('…');
        // A call may log many lines, which are held until its end: the memory of the cut part is freed.
        text.shrink_to_fit();
    }
}

/// Names and values that a transform adds to a line. It is an `Error` only because `tracing` passes no other values on
/// with their type, which the JSON log needs to write an object.
#[derive(Debug)]
pub struct LogFields(Attributes);

impl LogFields {
    pub fn new(fields: Attributes) -> Self {
        LogFields(fields)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Error for LogFields {}

/// `name="value" name="value"`, with quotes around names that are not one word.
impl fmt::Display for LogFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
            if is_word && !name.is_empty() {
                write!(f, "{space}{name}={value:?}")?;
            } else {
                write!(f, "{space}{name:?}={value:?}")?;
            }
        }
        Ok(())
    }
}

/// Limits the log lines of one transform per second, over all its instances. One charge point gets at most a quarter of
/// them, so that it does not use up those of all others.
pub(crate) struct GuestLogLimiter {
    lines_per_second: AtomicU32,
    window: Mutex<LogWindow>,
    suppressed: AtomicU64,
}

struct LogWindow {
    started: Instant,
    passed: u32,
    suppressed: u64,
    /// The number of passed lines by the group of the caller.
    groups: HashMap<u64, u32>,
}

impl LogWindow {
    fn new(started: Instant) -> Self {
        LogWindow { started, passed: 0, suppressed: 0, groups: HashMap::new() }
    }
}

/// One charge point gets one line in this many.
const LINES_PER_SHARE: u32 = 4;

impl GuestLogLimiter {
    pub(crate) fn new(lines_per_second: u32) -> Self {
        let window = Mutex::new(LogWindow::new(Instant::now()));
        GuestLogLimiter { lines_per_second: lines_per_second.into(), window, suppressed: AtomicU64::new(0) }
    }

    pub(crate) fn set_limit(&self, lines_per_second: u32) {
        self.lines_per_second.store(lines_per_second, Ordering::Relaxed);
    }

    /// `Some`: the line may pass; the number is that of the lines suppressed in a window that has just ended. `group`:
    /// that of the caller ([`Caller::group`](crate::caller::Caller)).
    pub(crate) fn admit(&self, group: u64, now: Instant) -> Option<u64> {
        let mut window = self.window.lock();
        let mut suppressed_before = 0;
        if now.duration_since(window.started) >= Duration::from_secs(1) {
            suppressed_before = window.suppressed;
            *window = LogWindow::new(now);
        }
        let limit = self.lines_per_second.load(Ordering::Relaxed);
        let own = window.groups.get(&group).copied().unwrap_or(0);
        if window.passed >= limit || own >= limit.div_ceil(LINES_PER_SHARE) {
            window.suppressed += 1;
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        window.passed += 1;
        window.groups.insert(group, own + 1);
        Some(suppressed_before)
    }

    /// The number of lines suppressed since the start.
    pub(crate) fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Line {
        /// Its memory in bytes.
        fn capacity(&self) -> usize {
            let fields = self.fields.0.iter().map(|(name, value)| name.capacity() + value.capacity());
            self.message.capacity() + self.fields.0.capacity() * size_of::<(String, String)>() + fields.sum::<usize>()
        }
    }

    #[test]
    fn lines_over_the_limit_are_suppressed_until_the_next_second() {
        let log_limiter = GuestLogLimiter::new(2);
        let now = Instant::now();
        assert_eq!(log_limiter.admit(1, now), Some(0));
        assert_eq!(log_limiter.admit(2, now), Some(0));
        assert_eq!(log_limiter.admit(3, now), None);
        assert_eq!(log_limiter.admit(4, now), None);
        let later = now + Duration::from_secs(2);
        assert_eq!(log_limiter.admit(1, later), Some(2));
        assert_eq!(log_limiter.admit(2, later), Some(0));
        assert_eq!(log_limiter.admit(3, later), None);
        assert_eq!(log_limiter.suppressed(), 3);
    }

    #[test]
    fn one_charge_point_gets_at_most_a_quarter_of_the_lines() {
        let log_limiter = GuestLogLimiter::new(100);
        let now = Instant::now();
        let passed = |group, lines| (0..lines).filter(|_| log_limiter.admit(group, now).is_some()).count();
        assert_eq!((passed(1, 1000), passed(2, 5), passed(3, 1000), passed(4, 1000)), (25, 5, 25, 25));
        assert_eq!((passed(5, 1000), passed(6, 5)), (20, 0));
        assert_eq!(log_limiter.window.lock().groups.len(), 5);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let long = "ä".repeat(MAX_LENGTH);
        let line = Line::new(Level::Info, long.clone(), vec![("a".into(), "x".into()), (long.clone(), long)]);
        assert_eq!(line.message.chars().count(), MAX_LENGTH / 2 + 1);
        assert!(line.capacity() < 3 * MAX_LENGTH, "the memory of the cut part is freed");
        assert!(line.fields.to_string().starts_with("a=\"x\" \"ää"), "{}", line.fields);
        let (name, value) = line.fields.iter().nth(1).expect("a field");
        let left = MAX_LENGTH - "ax".len();
        assert_eq!((name.chars().count(), value.chars().count()), (MAX_NAME / 2 + 1, left / 2 + 1));
    }

    #[test]
    fn fields_of_a_line_are_limited_in_number_and_total_size() {
        let line = Line::new(Level::Info, String::new(), vec![("a".repeat(1_000), "b".repeat(1_000)); 10_000]);
        assert_eq!(line.fields.iter().count(), MAX_FIELDS);
        assert!(line.capacity() < 2 * MAX_LENGTH + MAX_FIELDS * (2 * MAX_NAME + size_of::<(String, String)>()));
        assert!(line.fields.to_string().len() < MAX_LENGTH + MAX_FIELDS * 2 * MAX_NAME, "{}", line.fields);
    }
}
