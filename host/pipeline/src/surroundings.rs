//! What transforms are loaded into.

use crate::clock::Clock;
use crate::spec::Validation;
use std::path::PathBuf;

/// What transforms have around them, whatever their configuration says.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// What they are told the time is.
    pub clock: Clock,
    /// A directory for compiled components, of the gateway's own: made with mode 0700 where there is none, and not used
    /// if others have access to it. Without one a component is compiled when the process first loads it, which takes some
    /// ten seconds for one in JavaScript or Python, and again when it has loaded several others since.
    pub cache: Option<PathBuf>,
    /// What payloads are held against besides their own rules.
    pub validation: Validation,
    /// Called on the thread of a call that takes some milliseconds and goes on: nothing else runs on this thread until the
    /// call ends, which may be the time limit.
    pub on_long_call: fn(),
}

impl Default for Surroundings {
    fn default() -> Self {
        Surroundings { clock: Clock::default(), cache: None, validation: Validation::default(), on_long_call: || {} }
    }
}

impl From<Clock> for Surroundings {
    fn from(clock: Clock) -> Self {
        Surroundings { clock, ..Surroundings::default() }
    }
}
