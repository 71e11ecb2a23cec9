//! The state of one message in a chain, and what all stages have in common.

use crate::chain::{Chain, Stages};
use crate::error::{Cause, Failure, GuestFault, IllegalOutput, TransformIncident};
use crate::hook::{self, Function};
use crate::settings::OnError;
use crate::shadow::{ShadowNote, handles};
use crate::subject::Subject;
use crate::trace::{Trace, TraceStep, TracedAnswer, TracedCall, TracedMessage};
use crate::transform::Transform;
use ocpp_gateway_core::call_error::ORIGIN;
use ocpp_gateway_core::{CallError, Fault, Frame, Peer, Publish, UnansweredCalls};
use std::sync::Arc;

/// The text of errors for internal failures, of which details go to the log only.
pub(super) const NOT_PROCESSED: &str = "the gateway could not process this message";

/// The most calls that one message may cause, with all copies of it that transforms make.
const CALLS_PER_MESSAGE: usize = 256;

/// An immediate answer to a charge point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To its CALL, with this payload.
    Result(String),
    /// To its CALL.
    Error(CallError),
    /// To its invalid CALLRESULT, in versions that have CALLRESULTERROR.
    ResultError(CallError),
}

/// A message from a back end that was not mapped to frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotMapped {
    pub fault: Fault,
    /// The message id; empty where it could not be read.
    pub id: String,
    pub text: String,
}

/// One message passing a chain, with its results so far.
pub(crate) struct ChainRun<'a> {
    pub(super) chain: &'a Chain,
    pub(super) peer: &'a Peer,
    /// The CALLs of the charge point that wait for an answer.
    pub(crate) unanswered: UnansweredCalls<'a>,
    calls: usize,
    pub(crate) publishes: Vec<Publish>,
    /// The number of them that the mapping has made, and the index where the latest begin.
    pub(super) mapped: (usize, usize),
    pub(crate) frames: Vec<Frame<'static>>,
    /// Whether a message that the mapping made of it has passed the `outbound` stages.
    pub(super) is_forwarded: bool,
    /// Whether a transform has dropped the message or a copy of it.
    has_drop: bool,
    /// The answer to the charge point for the message that it sent.
    pub(crate) answer: Option<Answer>,
    pub(crate) not_mapped: Option<NotMapped>,
    pub(crate) incidents: Vec<TransformIncident>,
    /// The message id under which the sender of the frame, or the side that waits for it as an answer, knows it:
    /// transforms may change the one in the frame. `None`: the one in the frame.
    pub(super) sender_id: Option<String>,
    /// Message id and action of a frame that was rejected, for the log.
    pub(crate) rejected: Option<(String, String)>,
    /// What each stage made of it, if that is wanted.
    pub(crate) trace: Option<Trace>,
}

impl<'a> ChainRun<'a> {
    pub(crate) fn new(chain: &'a Chain, peer: &'a Peer) -> Self {
        ChainRun {
            chain,
            peer,
            unanswered: UnansweredCalls::default(),
            calls: 0,
            publishes: Vec::new(),
            mapped: (0, 0),
            frames: Vec::new(),
            is_forwarded: false,
            has_drop: false,
            answer: None,
            not_mapped: None,
            incidents: Vec::new(),
            sender_id: None,
            rejected: None,
            trace: None,
        }
    }

    /// The index of the message that the mapping has made, if it is a single one.
    pub(crate) fn mapped(&self) -> Option<usize> {
        let (count, place) = self.mapped;
        (count == 1).then_some(place)
    }

    /// Calls a hook. If it fails, the error is the `on_error` of the transform. `input`: what it is called with, for a
    /// trace.
    pub(super) fn call_hook<H: hook::Hook<Checked: TracedAnswer>>(
        &mut self,
        transform: &Arc<Transform>,
        subject: Subject<'_>,
        arguments: H::Arguments<'_>,
        input: impl FnOnce() -> TracedMessage,
    ) -> Result<H::Checked, OnError> {
        self.call::<H>(transform, subject, arguments, input).map_err(|failure| self.fallback(transform, failure))
    }

    /// Calls a hook.
    pub(super) fn call<H: hook::Hook<Checked: TracedAnswer>>(
        &mut self,
        transform: &Arc<Transform>,
        subject: Subject<'_>,
        arguments: H::Arguments<'_>,
        input: impl FnOnce() -> TracedMessage,
    ) -> Result<H::Checked, Failure> {
        // The rules of a transform are one call for a shadow: see `rule_error`.
        let is_rule = H::FUNCTION == Function::Check;
        let shadow = if is_rule { None } else { self.chain.shadow_of(transform) };
        if self.trace.is_none() && shadow.is_none() {
            return self.note_call().and_then(|()| transform.call::<H>(subject, arguments));
        }
        self.observed_call::<H>(transform, shadow.cloned(), subject, arguments, input())
    }

    /// Calls a hook, and notes the call for the trace and the shadow, if there are such.
    #[cold]
    fn observed_call<H: hook::Hook<Checked: TracedAnswer>>(
        &mut self,
        transform: &Arc<Transform>,
        shadow: Option<Arc<ShadowNote>>,
        subject: Subject<'_>,
        arguments: H::Arguments<'_>,
        input: TracedMessage,
    ) -> Result<H::Checked, Failure> {
        let action = Some(subject.action).filter(|action| !action.is_empty());
        let shadow = shadow.map(|shadow| (shadow, input.clone()));
        if let Some((shadow, input)) = &shadow
            && !handles(transform, H::FUNCTION, self.peer, action)
        {
            // Only the shadow is called for such messages.
            let untouched = H::Checked::untouched();
            shadow.push(self.peer, H::FUNCTION, None, input.clone().into(), Ok(untouched.actions()), None);
            return Ok(untouched);
        }
        let call = TracedCall::start(input);
        let answer = self.note_call().and_then(|()| transform.call::<H>(subject, arguments));
        let (input, duration, log) = call.end();
        let outcome = answer.as_ref().map(TracedAnswer::actions).map_err(Clone::clone);
        if let Some((shadow, input)) = shadow {
            shadow.push(self.peer, H::FUNCTION, None, input.into(), outcome.clone(), Some(duration));
        }
        if let Some(trace) = &mut self.trace {
            trace.0.push(TraceStep {
                transform: transform.name.to_string(),
                version: transform.as_version(),
                hook: H::FUNCTION.interface(),
                input,
                outcome,
                duration,
                log,
            });
        }
        answer
    }

    pub(super) fn fallback(&mut self, transform: &Transform, failure: Failure) -> OnError {
        self.failed(transform, failure);
        transform.on_error
    }

    /// Counts a call; fails if the message has caused too many.
    fn note_call(&mut self) -> Result<(), Failure> {
        self.calls += 1;
        if self.calls > CALLS_PER_MESSAGE {
            let illegal = IllegalOutput::TooMany { count: self.calls, limit: CALLS_PER_MESSAGE };
            return Err(GuestFault::Output(illegal).into());
        }
        Ok(())
    }

    /// Whether no answer to a frame of the charge point is possible any more.
    pub(crate) fn is_dropped(&self) -> bool {
        self.answer.is_none() && !self.is_forwarded && (self.has_drop || self.publishes.is_empty())
    }

    pub(super) fn dropped(&mut self, transform: &Transform, reason: impl Into<String>) {
        self.has_drop = true;
        self.incident(transform, Cause::Dropped(reason.into()));
    }

    pub(super) fn failed(&mut self, transform: &Transform, failure: Failure) {
        self.incident(transform, Cause::Failed(failure));
    }

    pub(super) fn incident(&mut self, transform: &Transform, cause: Cause) {
        self.incidents.push(transform.incident(cause));
    }
}

/// The first of `stages` from `stage` on that is for this message, and the index after it.
pub(super) fn next_stage<'s>(
    chain: &Chain,
    stages: &'s Stages,
    stage: usize,
    peer: &Peer,
    action: Option<&str>,
) -> Option<(&'s Arc<Transform>, usize)> {
    let place = stage + stages[stage..].iter().position(|transform| chain.is_concerned(transform, peer, action))?;
    Some((&stages[place], place + 1))
}

/// Whether the gateway made this frame.
pub(super) fn is_own(frame: &Frame<'_>) -> bool {
    let (name, value) = ORIGIN;
    frame.attributes.iter().any(|(own_name, own_value)| own_name == name && own_value == value)
}

/// A frame as a trace has it.
pub(super) fn traced_frame(frame: &Frame<'_>) -> TracedMessage {
    TracedMessage::Frame(frame.clone().into_owned())
}
