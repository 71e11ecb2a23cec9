//! What comes out of a session.

use crate::action::Action;
use crate::call_error::{CallError, Fault};
use crate::frame::{Frame, MessageType};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the charge point to back ends.
    Uplink,
    /// From back ends to the charge point.
    Downlink,
}

/// What the owner of the session has to do next. What is large is rare, and boxed: some of these wait in each session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this text to the charge point; it is a message of that type.
    Send(MessageType, String),
    /// Send it a WebSocket ping.
    Ping,
    /// Tell the back ends: map this CALLERROR like any other frame of the charge point.
    Report(Box<UplinkFrame<'static>>),
    /// Count and log this.
    Incident(Box<Incident>),
    /// A CALL is over: count it.
    Ended(CallEnd),
    /// The answer to the gateway's own CALL of this id, for the operator who sent it.
    Answered(Box<str>, Box<OperatorCallOutcome>),
    /// The charge point has been told this heartbeat interval: it holds on later connections too. `None`: it was told
    /// none, so that the configured one is in force.
    HeartbeatInterval(Option<Duration>),
}

/// A message did not go the ordinary way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// The way that the message was going.
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
    /// The number under which the CALL was opened that this is, answers, or is about. See
    /// [`Session::set_generation`](super::Session::set_generation).
    pub generation: u64,
}

/// What has become of a CALL of the gateway's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorCallOutcome {
    /// The payload of the charge point's CALLRESULT.
    Result(String),
    /// The charge point's CALLERROR.
    Error(CallError),
    /// There is no answer.
    None { fault: Fault, text: String },
}

/// How a CALL ended. Each that was opened, or was queued, ends once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// With a CALLRESULT.
    Result,
    /// With a CALLERROR of the other side.
    Error,
    /// Without the other side's answer.
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

/// A CALL is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallEnd {
    /// The way that the CALL went; its answer went the other way.
    pub direction: Direction,
    pub action: Action,
    pub outcome: Outcome,
    /// How long the other side took to answer, if it did.
    pub answered_after: Option<Duration>,
}
