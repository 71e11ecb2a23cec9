//! The conversation with one charge point, without its socket.
//!
//! Inputs go to `handle_…` functions together with the time; [`Session::poll`] returns what to do. The session keeps
//! these rules:
//!
//! - One CALL at a time is open to the charge point; several may be open from it, and the directions do not wait for
//!   each other (OCPP-J 1.6 section 4.1.1: a rule for senders).
//! - Every CALL gets an answer, from the gateway if the other side does not answer, and never two.
//! - An answer reaches only its own CALL.
//! - Every lost message is an [`Incident`].
//!
//! [`Session`] documents its functions and the order in which to call them.

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
