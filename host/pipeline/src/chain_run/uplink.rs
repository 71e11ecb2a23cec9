//! Frames from a charge point to the broker.

use super::about::About;
use super::run::{Answer, ChainRun, NOT_PROCESSED, is_own, next_stage, traced_frame};
use crate::abi::PublishIn;
use crate::abi::packed::Packed;
use crate::actions::{FrameAction, PublishAction};
use crate::error::{Cause, Failure};
use crate::hook::{self, Function};
use crate::settings::{OnError, ValidationPoint};
use crate::shadow::{ShadowInput, handles};
use crate::subject::Subject;
use crate::trace::{TracedAnswer, TracedMessage};
use crate::transform::Transform;
use ocpp_gateway_core::{CallError, Direction, Fault, Frame, MessageType, Publish};
use std::sync::Arc;
use std::time::Instant;

/// What transforms with the `events` hook are told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ConnectionEvent<'a> {
    Connected,
    /// With the reason.
    Disconnected(&'a str),
}

impl ConnectionEvent<'_> {
    fn function(self) -> Function {
        match self {
            ConnectionEvent::Connected => Function::Connected,
            ConnectionEvent::Disconnected(_) => Function::Disconnected,
        }
    }
}

impl From<ConnectionEvent<'_>> for ShadowInput {
    fn from(event: ConnectionEvent<'_>) -> Self {
        match event {
            ConnectionEvent::Connected => ShadowInput::Connected,
            ConnectionEvent::Disconnected(reason) => ShadowInput::Disconnected(reason.to_owned()),
        }
    }
}

/// A stage has failed on a message, and its `on_error` rejects the frame that the message comes from.
struct Rejected;

impl ChainRun<'_> {
    /// Passes a frame from the charge point through validation, all `uplink` stages and the mapping.
    pub(crate) fn uplink(&mut self, frame: &Frame<'_>) {
        self.sender_id = frame.back_end_id().map(str::to_owned);
        if self.chain.validation.at == ValidationPoint::AfterTransforms || self.is_valid_uplink(frame) {
            self.uplink_from(0, frame);
        }
    }

    /// Whether the frame may go on. If not, its sender gets an error where one is due.
    fn is_valid_uplink(&mut self, frame: &Frame<'_>) -> bool {
        match self.validation_error(Direction::Uplink, frame) {
            Ok(None) | Err(OnError::Bypass) => return true,
            Ok(Some(invalid)) => self.refuse_invalid_uplink(frame, invalid.error),
            Err(OnError::Drop) => {}
            Err(OnError::Reject) => self.fail_uplink(frame),
        }
        false
    }

    fn uplink_from(&mut self, stage: usize, frame: &Frame<'_>) {
        let Some((transform, next)) =
            next_stage(self.chain, &self.chain.uplink, stage, self.peer, frame.action.as_deref())
        else {
            if self.chain.validation.at == ValidationPoint::Arrival || self.is_valid_uplink(frame) {
                self.map_uplink(frame);
            }
            return;
        };
        let arguments = Packed(self.peer.into(), frame.into());
        let subject = Subject::frame(self.peer, frame);
        match self.call_hook::<hook::Uplink>(transform, subject, arguments, || traced_frame(frame)) {
            Ok(actions) if actions.is_empty() => self.dropped(transform, "answered with an empty list"),
            Ok(actions) => actions.into_iter().for_each(|action| match action {
                FrameAction::Pass => self.uplink_from(next, frame),
                FrameAction::Replace(frame) => self.uplink_from(next, &frame),
                FrameAction::Publish(publish) => self.publish_extra(publish, Some(frame)),
                FrameAction::Reply(payload) => self.answer_charge_point(transform, frame, Answer::Result(payload)),
                FrameAction::Reject(error) => self.reject_uplink(transform, frame, error),
                FrameAction::Drop(reason) => self.dropped(transform, reason),
            }),
            Err(OnError::Bypass) => self.uplink_from(next, frame),
            Err(OnError::Drop) => {}
            Err(OnError::Reject) => self.fail_uplink(frame),
        }
    }

    /// Passes a frame through the mapping and the `outbound` stages. Also for frames that the gateway itself made.
    pub(crate) fn map_uplink(&mut self, frame: &Frame<'_>) {
        let (mapping, peer) = (&self.chain.mapping, self.peer);
        let (subject, arguments) = (Subject::frame(peer, frame), Packed(peer.into(), frame.into()));
        match self.call::<hook::ToMqtt>(mapping, subject, arguments, || traced_frame(frame)) {
            Ok(publishes) if publishes.is_empty() => self.dropped(mapping, "answered with an empty list"),
            Ok(publishes) => {
                let before = self.publishes.len();
                if self.all_outbound(publishes, frame).is_err() {
                    // All messages or none: nothing is published yet, and the charge point may send the frame again.
                    self.publishes.truncate(before);
                    self.fail_uplink(frame);
                } else {
                    self.mapped = (self.mapped.0 + self.publishes.len() - before, before);
                }
                self.is_forwarded |= self.publishes.len() > before;
            }
            // An error that cannot be mapped does not cause another one.
            Err(failure) if is_own(frame) => self.failed(mapping, failure),
            Err(Failure::Refused(refusal)) => self.reject_uplink(mapping, frame, refusal),
            Err(failure) => {
                self.failed(mapping, failure);
                if mapping.on_error != OnError::Drop {
                    self.fail_uplink(frame);
                }
            }
        }
    }

    /// Passes messages for the broker through the `outbound` stages: all of them, even if one is rejected.
    fn all_outbound(&mut self, publishes: Vec<Publish>, frame: &Frame<'_>) -> Result<(), Rejected> {
        if self.chain.outbound.is_empty() && self.publishes.is_empty() {
            // This is the usual case, in which nothing has to be moved.
            self.publishes = publishes;
            return Ok(());
        }
        let about = self.about(Some(frame));
        let mut result = Ok(());
        for publish in publishes {
            result = self.outbound(0, publish, &about).and(result);
        }
        result
    }

    /// Publishes a message beside `frame`, or because of a connection. If it is rejected, the frame is not.
    pub(super) fn publish_extra(&mut self, publish: Publish, frame: Option<&Frame<'_>>) {
        let about = self.about(frame);
        // The failure is recorded as an incident.
        let _ = self.outbound(0, publish, &about);
    }

    fn about<'f>(&self, frame: Option<&'f Frame<'_>>) -> About<'f> {
        About::new(self.peer, frame, self.chain.outbound.is_empty())
    }

    /// Passes a message for the broker through the `outbound` stages from `stage` on.
    fn outbound(&mut self, stage: usize, publish: Publish, about: &About<'_>) -> Result<(), Rejected> {
        let Some((transform, next)) = next_stage(self.chain, &self.chain.outbound, stage, self.peer, about.action)
        else {
            self.publishes.push(publish);
            return Ok(());
        };
        let subject = Subject::message(self.peer, about.action, &publish.payload);
        let attributes = about.attributes_of(&publish);
        let message = PublishIn { attributes: &attributes, ..PublishIn::from(&publish) };
        let input = || TracedMessage::Message(message.to_publish());
        match self.call_hook::<hook::Outbound>(transform, subject, Packed(self.peer.into(), message), input) {
            Ok(actions) if actions.is_empty() => {
                self.dropped(transform, "answered with an empty list");
                Ok(())
            }
            Ok(actions) => {
                let mut result = Ok(());
                for wanted in actions {
                    match wanted {
                        PublishAction::Pass => result = self.outbound(next, publish.clone(), about).and(result),
                        PublishAction::Replace(publish) => result = self.outbound(next, publish, about).and(result),
                        PublishAction::Drop(reason) => self.dropped(transform, reason),
                    }
                }
                result
            }
            Err(OnError::Bypass) => self.outbound(next, publish, about),
            Err(OnError::Drop) => Ok(()),
            Err(OnError::Reject) => Err(Rejected),
        }
    }

    /// Calls every transform that has the `events` hook.
    pub(crate) fn event(&mut self, event: ConnectionEvent<'_>) {
        let (chain, peer) = (self.chain, self.peer);
        for transform in chain.events.iter().filter(|transform| chain.is_concerned(transform, peer, None)) {
            match self.call_event(transform, event) {
                Ok(publishes) => publishes.into_iter().for_each(|publish| self.publish_extra(publish, None)),
                Err(failure) => self.failed(transform, failure),
            }
        }
    }

    fn call_event(&self, transform: &Arc<Transform>, event: ConnectionEvent<'_>) -> Result<Vec<Publish>, Failure> {
        let (peer, shadow) = (self.peer, self.chain.shadow_of(transform));
        let started = shadow.map(|_| Instant::now());
        let is_called = shadow.is_none() || handles(transform, event.function(), peer, None);
        let subject = Subject::identity(&peer.identity);
        let answer = match event {
            _ if !is_called => Ok(Vec::new()),
            ConnectionEvent::Connected => transform.call::<hook::Connected>(subject, (peer.into(),)),
            ConnectionEvent::Disconnected(reason) => {
                transform.call::<hook::Disconnected>(subject, (peer.into(), reason))
            }
        };
        if let (Some(shadow), Some(started)) = (shadow, started) {
            let live = answer.as_ref().map(TracedAnswer::actions).map_err(Clone::clone);
            shadow.push(peer, event.function(), None, event.into(), live, is_called.then(|| started.elapsed()));
        }
        answer
    }

    fn fail_uplink(&mut self, frame: &Frame<'_>) {
        // An error that cannot be published does not cause another one.
        if is_own(frame) {
            return;
        }
        let error = Fault::Internal.error(self.peer.version, NOT_PROCESSED);
        self.refuse_uplink(frame, error);
    }

    fn reject_uplink(&mut self, transform: &Transform, frame: &Frame<'_>, error: CallError) {
        self.incident(transform, Cause::Rejected(error.to_string()));
        self.refuse_uplink(frame, error);
    }

    fn refuse_uplink(&mut self, frame: &Frame<'_>, error: CallError) {
        match frame.kind {
            MessageType::Call => self.answer = self.answer.take().or(Some(Answer::Error(error))),
            // The back end still waits for this answer.
            MessageType::CallResult | MessageType::CallError => {
                let id = self.sender_id.as_deref().unwrap_or(&frame.id);
                self.map_uplink(&error.into_frame(id, frame.action.as_deref()));
            }
            MessageType::CallResultError | MessageType::Send => {}
        }
    }

    /// Reports to the sender what is wrong with its message. A back end that waits for a CALLRESULT gets an error.
    fn refuse_invalid_uplink(&mut self, frame: &Frame<'_>, error: CallError) {
        if frame.kind == MessageType::CallResult && self.peer.version.has_send() {
            self.answer = self.answer.take().or_else(|| Some(Answer::ResultError(error.clone())));
        }
        self.refuse_uplink(frame, error);
    }

    fn answer_charge_point(&mut self, transform: &Transform, frame: &Frame<'_>, answer: Answer) {
        if frame.kind == MessageType::Call {
            self.answer = self.answer.take().or(Some(answer));
        } else {
            self.dropped(transform, format!("replied to a {}, which is never answered", frame.kind.name()));
        }
    }
}
