//! The CALLs of a session: received, sent and waiting.

use super::heartbeat::IntervalRequest;
use crate::frame::{Frame, IdForm};
use serde::Serialize;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Instant;

/// The prefix of the ids of the gateway's own CALLs. Their answers never go to back ends, not even late ones.
pub const OPERATOR_ID_PREFIX: &str = "gateway-";

/// The originator of a CALL to the charge point.
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

    /// Whether `frame` is a repeat of this CALL, not another CALL with the same id.
    pub(super) fn is_repeated_by(&self, frame: &Frame<'_>) -> bool {
        *self.id == *frame.id && self.fingerprint == fingerprint(frame)
    }
}

/// A hash of action and payload, to compare two CALLs.
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
    /// In the time of the session's `BackEndClock`.
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

/// Facts that only few CALLs to the charge point have; boxed, so that the others stay small.
#[derive(Debug)]
pub(super) struct CallExtras {
    /// See [`BACK_END_ID`](crate::frame::BACK_END_ID).
    pub(super) back_end_id: Option<Box<str>>,
    /// The change of the heartbeat interval that the CALL requests, if it does.
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
    /// The same CALL once it is sent, with the deadline of its answer.
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

/// The actions of the CALLs that wait for an answer from back ends, by message id.
#[derive(Debug, Clone, Copy)]
pub struct UnansweredCalls<'a>(CallSource<'a>);

#[derive(Debug, Clone, Copy)]
enum CallSource<'a> {
    Session(&'a [ReceivedCall]),
    /// Message ids and actions.
    List(&'a [(Cow<'a, str>, Cow<'a, str>)]),
}

impl Default for UnansweredCalls<'_> {
    fn default() -> Self {
        UnansweredCalls(CallSource::Session(&[]))
    }
}

impl<'a> UnansweredCalls<'a> {
    pub(super) fn of_session(open: &'a [ReceivedCall]) -> Self {
        UnansweredCalls(CallSource::Session(open))
    }

    /// Those of a list of message ids and actions, without a session.
    pub fn listed(calls: &'a [(Cow<'a, str>, Cow<'a, str>)]) -> Self {
        UnansweredCalls(CallSource::List(calls))
    }

    /// The action of the CALL `id`, if that is open.
    pub fn action(self, id: &str) -> Option<&'a str> {
        match self.0 {
            CallSource::Session(open) => find(open, id).map(|open| &*open.call.action),
            CallSource::List(calls) => calls.iter().find(|(open, _)| open == id).map(|(_, action)| &**action),
        }
    }

    /// Message id and action of each, the oldest first.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let (open, calls) = match self.0 {
            CallSource::Session(open) => (open, Default::default()),
            CallSource::List(calls) => (Default::default(), calls),
        };
        let open = open.iter().map(|open| (&*open.call.id, &*open.call.action));
        open.chain(calls.iter().map(|(id, action)| (&**id, &**action)))
    }
}

/// The CALLs that are open or wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenCalls {
    /// The actions of the charge point's CALLs that back ends have not answered, the oldest first.
    pub from_charge_point: Vec<String>,
    /// The action of the CALL that the charge point has not answered.
    pub to_charge_point: Option<String>,
    /// CALLs that wait until the charge point has answered those before them.
    pub waiting: usize,
}
