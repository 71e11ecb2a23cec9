//! Why a `ctl` command failed.

use super::client::{ApiError, Refusal};
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub(super) enum CtlError {
    #[error(transparent)]
    Api(#[from] ApiError),
    /// `put` for a name that the gateway does not know.
    #[error("{refusal}\nTo add it: ocpp-gateway ctl transforms add {name} …")]
    NotThere { name: String, refusal: Box<Refusal> },
    /// The gateway shows no payloads.
    #[error("{0}\nWithout the content of messages: ocpp-gateway ctl tap --no-payload …")]
    NoPayloads(Box<Refusal>),
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    /// Arguments that do not fit together, or that cannot be read.
    #[error("{0}")]
    Usage(String),
    #[error("the gateway has ended the stream of events: {0}")]
    StreamEnded(io::Error),
    #[error("signals that end the command: {0}")]
    Signals(io::Error),
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    /// The result has been printed, and is a failure.
    #[error("failed")]
    Reported,
}

impl CtlError {
    /// The refusal by the API, if that is the reason.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        match self {
            CtlError::Api(ApiError::Refused(refusal))
            | CtlError::NotThere { refusal, .. }
            | CtlError::NoPayloads(refusal) => Some(refusal),
            _ => None,
        }
    }
}
