//! The outputs of a session.

use crate::action::Action;
use crate::call_error::{CallError, Fault};
use crate::frame::{Frame, MessageType};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The direction of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the charge point to back ends.
    Uplink,
    /// From back ends to the charge point.
    Downlink,
}

/// What the owner of the session has to do next. Large variants are rare and boxed, because each session queues
/// outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this text, a message of this type, to the charge point.
    Send(MessageType, String),
    /// Send a WebSocket ping to the charge point.
    Ping,
    /// Report to the back ends: map and publish this CALLERROR like any other frame of the charge point.
    Report(Box<UplinkFrame<'static>>),
    /// Count and log this.
    Incident(Box<Incident>),
    /// Count this: a CALL has ended.
    Ended(CallEnd),
    /// Report the outcome of the CALL of this id to the operator.
    Answered(Box<str>, Box<OperatorCallOutcome>),
    /// Store the heartbeat interval that the charge point was given: it stays in force on later connections. `None`: no
    /// interval was given, so the configured one is in force.
    HeartbeatInterval(Option<Duration>),
}

/// A message was not forwarded and answered as usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// The direction of the message.
    pub direction: Direction,
    pub fault: Fault,
    /// The message id, if it could be read.
    pub id: String,
    pub action: String,
    pub detail: String,
}

/// A frame that is to be mapped and published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UplinkFrame<'a> {
    pub frame: Frame<'a>,
    /// The number under which the CALL was opened that this frame contains, answers or reports. See
    /// [`Session::set_generation`](super::Session::set_generation).
    pub generation: u64,
}

/// The outcome of an operator's CALL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorCallOutcome {
    /// The payload of the charge point's CALLRESULT.
    Result(String),
    /// The charge point's CALLERROR.
    Error(CallError),
    /// There is no answer.
    None { fault: Fault, text: String },
}

/// How a CALL ended. Each CALL that was opened or queued ends once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// With a CALLRESULT.
    Result,
    /// With a CALLERROR of the other side.
    Error,
    /// Without an answer of the other side.
    Failed(Fault),
}

impl Outcome {
    /// A name for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Result => "result",
            Outcome::Error => "error",
            Outcome::Failed(fault) => fault.name(),
        }
    }
}

/// The end of a CALL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallEnd {
    /// The direction of the CALL.
    pub direction: Direction,
    pub action: Action,
    pub outcome: Outcome,
    /// How long the other side took to answer, if it did.
    pub answered_after: Option<Duration>,
    /// That of the CALL: see [`Session::set_generation`](super::Session::set_generation).
    pub generation: u64,
}
