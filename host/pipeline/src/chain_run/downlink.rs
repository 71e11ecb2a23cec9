//! Messages from a back end to a charge point.

use super::run::{ChainRun, NOT_PROCESSED, NotMapped, next_stage, traced_frame};
use super::validation::ValidationError;
use crate::abi::PublishIn;
use crate::abi::packed::Packed;
use crate::actions::{FrameAction, PublishAction};
use crate::error::{Cause, Failure};
use crate::hook;
use crate::settings::OnError;
use crate::subject::Subject;
use crate::trace::TracedMessage;
use crate::transform::Transform;
use ocpp_gateway_core::call_error::ORIGIN;
use ocpp_gateway_core::frame::BACK_END_ID;
use ocpp_gateway_core::{CallError, Direction, Fault, Frame, MessageType};
use std::borrow::Cow;

impl ChainRun<'_> {
    /// Passes a message from a back end through the `inbound` stages from `stage` on, and the mapping.
    pub(crate) fn inbound(&mut self, stage: usize, message: PublishIn<'_>) {
        let Some((transform, next)) = next_stage(self.chain, &self.chain.inbound, stage, self.peer, None) else {
            return self.map_downlink(message);
        };
        let subject = Subject::message(self.peer, None, message.payload());
        let arguments = Packed(self.peer.into(), message);
        match self.call_hook::<hook::Inbound>(transform, subject, arguments, || traced_message(message)) {
            Ok(actions) if actions.is_empty() => self.dropped(transform, "answered with an empty list"),
            Ok(actions) => actions.into_iter().for_each(|action| match action {
                PublishAction::Pass => self.inbound(next, message),
                PublishAction::Replace(publish) => self.inbound(next, PublishIn::from(&publish)),
                PublishAction::Drop(reason) => self.dropped(transform, reason),
            }),
            Err(OnError::Bypass) => self.inbound(next, message),
            Err(OnError::Drop) => {}
            Err(OnError::Reject) => self.fail_inbound(),
        }
    }

    fn map_downlink(&mut self, message: PublishIn<'_>) {
        let (mapping, peer) = (&self.chain.mapping, self.peer);
        let subject = Subject::message(peer, None, message.payload());
        let arguments = Packed(peer.into(), message);
        match self.call::<hook::FromMqtt>(mapping, subject, arguments, || traced_message(message)) {
            Ok(frames) if frames.is_empty() => self.dropped(mapping, "answered with an empty list"),
            Ok(frames) => frames.into_iter().for_each(|mut frame| {
                self.set_action(&mut frame);
                // Without stages the id does not change.
                self.sender_id = (!self.chain.downlink.is_empty()).then(|| frame.id.to_string());
                self.downlink(0, frame);
            }),
            Err(Failure::Refused(refusal)) => {
                let id = refusal.message_id().unwrap_or_default();
                let text = refusal.description.into_owned();
                self.not_mapped = Some(NotMapped { fault: Fault::NotUnderstood, id, text });
            }
            Err(failure) => {
                self.failed(mapping, failure);
                if mapping.on_error != OnError::Drop {
                    self.fail_inbound();
                }
            }
        }
    }

    /// Sets the action of an answer, if stages or rules need it: that of the charge point's CALL, whatever the back end
    /// names.
    fn set_action(&self, frame: &mut Frame<'static>) {
        let answers = matches!(frame.kind, MessageType::CallResult | MessageType::CallError);
        if (self.chain.downlink.is_empty() && self.chain.rules.is_empty()) || !answers {
            return;
        }
        if let Some(action) = self.unanswered.action(&frame.id) {
            frame.action = Some(Cow::Owned(action.to_owned()));
        }
    }

    /// Passes a frame for the charge point through the `downlink` stages from `stage` on, and validation.
    pub(crate) fn downlink(&mut self, stage: usize, frame: Frame<'static>) {
        let Some((transform, next)) =
            next_stage(self.chain, &self.chain.downlink, stage, self.peer, frame.action.as_deref())
        else {
            return match self.validation_error(Direction::Downlink, &frame) {
                Ok(Some(invalid)) => self.refuse_invalid_downlink(&frame, invalid),
                Ok(None) | Err(OnError::Bypass) => self.send(frame),
                Err(OnError::Drop) => {}
                Err(OnError::Reject) => self.fail_downlink(&frame),
            };
        };
        let arguments = Packed(self.peer.into(), (&frame).into());
        let subject = Subject::frame(self.peer, &frame);
        match self.call_hook::<hook::Downlink>(transform, subject, arguments, || traced_frame(&frame)) {
            Ok(actions) if actions.is_empty() => self.dropped(transform, "answered with an empty list"),
            Ok(actions) => actions.into_iter().for_each(|action| match action {
                FrameAction::Pass => self.downlink(next, frame.clone()),
                FrameAction::Replace(frame) => self.downlink(next, frame),
                FrameAction::Publish(publish) => self.publish_extra(publish, Some(&frame)),
                FrameAction::Reply(payload) => self.answer_back_end(transform, &frame, payload),
                FrameAction::Reject(error) => self.reject_downlink(transform, &frame, error),
                FrameAction::Drop(reason) => self.dropped(transform, reason),
            }),
            Err(OnError::Bypass) => self.downlink(next, frame),
            Err(OnError::Drop) => {}
            Err(OnError::Reject) => self.fail_downlink(&frame),
        }
    }

    /// Sends a frame to the charge point. The result of a CALL is reported under the id that the back end knows.
    fn send(&mut self, mut frame: Frame<'static>) {
        if frame.kind == MessageType::Call
            && let Some(id) = self.sender_id.as_ref().filter(|id| **id != *frame.id)
        {
            frame.attributes.push((BACK_END_ID.to_owned(), id.clone()));
        }
        self.frames.push(frame);
    }

    /// The message id under which a back end knows its frame.
    fn back_end_id<'f>(&'f self, frame: &'f Frame<'_>) -> &'f str {
        self.sender_id.as_deref().unwrap_or(&frame.id)
    }

    /// The message id under which the charge point waits for an answer: the one before transforms changed it, or the
    /// current one.
    fn awaited_id(&self, frame: &Frame<'_>) -> String {
        let before = self.sender_id.as_deref().filter(|id| self.unanswered.action(id).is_some());
        match before {
            Some(before) if self.unanswered.action(&frame.id).is_none() => before.to_owned(),
            _ => frame.id.to_string(),
        }
    }

    fn fail_inbound(&mut self) {
        let text = NOT_PROCESSED.to_owned();
        self.not_mapped = Some(NotMapped { fault: Fault::Internal, id: String::new(), text });
    }

    fn fail_downlink(&mut self, frame: &Frame<'_>) {
        self.refuse_downlink(frame, Fault::Internal.error(self.peer.version, NOT_PROCESSED));
    }

    fn reject_downlink(&mut self, transform: &Transform, frame: &Frame<'_>, error: CallError) {
        self.incident(transform, Cause::Rejected(error.to_string()));
        self.refuse_downlink(frame, error);
    }

    fn refuse_downlink(&mut self, frame: &Frame<'_>, error: CallError) {
        self.rejected = Some((frame.id.to_string(), frame.action_name().to_owned()));
        match frame.kind {
            MessageType::Call | MessageType::Send => {
                let report = error.into_frame(self.back_end_id(frame), frame.action.as_deref());
                self.map_uplink(&report);
            }
            // The charge point waits for an answer, and an error is better than a wrong answer.
            MessageType::CallResult | MessageType::CallError => {
                let error = error.into_frame(&self.awaited_id(frame), None);
                self.frames.push(Frame { attributes: Vec::new(), ..error });
            }
            MessageType::CallResultError => {}
        }
    }

    /// Reports to the sender what is wrong with its message. A charge point that waits for an answer gets an error.
    fn refuse_invalid_downlink(
        &mut self,
        frame: &Frame<'_>,
        ValidationError { error, is_from_check }: ValidationError,
    ) {
        if frame.kind != MessageType::CallResult || is_from_check {
            return self.refuse_downlink(frame, error);
        }
        let version = self.peer.version;
        // The charge point has sent nothing wrong.
        let text = format!("the answer to this CALL is not valid: {}", error.description);
        self.refuse_downlink(frame, Fault::Internal.error(version, text));
        let mut report = error.into_frame(self.back_end_id(frame), frame.action.as_deref());
        if version.has_send() {
            report.kind = MessageType::CallResultError;
        }
        self.map_uplink(&report);
    }

    fn answer_back_end(&mut self, transform: &Transform, frame: &Frame<'_>, payload: String) {
        if frame.kind != MessageType::Call {
            return self.dropped(transform, format!("replied to a {}, which is never answered", frame.kind.name()));
        }
        let (name, value) = ORIGIN;
        let mut answer = Frame::new(MessageType::CallResult, self.back_end_id(frame).to_owned(), payload);
        answer.action = frame.action.as_deref().map(Cow::Borrowed);
        answer.attributes.push((name.to_owned(), value.to_owned()));
        self.map_uplink(&answer);
    }
}

fn traced_message(message: PublishIn<'_>) -> TracedMessage {
    TracedMessage::Message(message.to_publish())
}
