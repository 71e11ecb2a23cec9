//! A candidate that repeats the calls of the version that runs, on copies, without any effect.

use super::call::{ShadowAnswer, ShadowCall, ShadowInput, as_actions};
use super::note::{ShadowNote, handles};
use crate::abi::packed::Packed;
use crate::abi::{FrameIn, PublishIn};
use crate::error::Failure;
use crate::guest_log::LogTrace;
use crate::hook::{self, Function, Hook};
use crate::subject::Subject;
use crate::trace::{TracedAction, TracedAnswer};
use crate::transform::Transform;
use ocpp_gateway_core::{CallError, Frame, Payload, Peer};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// The most charge points whose topics are compared once each.
const MAX_COMPARED_TOPICS: usize = 100_000;

/// The candidate of a shadow, with the calls that wait for it.
pub struct Shadow {
    note: Arc<ShadowNote>,
    /// The version that runs, with a copy of its state, to ask it what no message asks.
    live: Arc<Transform>,
    /// Those whose topics were compared.
    compared: HashSet<Box<str>>,
}

impl Shadow {
    pub(crate) fn new(live: &Transform, candidate: Arc<Transform>) -> Self {
        let note = Arc::new(ShadowNote { candidate, queue: Arc::default() });
        Shadow { note, live: live.for_trial(), compared: HashSet::new() }
    }

    pub(crate) fn note(&self) -> &Arc<ShadowNote> {
        &self.note
    }

    /// The calls that wait, in their order; `None` when the trial has ended.
    pub fn take(&self) -> Option<VecDeque<ShadowCall>> {
        (!self.is_closed()).then(|| self.note.queue.take())
    }

    /// Whether the trial has ended.
    pub fn is_closed(&self) -> bool {
        self.note.queue.is_closed()
    }

    /// Calls that did not fit into the queue.
    pub fn skipped(&self) -> u64 {
        self.note.queue.skipped()
    }

    /// Repeats a call.
    pub fn repeat(&self, call: &ShadowCall) -> ShadowAnswer {
        let (candidate, peer) = (&self.note.candidate, &call.peer);
        match &call.input {
            ShadowInput::Frame(frame) => {
                let subject = Subject::frame(peer, frame);
                let arguments = || Packed(peer.into(), FrameIn::from(frame));
                match call.function {
                    Function::Uplink => self.call::<hook::Uplink>(peer, subject, arguments),
                    Function::Downlink => self.call::<hook::Downlink>(peer, subject, arguments),
                    Function::ToMqtt => self.call::<hook::ToMqtt>(peer, subject, arguments),
                    _ => self.check(call, subject, frame),
                }
            }
            ShadowInput::Message(publish) => {
                let action = call.action();
                let subject = Subject::message(peer, action, &publish.payload);
                let arguments = || Packed(peer.into(), PublishIn::from(publish));
                match call.function {
                    Function::Outbound => self.call::<hook::Outbound>(peer, subject, arguments),
                    Function::Inbound => self.call::<hook::Inbound>(peer, subject, arguments),
                    _ => self.call::<hook::FromMqtt>(peer, subject, arguments),
                }
            }
            ShadowInput::Connected => {
                self.call::<hook::Connected>(peer, Subject::identity(&peer.identity), || (peer.into(),))
            }
            ShadowInput::Disconnected(reason) => {
                let arguments = || (peer.into(), reason.as_str());
                self.call::<hook::Disconnected>(peer, Subject::identity(&peer.identity), arguments)
            }
            ShadowInput::Subscriptions => subscriptions(candidate, peer),
        }
    }

    /// The topics that the version that runs has for a charge point, as a call. The first time for each charge point;
    /// `None` otherwise, and if the transform is no mapping.
    pub fn topics_of(&mut self, peer: &Peer) -> Option<ShadowCall> {
        let identity = peer.identity.as_str();
        let is_new = self.live.has(Function::Subscriptions)
            && self.note.candidate.has(Function::Subscriptions)
            && self.compared.len() < MAX_COMPARED_TOPICS
            && !self.compared.contains(identity)
            && self.compared.insert(identity.into());
        is_new.then(|| {
            let ShadowAnswer { actions, time, .. } = subscriptions(&self.live, peer);
            let (function, input) = (Function::Subscriptions, ShadowInput::Subscriptions);
            ShadowCall { peer: peer.clone(), function, direction: None, input, live: actions, live_time: time }
        })
    }

    /// The hook of the candidate that fails for most charge points, if one does.
    pub fn failing_hook(&self) -> Option<&'static str> {
        self.note.candidate.breakers.take_trip().map(Function::interface)
    }

    fn call<'a, H: Hook<Checked: TracedAnswer>>(
        &self,
        peer: &Peer,
        subject: Subject<'_>,
        arguments: impl FnOnce() -> H::Arguments<'a>,
    ) -> ShadowAnswer {
        let candidate = &self.note.candidate;
        let action = Some(subject.action).filter(|action| !action.is_empty());
        if !handles(candidate, H::FUNCTION, peer, action) {
            return ShadowAnswer { actions: Ok(H::Checked::untouched().actions()), time: None, log: Vec::new() };
        }
        timed(|| {
            let answer = candidate.call::<H>(subject, arguments());
            as_actions(answer.as_ref().map(TracedAnswer::actions).map_err(Clone::clone))
        })
    }

    /// Applies the rules of the candidate, as validation does.
    fn check(&self, call: &ShadowCall, subject: Subject<'_>, frame: &Frame<'_>) -> ShadowAnswer {
        let (candidate, peer) = (&self.note.candidate, &call.peer);
        let is_its_direction = call.direction.is_none_or(|direction| candidate.matcher.matches_direction(direction));
        if !is_its_direction || !handles(candidate, Function::Check, peer, frame.action.as_deref()) {
            return ShadowAnswer { actions: Ok(vec![TracedAction::Pass]), time: None, log: Vec::new() };
        }
        timed(|| verdict(candidate, peer, subject, frame, &Payload::new(&frame.payload)).map(|error| error.actions()))
    }
}

/// The error by which the rules of a transform refuse a frame, if they do.
fn verdict(
    transform: &Transform,
    peer: &Peer,
    subject: Subject<'_>,
    frame: &Frame<'_>,
    payload: &Payload<'_>,
) -> Result<Option<CallError>, Failure> {
    match transform.violation(subject, peer.version, frame.kind, frame.action_name(), payload)? {
        Some(error) => Ok(Some(error)),
        None => transform.call::<hook::Check>(subject, Packed(peer.into(), frame.into())),
    }
}

fn subscriptions(transform: &Transform, peer: &Peer) -> ShadowAnswer {
    timed(|| {
        let mut filters = transform.call::<hook::Subscriptions>(Subject::identity(&peer.identity), (peer.into(),))?;
        // Their order means nothing.
        filters.sort_unstable_by(|one, other| one.filter.cmp(&other.filter));
        Ok(filters.into_iter().map(TracedAction::Subscribe).collect())
    })
}

fn timed(call: impl FnOnce() -> Result<Vec<TracedAction>, Failure>) -> ShadowAnswer {
    let (log, started) = (LogTrace::start(), Instant::now());
    let actions = call();
    ShadowAnswer { actions, time: Some(started.elapsed()), log: log.take() }
}
