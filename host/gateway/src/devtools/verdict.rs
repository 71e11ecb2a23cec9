//! How the work came out.

/// How the work came out, where it could be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommandResult {
    Good,
    /// What is bad about it has been said.
    Bad,
}

/// A configuration that a transform does not take, or that is none.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BadConfiguration(pub(super) String);
