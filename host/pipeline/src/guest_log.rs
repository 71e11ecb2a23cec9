//! What transforms write into the gateway's log.

use crate::abi::Level;
use crate::subject::Subject;
use ocpp_gateway_core::Attributes;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The longest message or field that reaches the log, in bytes; the rest is cut off.
pub(crate) const LONGEST: usize = 4096;

/// The longest name of a field, in bytes.
const MAX_NAME: usize = 64;

/// The most fields of a line. Together they are as long as a message may be.
const MAX_FIELDS: usize = 32;

/// One line, kept until the call is over: only then is the charge point at hand.
pub(crate) struct Line {
    level: Level,
    message: String,
    fields: LogFields,
}

impl Line {
    pub(crate) fn new(level: Level, mut message: String, mut fields: Attributes) -> Self {
        cut(&mut message, LONGEST);
        if fields.len() > MAX_FIELDS {
            fields.truncate(MAX_FIELDS);
            fields.shrink_to_fit();
        }
        let mut room = LONGEST;
        for (name, value) in &mut fields {
            cut(name, MAX_NAME);
            cut(value, room);
            room = room.saturating_sub(name.len() + value.len());
        }
        Line { level, message, fields: LogFields(fields) }
    }

    /// Hands the line to `tracing`, with the transform and its version and what it was called about.
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
        // A call may log many lines, which are kept until it is over: what was cut off is given back.
        text.shrink_to_fit();
    }
}

/// Names and values that a transform adds to a line. An `Error` only because that is the one kind of value that
/// `tracing` hands on as what it is, so that a log of objects can have an object of it.
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

/// `name="value" name="value"`, with quotes around names that would not stay one word.
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

/// Lets so many lines of one transform through per second, over all its instances; and a quarter of them for one charge point,
/// so that none takes the place of all others.
pub(crate) struct GuestLogLimiter {
    lines_per_second: AtomicU32,
    window: Mutex<LogWindow>,
    suppressed: AtomicU64,
}

struct LogWindow {
    started: Instant,
    passed: u32,
    suppressed: u64,
    /// How many lines of them are about whom; of no more than have passed.
    parties: HashMap<u64, u32>,
}

impl LogWindow {
    fn new(started: Instant) -> Self {
        LogWindow { started, passed: 0, suppressed: 0, parties: HashMap::new() }
    }
}

/// One charge point has the use of one line of so many.
const SHARE: u32 = 4;

impl GuestLogLimiter {
    pub(crate) fn new(lines_per_second: u32) -> Self {
        let window = Mutex::new(LogWindow::new(Instant::now()));
        GuestLogLimiter { lines_per_second: lines_per_second.into(), window, suppressed: AtomicU64::new(0) }
    }

    pub(crate) fn set_limit(&self, lines_per_second: u32) {
        self.lines_per_second.store(lines_per_second, Ordering::Relaxed);
    }

    /// Whether a line may pass: if so, how many might not since the last that did. `party`: whom it is about
    /// ([`Caller::party`](crate::caller::Caller)).
    pub(crate) fn ask(&self, party: u64, now: Instant) -> Option<u64> {
        let mut window = self.window.lock();
        let mut suppressed_before = 0;
        if now.duration_since(window.started) >= Duration::from_secs(1) {
            suppressed_before = window.suppressed;
            *window = LogWindow::new(now);
        }
        let limit = self.lines_per_second.load(Ordering::Relaxed);
        let own = window.parties.get(&party).copied().unwrap_or(0);
        if window.passed >= limit || own >= limit.div_ceil(SHARE) {
            window.suppressed += 1;
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        window.passed += 1;
        window.parties.insert(party, own + 1);
        Some(suppressed_before)
    }

    /// How many lines did not pass, ever.
    pub(crate) fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Line {
        /// What it takes of memory, in bytes.
        fn capacity(&self) -> usize {
            let fields = self.fields.0.iter().map(|(name, value)| name.capacity() + value.capacity());
            self.message.capacity() + self.fields.0.capacity() * size_of::<(String, String)>() + fields.sum::<usize>()
        }
    }

    #[test]
    fn the_gate_shuts_and_opens_again() {
        let log_limiter = GuestLogLimiter::new(2);
        let now = Instant::now();
        assert_eq!(log_limiter.ask(1, now), Some(0));
        assert_eq!(log_limiter.ask(2, now), Some(0));
        assert_eq!(log_limiter.ask(3, now), None);
        assert_eq!(log_limiter.ask(4, now), None);
        let later = now + Duration::from_secs(2);
        assert_eq!(log_limiter.ask(1, later), Some(2));
        assert_eq!(log_limiter.ask(2, later), Some(0));
        assert_eq!(log_limiter.ask(3, later), None);
        assert_eq!(log_limiter.suppressed(), 3);
    }

    #[test]
    fn one_charge_point_leaves_lines_for_others() {
        let log_limiter = GuestLogLimiter::new(100);
        let now = Instant::now();
        let passed = |party, lines| (0..lines).filter(|_| log_limiter.ask(party, now).is_some()).count();
        assert_eq!((passed(1, 1000), passed(2, 5), passed(3, 1000), passed(4, 1000)), (25, 5, 25, 25));
        assert_eq!((passed(5, 1000), passed(6, 5)), (20, 0));
        assert_eq!(log_limiter.window.lock().parties.len(), 5);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let long = "ä".repeat(LONGEST);
        let line = Line::new(Level::Info, long.clone(), vec![("a".into(), "x".into()), (long.clone(), long)]);
        assert_eq!(line.message.chars().count(), LONGEST / 2 + 1);
        assert!(line.capacity() < 3 * LONGEST, "what was cut off is given back");
        assert!(line.fields.to_string().starts_with("a=\"x\" \"ää"), "{}", line.fields);
        let (name, value) = line.fields.iter().nth(1).expect("a field");
        let left = LONGEST - "ax".len();
        assert_eq!((name.chars().count(), value.chars().count()), (MAX_NAME / 2 + 1, left / 2 + 1));
    }

    #[test]
    fn a_line_has_a_limited_number_of_fields_of_limited_size_in_all() {
        let line = Line::new(Level::Info, String::new(), vec![("a".repeat(1_000), "b".repeat(1_000)); 10_000]);
        assert_eq!(line.fields.iter().count(), MAX_FIELDS);
        assert!(line.capacity() < 2 * LONGEST + MAX_FIELDS * (2 * MAX_NAME + size_of::<(String, String)>()));
        assert!(line.fields.to_string().len() < LONGEST + MAX_FIELDS * 2 * MAX_NAME, "{}", line.fields);
    }
}
