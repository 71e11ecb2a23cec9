//! Results of the `transform` commands.

/// The result of a command that could be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommandResult {
    Good,
    /// There are faults, which have been reported.
    Bad,
}

/// A configuration that is not valid, or that a transform refuses.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BadConfiguration(pub(super) String);

/// Arguments that do not fit together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct WrongUsage(pub(super) String);

/// Two transforms could not be compared, or not on all messages.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotCompared(pub(super) String);
