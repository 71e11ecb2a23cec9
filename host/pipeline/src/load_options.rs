//! Options for loading transforms.

use crate::clock::Clock;
use crate::compile::Compile;
use crate::settings::Validation;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Options for all transforms, whatever their configuration.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Their clock.
    pub clock: Clock,
    /// A directory for compiled components, used by the gateway alone: created with mode 0700 if absent, and not used
    /// if other users have access to it. Without it, a component is compiled when the process first loads it, which
    /// takes some ten seconds for one in JavaScript or Python, and again after several others were loaded.
    pub cache: Option<PathBuf>,
    /// Compiles components, except those that ship with the gateway. `None`: they are compiled in this process, without
    /// a limit on time or memory.
    pub compile: Option<Arc<dyn Compile>>,
    /// The most functions of one component.
    pub max_functions: usize,
    /// Validation of payloads by the published schemas, besides their own rules.
    pub validation: Validation,
    pub long_calls: LongCalls,
    /// Decides which files of components and programs are loaded. `None`: all of them.
    pub verify: Option<Arc<dyn Verify>>,
}

/// Decides whether code from a file may run, by a signature for example.
pub trait Verify: fmt::Debug + Send + Sync {
    /// `path`: the file that `content` was read from. `content` is what will run, whatever is in the file by now. The
    /// error says why it must not run.
    fn verify(&self, path: &Path, content: &[u8]) -> Result<(), String>;
}

/// Called on the thread of a call that has taken some milliseconds and continues: the thread runs nothing else until
/// the call ends, which may be at the time limit.
#[derive(Debug, Clone, Copy)]
pub struct LongCalls {
    pub begin: fn(),
    /// Once for each `begin`.
    pub end: fn(),
}

impl Default for LongCalls {
    /// Does nothing.
    fn default() -> Self {
        LongCalls { begin: || {}, end: || {} }
    }
}

/// The default limit on the functions of one component: Python with its standard library has 14,000.
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
            verify: None,
        }
    }
}

impl From<Clock> for LoadOptions {
    fn from(clock: Clock) -> Self {
        LoadOptions { clock, ..LoadOptions::default() }
    }
}
