//! What transforms are loaded into.

use crate::clock::Clock;
use crate::compile::Compile;
use crate::settings::Validation;
use std::path::PathBuf;
use std::sync::Arc;

/// What transforms have around them, whatever their configuration says.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// What they are told the time is.
    pub clock: Clock,
    /// A directory for compiled components, of the gateway's own: made with mode 0700 where there is none, and not used
    /// if others have access to it. Without one a component is compiled when the process first loads it, which takes some
    /// ten seconds for one in JavaScript or Python, and again when it has loaded several others since.
    pub cache: Option<PathBuf>,
    /// What compiles components, but those that ship with the gateway. `None`: this process, for as long as it takes, and
    /// with the memory that it takes.
    pub compile: Option<Arc<dyn Compile>>,
    /// Functions that one component may have.
    pub max_functions: usize,
    /// What payloads are held against besides their own rules.
    pub validation: Validation,
    pub long_calls: LongCalls,
}

/// Called on the thread of a call that takes some milliseconds and goes on: nothing else runs on this thread until the call
/// ends, which may be the time limit.
#[derive(Debug, Clone, Copy)]
pub struct LongCalls {
    pub begin: fn(),
    /// Once for each `begin`.
    pub end: fn(),
}

impl Default for LongCalls {
    /// Nobody cares.
    fn default() -> Self {
        LongCalls { begin: || {}, end: || {} }
    }
}

/// Functions that one component may have: Python with its standard library has 14,000.
pub const MAX_FUNCTIONS: usize = 100_000;

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            clock: Clock::default(),
            cache: None,
            compile: None,
            max_functions: MAX_FUNCTIONS,
            validation: Validation::default(),
            long_calls: LongCalls::default(),
        }
    }
}

impl From<Clock> for LoadOptions {
    fn from(clock: Clock) -> Self {
        LoadOptions { clock, ..LoadOptions::default() }
    }
}
