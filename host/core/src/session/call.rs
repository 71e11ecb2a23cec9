//! What is known of one CALL on its way, and how it ends.

use super::heartbeat::IntervalRequest;
use crate::frame::{Frame, IdForm};
use serde::Serialize;
use smallvec::SmallVec;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Instant;

/// How the ids of the gateway's own CALLs begin; their answers are nobody else's affair, however late they come.
pub const OPERATOR_ID_PREFIX: &str = "gateway-";

/// Who calls the charge point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Originator {
    BackEnd,
    /// The gateway, for an operator.
    Operator,
}

/// A CALL of either side.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: Box<str>,
    pub(super) action: Box<str>,
    /// See [`fingerprint`].
    pub(super) fingerprint: u64,
    /// See [`Session::set_generation`](super::Session::set_generation).
    pub(super) generation: u64,
}

impl Call {
    pub(super) fn new(frame: &Frame<'_>, generation: u64) -> Self {
        let fingerprint = fingerprint(frame);
        Call { id: (&*frame.id).into(), action: frame.action_name().into(), fingerprint, generation }
    }

    /// Whether `frame` is this CALL once more, rather than another one under the same id.
    pub(super) fn is_repeated_by(&self, frame: &Frame<'_>) -> bool {
        *self.id == *frame.id && self.fingerprint == fingerprint(frame)
    }
}

/// Stands for action and payload where two CALLs are compared.
pub(super) fn fingerprint(frame: &Frame<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    frame.action_name().hash(&mut hasher);
    frame.payload.hash(&mut hasher);
    hasher.finish()
}

/// A CALL of the charge point that back ends have not answered.
#[derive(Debug)]
pub(super) struct ReceivedCall {
    pub(super) call: Call,
    /// See [`Session::latest_call`](super::Session::latest_call).
    pub(super) number: u32,
    /// By the clock of back ends.
    pub(super) deadline: Instant,
    pub(super) id_form: IdForm,
}

/// A CALL that the charge point has not answered.
#[derive(Debug)]
pub(super) struct SentCall {
    pub(super) call: Call,
    pub(super) deadline: Instant,
    pub(super) originator: Originator,
    pub(super) extras: Option<Box<CallExtras>>,
}

/// What is known of few CALLs to the charge point, so that the others need no room for it.
#[derive(Debug)]
pub(super) struct CallExtras {
    /// See [`BACK_END_ID`](crate::frame::BACK_END_ID).
    pub(super) back_end_id: Option<Box<str>>,
    /// What it asks for, if that is another heartbeat interval.
    pub(super) interval: Option<IntervalRequest>,
}

impl CallExtras {
    pub(super) fn of(frame: &Frame<'_>) -> Option<Box<Self>> {
        let extras =
            CallExtras { back_end_id: frame.back_end_id().map(Box::from), interval: IntervalRequest::of(frame) };
        (extras.back_end_id.is_some() || extras.interval.is_some()).then(|| Box::new(extras))
    }
}

/// A CALL that waits until the charge point has answered those before it.
#[derive(Debug)]
pub(super) struct WaitingCall {
    pub(super) call: Call,
    pub(super) text: String,
    pub(super) expires: Instant,
    pub(super) originator: Originator,
    pub(super) extras: Option<Box<CallExtras>>,
}

impl WaitingCall {
    /// It is sent, and its answer has to come by then.
    pub(super) fn sent(self, deadline: Instant) -> SentCall {
        let WaitingCall { call, originator, extras, .. } = self;
        SentCall { call, deadline, originator, extras }
    }
}

/// The CALLs of a charge point that back ends have not answered, the oldest first.
pub(super) type ReceivedCalls = SmallVec<[ReceivedCall; 1]>;

pub(super) fn find<'c>(calls: &'c [ReceivedCall], id: &str) -> Option<&'c ReceivedCall> {
    calls.iter().find(|open| *open.call.id == *id)
}

/// The actions of the CALLs that a charge point waits for, by message id.
#[derive(Debug, Default, Clone, Copy)]
pub struct UnansweredCalls<'a>(pub(super) &'a [ReceivedCall]);

impl<'a> UnansweredCalls<'a> {
    /// The action of its CALL `id`, if that is open.
    pub fn action(self, id: &str) -> Option<&'a str> {
        find(self.0, id).map(|open| &*open.call.action)
    }
}

/// What is open at the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenCalls {
    /// The actions of the charge point's CALLs that back ends have not answered, the oldest first.
    pub from_charge_point: Vec<String>,
    /// The action of the CALL that the charge point has not answered.
    pub to_charge_point: Option<String>,
    /// CALLs that wait until the charge point has answered those before them.
    pub waiting: usize,
}
