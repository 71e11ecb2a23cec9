//! What has come of a message so far, and what each stage on its way has in common.

use crate::chain::{Chain, Stages};
use crate::error::{Cause, Failure, GuestFault, IllegalOutput, TransformIncident};
use crate::hook;
use crate::settings::OnError;
use crate::subject::Subject;
use crate::transform::Transform;
use ocpp_gateway_core::call_error::ORIGIN;
use ocpp_gateway_core::{CallError, Fault, Frame, Peer, Publish, UnansweredCalls};
use std::sync::Arc;

/// All that the other side learns of a failure inside; the rest is for the log.
pub(super) const NOT_PROCESSED: &str = "the gateway could not process this message";

/// So many calls one message may cause, however many copies of it the transforms make.
const CALLS_PER_MESSAGE: usize = 256;

/// What a charge point is answered on the spot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Its CALL, with this payload.
    Result(String),
    /// Its CALL.
    Error(CallError),
    /// Its CALLRESULT, which is not what it has to be. In versions that have a message for that.
    ResultError(CallError),
}

/// A message from a back end that was not made into frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotMapped {
    pub fault: Fault,
    /// The message id; empty where it could not be read.
    pub id: String,
    pub text: String,
}

/// One message on its way through a chain, with what has come of it so far.
pub(crate) struct ChainRun<'a> {
    pub(super) chain: &'a Chain,
    pub(super) peer: &'a Peer,
    /// The CALLs that the charge point waits for.
    pub(crate) asked: UnansweredCalls<'a>,
    calls: usize,
    pub(crate) publishes: Vec<Publish>,
    /// How many of them the mapping has made, and where the latest begin.
    pub(super) mapped: (usize, usize),
    pub(crate) frames: Vec<Frame<'static>>,
    /// Whether the mapping made a message for the broker of it, and the stages after that let it pass.
    pub(super) is_forwarded: bool,
    /// A transform let the message, or a copy of it, go nowhere.
    is_dropped: bool,
    /// To the charge point, for the message that it sent.
    pub(crate) answer: Option<Answer>,
    pub(crate) not_mapped: Option<NotMapped>,
    pub(crate) incidents: Vec<TransformIncident>,
    /// Under which message id the sender of the frame, or whoever waits for it as an answer, knows it: transforms may change
    /// the one in the frame. `None`: it is that one.
    pub(super) sender_id: Option<String>,
    /// Message id and action of a frame that was rejected, for the log.
    pub(crate) rejected: Option<(String, String)>,
}

impl<'a> ChainRun<'a> {
    pub(crate) fn new(chain: &'a Chain, peer: &'a Peer) -> Self {
        ChainRun {
            chain,
            peer,
            asked: UnansweredCalls::default(),
            calls: 0,
            publishes: Vec::new(),
            mapped: (0, 0),
            frames: Vec::new(),
            is_forwarded: false,
            is_dropped: false,
            answer: None,
            not_mapped: None,
            incidents: Vec::new(),
            sender_id: None,
            rejected: None,
        }
    }

    /// Where the message is that the mapping has made, if it is a single one.
    pub(crate) fn mapped(&self) -> Option<usize> {
        let (count, place) = self.mapped;
        (count == 1).then_some(place)
    }

    /// Calls a hook. The error says what its failure means for the message.
    pub(super) fn ask<H: hook::Hook>(
        &mut self,
        transform: &Arc<Transform>,
        subject: Subject<'_>,
        arguments: H::Arguments<'_>,
    ) -> Result<H::Checked, OnError> {
        let asked = self.note_call().and_then(|()| transform.call::<H>(subject, arguments));
        asked.map_err(|failure| self.fallback(transform, failure))
    }

    pub(super) fn fallback(&mut self, transform: &Transform, failure: Failure) -> OnError {
        self.failed(transform, failure);
        transform.on_error
    }

    /// Counts one more call, unless there have been too many.
    pub(super) fn note_call(&mut self) -> Result<(), Failure> {
        self.calls += 1;
        if self.calls > CALLS_PER_MESSAGE {
            let illegal = IllegalOutput::TooMany { count: self.calls, limit: CALLS_PER_MESSAGE };
            return Err(GuestFault::Output(illegal).into());
        }
        Ok(())
    }

    /// Whether nothing is left of a frame of the charge point that could lead to an answer.
    pub(crate) fn leads_nowhere(&self) -> bool {
        self.answer.is_none() && !self.is_forwarded && (self.is_dropped || self.publishes.is_empty())
    }

    pub(super) fn dropped(&mut self, transform: &Transform, reason: impl Into<String>) {
        self.is_dropped = true;
        self.incident(transform, Cause::Dropped(reason.into()));
    }

    pub(super) fn failed(&mut self, transform: &Transform, failure: Failure) {
        self.incident(transform, Cause::Failed(failure));
    }

    pub(super) fn incident(&mut self, transform: &Transform, cause: Cause) {
        self.incidents.push(transform.incident(cause));
    }
}

/// The first of `stages` from `stage` on that is for this message, and the one to go on with.
pub(super) fn next<'s>(
    stages: &'s Stages,
    stage: usize,
    peer: &Peer,
    action: Option<&str>,
) -> Option<(&'s Arc<Transform>, usize)> {
    let place = stage + stages[stage..].iter().position(|transform| transform.matcher.takes(peer, action))?;
    Some((&stages[place], place + 1))
}

/// Whether the gateway made this frame.
pub(super) fn is_own(frame: &Frame<'_>) -> bool {
    let (name, value) = ORIGIN;
    frame.attributes.iter().any(|(own_name, own_value)| own_name == name && own_value == value)
}
