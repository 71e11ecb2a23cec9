//! The conversation with one charge point, without its socket.
//!
//! What comes in is handed to a `handle_…` function together with the time; what is to be done about it comes out of
//! [`Session::poll`]. The rules kept here: one CALL at a time is open to the charge point, several may be open from it, and
//! the directions do not wait for each other (OCPP-J 1.6 section 4.1.1: a rule for senders); every CALL gets an answer, if
//! need be from the gateway, and never two; an answer reaches only the CALL that it belongs to; nothing is lost without an
//! [`Incident`]. [`Session`] says which calls there are, and in which order they are made.

mod call;
mod clock;
mod downlink;
mod ending;
mod heartbeat;
mod liveness;
mod output;
mod outputs;
mod settings;
mod state;
mod uplink;

pub use call::{OPERATOR_ID_PREFIX, OpenCalls, UnansweredCalls};
pub use output::{CallEnd, Direction, Incident, OperatorCallOutcome, Outcome, Output, UplinkFrame};
pub use settings::{Settings, Unmatched};
pub use state::Session;

#[cfg(test)]
mod tests;
