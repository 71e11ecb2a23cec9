//! What is known of one CALL on its way, and how it ends.

use crate::action::Action;
use crate::call_error::{CallError, Fault};
use std::time::{Duration, Instant};

/// How the ids of the gateway's own CALLs begin; their answers are nobody else's affair, however late they come.
pub const OWN_ID: &str = "gateway-";

/// Who asks the charge point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    BackEnd,
    Gateway,
}

/// A CALL that waits for its answer.
#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) id: Box<str>,
    pub(super) action: Box<str>,
    pub(super) deadline: Instant,
    /// Of a CALL to the charge point. One from it is for back ends.
    pub(super) asker: Asker,
}

/// A CALL to the charge point that waits for its turn.
#[derive(Debug)]
pub(super) struct WaitingCall {
    pub(super) id: Box<str>,
    pub(super) action: Box<str>,
    pub(super) text: String,
    pub(super) expires: Instant,
    pub(super) asker: Asker,
}

impl WaitingCall {
    /// It is sent, and its answer has to come by then.
    pub(super) fn open(self, deadline: Instant) -> OpenCall {
        let WaitingCall { id, action, asker, .. } = self;
        OpenCall { id, action, deadline, asker }
    }
}

/// What a charge point has asked and waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The message id of its CALL.
    pub id: &'a str,
    pub action: &'a str,
}

/// What has become of a CALL of the gateway's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnAnswer {
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
    pub direction: super::Direction,
    pub action: Action,
    pub outcome: Outcome,
    /// How long the other side took to answer, if it did.
    pub answered_after: Option<Duration>,
}

/// What is open at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCalls {
    /// The action of the charge point's CALL that back ends have not answered.
    pub from_charge_point: Option<String>,
    /// The action of the CALL that the charge point has not answered.
    pub to_charge_point: Option<String>,
    /// CALLs that wait for their turn to go to it.
    pub waiting: usize,
}
