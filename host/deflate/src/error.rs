//! Why the layer ends a connection.

use std::io;

/// Why a compressed message ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeflateError {
    /// The data is not what a deflate compressor writes.
    #[error("the message cannot be inflated: {0}")]
    Invalid(&'static str),
    /// The message is larger than the limit, in bytes.
    #[error("the message inflates to more than {0} bytes")]
    TooLarge(usize),
    /// A breach of the WebSocket protocol.
    #[error("{0}")]
    Protocol(&'static str),
}

impl DeflateError {
    /// The error of the layer inside an error of the stream. `None`: the stream itself failed.
    pub fn find(error: &io::Error) -> Option<&DeflateError> {
        error.get_ref()?.downcast_ref()
    }

    /// The close code to end the connection with (RFC 6455 section 7.4.1). RFC 7692 leaves it open; for invalid data
    /// this is the one that Node.js's `ws` uses.
    pub fn close_code(&self) -> u16 {
        match self {
            DeflateError::Invalid(_) => 1007,
            DeflateError::TooLarge(_) => 1009,
            DeflateError::Protocol(_) => 1002,
        }
    }
}

impl From<DeflateError> for io::Error {
    fn from(error: DeflateError) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}
