//! How the work came out.

use std::fmt;

/// How the work came out, where it could be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    /// What is bad about it has been said.
    Bad,
}

/// A configuration that a transform does not take, or that is none.
#[derive(Debug)]
pub(super) struct BadConfiguration(pub(super) String);

impl fmt::Display for BadConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadConfiguration {}
