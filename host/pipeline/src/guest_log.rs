//! What transforms write into the gateway's log.

use crate::abi::Level;
use crate::transform::Subject;
use ocpp_gateway_core::Attributes;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
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

/// Lets so many lines of one transform through per second, over all its instances; and a quarter of them for one charge point,
/// so that none takes the place of all others.
pub(crate) struct Gate {
    lines_per_second: AtomicU32,
    window: Mutex<Window>,
    suppressed: AtomicU64,
}

struct Window {
    started: Instant,
    passed: u32,
    suppressed: u64,
    /// How many lines of them are about whom; of no more than have passed.
    parties: HashMap<u64, u32>,
}

impl Window {
    fn new(started: Instant) -> Self {
        Window { started, passed: 0, suppressed: 0, parties: HashMap::new() }
    }
}

/// One charge point has the use of one line of so many.
const SHARE: u32 = 4;

/// What becomes of a line.
pub(crate) enum Passage {
    Open,
    /// It may pass, the first after so many that might not.
    OpenAgain(u64),
    Shut,
}

impl Passage {
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self, Passage::Shut)
    }
}

impl Gate {
    pub(crate) fn new(lines_per_second: u32) -> Self {
        let window = Mutex::new(Window::new(Instant::now()));
        Gate { lines_per_second: lines_per_second.into(), window, suppressed: AtomicU64::new(0) }
    }

    pub(crate) fn set_limit(&self, lines_per_second: u32) {
        self.lines_per_second.store(lines_per_second, Ordering::Relaxed);
    }

    /// `party`: whom the line is about ([`Caller::party`](crate::breaker::Caller)).
    pub(crate) fn ask(&self, party: u64, now: Instant) -> Passage {
        let mut window = self.lock();
        let mut suppressed_before = 0;
        if now.duration_since(window.started) >= Duration::from_secs(1) {
            suppressed_before = window.suppressed;
            *window = Window::new(now);
        }
        let limit = self.lines_per_second.load(Ordering::Relaxed);
        let own = window.parties.get(&party).copied().unwrap_or(0);
        if window.passed >= limit || own >= limit.div_ceil(SHARE) {
            window.suppressed += 1;
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            return Passage::Shut;
        }
        window.passed += 1;
        window.parties.insert(party, own + 1);
        if suppressed_before == 0 { Passage::Open } else { Passage::OpenAgain(suppressed_before) }
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert!(matches!(gate.ask(1, now), Passage::Open));
        assert!(matches!(gate.ask(2, now), Passage::Open));
        assert!(matches!(gate.ask(3, now), Passage::Shut));
        assert!(matches!(gate.ask(4, now), Passage::Shut));
        let later = now + Duration::from_secs(2);
        assert!(matches!(gate.ask(1, later), Passage::OpenAgain(2)));
        assert!(matches!(gate.ask(2, later), Passage::Open));
        assert!(matches!(gate.ask(3, later), Passage::Shut));
        assert_eq!(gate.suppressed(), 3);
    }

    #[test]
    fn one_charge_point_leaves_lines_for_others() {
        let gate = Gate::new(100);
        let now = Instant::now();
        let passed = |party, lines| (0..lines).filter(|_| gate.ask(party, now).is_open()).count();
        assert_eq!((passed(1, 1000), passed(2, 5), passed(3, 1000), passed(4, 1000)), (25, 5, 25, 25));
        assert_eq!((passed(5, 1000), passed(6, 5)), (20, 0));
        assert_eq!(gate.lock().parties.len(), 5);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let line = Line::new(Level::Info, "ä".repeat(LONGEST), vec![("a".into(), "x".into())]);
        assert_eq!(line.message.chars().count(), LONGEST / 2 + 1);
        assert_eq!(Fields(&line.fields).to_string(), "a=\"x\"");
    }
}
