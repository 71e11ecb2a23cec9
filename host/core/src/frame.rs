//! One OCPP-J message, split into its parts and encoded.
//!
//! The envelope is parsed once, on the host; the payload is not parsed, but borrowed from the text unchanged, so number
//! formats and the order of keys survive (OCPP-J 1.6 section 4.2; OCPP 2.1 part 4 section 4.2).

mod message;
mod read;

pub use message::{
    BACK_END_ID, ErrorHead, Frame, FrameProblem, IdForm, MAX_ACTION, MAX_MESSAGE_ID, MAX_RECEIVED_ID, Malformed,
    MessageType,
};
pub use read::Received;

#[cfg(test)]
mod tests;
