//! What transforms write into the gateway's log.

use crate::abi::Level;
use crate::transform::Subject;
use ocpp_gateway_core::Attributes;
use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The longest message or field that reaches the log, in bytes; the rest is cut off.
pub(crate) const LONGEST: usize = 4096;

/// One line, kept until the call is over: only then is the charge point at hand.
pub(crate) struct Line {
    level: Level,
    message: String,
    fields: Attributes,
}

impl Line {
    pub(crate) fn new(level: Level, mut message: String, mut fields: Attributes) -> Self {
        cut(&mut message);
        fields.iter_mut().for_each(|(_, value)| cut(value));
        Line { level, message, fields }
    }

    /// Hands the line to `tracing`, with the transform and its version and what it was called about.
    pub(crate) fn emit(&self, transform: &str, version: &str, subject: Subject<'_>) {
        let Subject { charge_point, action, .. } = subject;
        let (message, fields) = (&self.message, Fields(&self.fields));
        macro_rules! event {
            ($level:ident) => {
                tracing::event!(
                    target: "transform",
                    tracing::Level::$level,
                    transform,
                    version,
                    charge_point,
                    action,
                    %fields,
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

fn cut(text: &mut String) {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
}

struct Fields<'a>(&'a Attributes);

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(f, "{space}{name}={value:?}")?;
        }
        Ok(())
    }
}

/// Lets so many lines of one transform through per second, over all its instances.
pub(crate) struct Gate {
    lines_per_second: AtomicU32,
    window: Mutex<Window>,
    suppressed: AtomicU64,
}

struct Window {
    started: Instant,
    passed: u32,
    suppressed: u64,
}

/// What becomes of a line.
pub(crate) enum Passage {
    Open,
    /// It may pass, the first after so many that might not.
    OpenAgain(u64),
    Shut,
}

impl Gate {
    pub(crate) fn new(lines_per_second: u32) -> Self {
        let window = Window { started: Instant::now(), passed: 0, suppressed: 0 };
        Gate { lines_per_second: lines_per_second.into(), window: Mutex::new(window), suppressed: AtomicU64::new(0) }
    }

    pub(crate) fn set_limit(&self, lines_per_second: u32) {
        self.lines_per_second.store(lines_per_second, Ordering::Relaxed);
    }

    pub(crate) fn ask(&self, now: Instant) -> Passage {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let mut suppressed_before = 0;
        if now.duration_since(window.started) >= Duration::from_secs(1) {
            suppressed_before = window.suppressed;
            *window = Window { started: now, passed: 0, suppressed: 0 };
        }
        if window.passed >= self.lines_per_second.load(Ordering::Relaxed) {
            window.suppressed += 1;
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            return Passage::Shut;
        }
        window.passed += 1;
        if suppressed_before == 0 { Passage::Open } else { Passage::OpenAgain(suppressed_before) }
    }

    /// How many lines did not pass, ever.
    pub(crate) fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_shuts_and_opens_again() {
        let gate = Gate::new(2);
        let now = Instant::now();
        assert!(matches!(gate.ask(now), Passage::Open));
        assert!(matches!(gate.ask(now), Passage::Open));
        assert!(matches!(gate.ask(now), Passage::Shut));
        assert!(matches!(gate.ask(now), Passage::Shut));
        let later = now + Duration::from_secs(2);
        assert!(matches!(gate.ask(later), Passage::OpenAgain(2)));
        assert!(matches!(gate.ask(later), Passage::Open));
        assert!(matches!(gate.ask(later), Passage::Shut));
        assert_eq!(gate.suppressed(), 3);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let line = Line::new(Level::Info, "ä".repeat(LONGEST), vec![("a".into(), "x".into())]);
        assert_eq!(line.message.chars().count(), LONGEST / 2 + 1);
        assert_eq!(Fields(&line.fields).to_string(), "a=\"x\"");
    }
}
