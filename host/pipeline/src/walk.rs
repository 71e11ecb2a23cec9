//! One message on its way through a chain.

use crate::abi::{self, Packed, PublishIn};
use crate::chain::{Chain, Stages};
use crate::error::{Cause, Failure, GuestFault, IllegalOutput, Mishap, Refusal};
use crate::hook;
use crate::output::{self, FrameAction, PublishAction};
use crate::spec::{OnError, OnViolation};
use crate::transform::{Subject, Transform};
use ocpp_gateway_core::call_error::ORIGIN;
use ocpp_gateway_core::{CallError, Direction, ErrorHead, Fault, Frame, MessageType, Peer, Publish};
use std::borrow::Cow;
use std::sync::Arc;

/// All that the other side learns of a failure inside; the rest is for the log.
const NOT_PROCESSED: &str = "the gateway could not process this message";

/// So many calls one message may cause, however many copies of it the transforms make.
const CALLS_PER_MESSAGE: usize = 256;

/// What a charge point is answered on the spot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// With this payload.
    Result(String),
    Error(CallError),
}

/// A message from a back end that was not made into frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotMapped {
    pub fault: Fault,
    /// The message id; empty where it could not be read.
    pub id: String,
    pub text: String,
}

/// What has come of the message so far.
pub(crate) struct Walk<'a> {
    chain: &'a Chain,
    peer: &'a Peer,
    calls: usize,
    pub(crate) publishes: Vec<Publish>,
    pub(crate) frames: Vec<Frame<'static>>,
    /// To the charge point, for the CALL that it sent.
    pub(crate) answer: Option<Answer>,
    pub(crate) not_mapped: Option<NotMapped>,
    pub(crate) mishaps: Vec<Mishap>,
}

/// Checks what a transform wants published because of a connection.
pub(crate) type EventCheck = fn((Vec<abi::Publish>,), output::Allowance) -> Result<Vec<Publish>, Failure>;

/// What the failure of a stage means for the message.
enum Fallback {
    Reject,
    Bypass,
    Drop,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(chain: &'a Chain, peer: &'a Peer) -> Self {
        Walk {
            chain,
            peer,
            calls: 0,
            publishes: Vec::new(),
            frames: Vec::new(),
            answer: None,
            not_mapped: None,
            mishaps: Vec::new(),
        }
    }

    // ---- from the charge point ---------------------------------------------------------------------------------------

    /// A frame from the charge point, which no stage has seen.
    pub(crate) fn uplink(&mut self, frame: &Frame<'_>) {
        if let Some((transform, error)) = self.violation(Direction::Uplink, frame) {
            return self.reject_uplink(&transform, frame, error);
        }
        self.uplink_from(0, frame);
    }

    fn uplink_from(&mut self, stage: usize, frame: &Frame<'_>) {
        let Some((transform, next)) = next(&self.chain.uplink, stage, self.peer, frame.action.as_deref()) else {
            return self.map_uplink(frame);
        };
        let asked = self.ask::<hook::Uplink, _>(
            transform,
            subject(self.peer, frame),
            Packed(self.peer.into(), frame.into()),
            |(actions,), allowance| Ok(output::frame_actions(actions, allowance)?),
        );
        match asked {
            Ok(actions) if actions.is_empty() => self.dropped(transform, "answered with an empty list"),
            Ok(actions) => actions.into_iter().for_each(|action| match action {
                FrameAction::Pass => self.uplink_from(next, frame),
                FrameAction::Replace(frame) => self.uplink_from(next, &frame),
                FrameAction::Publish(publish) => self.outbound(0, publish, frame.action.as_deref()),
                FrameAction::Reply(payload) => self.answer_charge_point(transform, frame, Answer::Result(payload)),
                FrameAction::Reject(error) => self.reject_uplink(transform, frame, error),
                FrameAction::Drop(reason) => self.dropped(transform, reason),
            }),
            Err(Fallback::Bypass) => self.uplink_from(next, frame),
            Err(Fallback::Drop) => {}
            Err(Fallback::Reject) => self.fail_uplink(frame),
        }
    }

    /// The mapping, and what follows it. For frames of the gateway's own, too.
    pub(crate) fn map_uplink(&mut self, frame: &Frame<'_>) {
        // A transform on trial has no mapping behind it.
        let Some(mapping) = &self.chain.mapping else { return };
        let arguments = Packed(self.peer.into(), frame.into());
        self.calls += 1;
        let mapped = mapping.call::<hook::ToMqtt, _>(subject(self.peer, frame), arguments, |(answer,), allowance| {
            let publishes = answer.map_err(|refusal| Failure::Refused(output::refusal(refusal)))?;
            Ok(output::publishes(publishes, allowance)?)
        });
        match mapped {
            Ok(publishes) => publishes.into_iter().for_each(|publish| {
                self.outbound(0, publish, frame.action.as_deref());
            }),
            // An error that cannot be mapped is not worth another.
            Err(failure) if is_own(frame) => self.failed(mapping, failure),
            Err(Failure::Refused(refusal)) => {
                let Refusal { code, description, details } = refusal;
                let error = CallError { code: code.into(), description: description.into(), details: details.into() };
                self.reject_uplink(mapping, frame, error);
            }
            Err(failure) => {
                self.failed(mapping, failure);
                if mapping.on_error != OnError::Drop {
                    self.fail_uplink(frame);
                }
            }
        }
    }

    /// A message for the broker, before the stages from `stage` on. `action`: of the frame that it comes from.
    pub(crate) fn outbound(&mut self, stage: usize, publish: Publish, action: Option<&str>) {
        let Some((transform, next)) = next(&self.chain.outbound, stage, self.peer, action) else {
            return self.publishes.push(publish);
        };
        let bytes = publish.payload.len();
        let subject = Subject { charge_point: self.peer.identity.as_str(), action: action.unwrap_or_default(), bytes };
        let arguments = Packed(self.peer.into(), PublishIn::from(&publish));
        let asked = self.ask::<hook::Outbound, _>(transform, subject, arguments, |(actions,), allowance| {
            Ok(output::publish_actions(actions, allowance)?)
        });
        match asked {
            Ok(actions) if actions.is_empty() => self.dropped(transform, "answered with an empty list"),
            Ok(actions) => actions.into_iter().for_each(|wanted| match wanted {
                PublishAction::Pass => self.outbound(next, publish.clone(), action),
                PublishAction::Replace(publish) => self.outbound(next, publish, action),
                PublishAction::Drop(reason) => self.dropped(transform, reason),
            }),
            Err(Fallback::Bypass) => self.outbound(next, publish, action),
            // Nobody can be told: the frame may have become several messages, and others of them are on their way.
            Err(Fallback::Drop | Fallback::Reject) => {}
        }
    }

    fn fail_uplink(&mut self, frame: &Frame<'_>) {
        let error = Fault::Internal.error(self.peer.version, NOT_PROCESSED);
        self.refuse_uplink(frame, error);
    }

    fn reject_uplink(&mut self, transform: &Transform, frame: &Frame<'_>, error: CallError) {
        self.mishap(transform, Cause::Rejected(format!("{}: {}", error.code, error.description)));
        self.refuse_uplink(frame, error);
    }

    fn refuse_uplink(&mut self, frame: &Frame<'_>, error: CallError) {
        match frame.kind {
            MessageType::Call => self.answer = self.answer.take().or(Some(Answer::Error(error))),
            // The back end still waits for this answer.
            MessageType::CallResult | MessageType::CallError => {
                self.map_uplink(&error.into_frame(&frame.id, frame.action.as_deref()));
            }
            MessageType::CallResultError | MessageType::Send => {}
        }
    }

    fn answer_charge_point(&mut self, transform: &Transform, frame: &Frame<'_>, answer: Answer) {
        if frame.kind == MessageType::Call {
            self.answer = self.answer.take().or(Some(answer));
        } else {
            self.dropped(transform, format!("replied to a {}, which is never answered", frame.kind.name()));
        }
    }

    // ---- from back ends ----------------------------------------------------------------------------------------------

    /// A message from a back end, before the stages from `stage` on.
    pub(crate) fn inbound(&mut self, stage: usize, message: PublishIn<'_>) {
        let Some((transform, next)) = next(&self.chain.inbound, stage, self.peer, None) else {
            return self.map_downlink(message);
        };
        let subject = self.subject_of(&message);
        let arguments = Packed(self.peer.into(), message);
        let asked = self.ask::<hook::Inbound, _>(transform, subject, arguments, |(actions,), allowance| {
            Ok(output::publish_actions(actions, allowance)?)
        });
        match asked {
            Ok(actions) if actions.is_empty() => self.dropped(transform, "answered with an empty list"),
            Ok(actions) => actions.into_iter().for_each(|action| match action {
                PublishAction::Pass => self.inbound(next, message),
                PublishAction::Replace(publish) => self.inbound(next, PublishIn::from(&publish)),
                PublishAction::Drop(reason) => self.dropped(transform, reason),
            }),
            Err(Fallback::Bypass) => self.inbound(next, message),
            Err(Fallback::Drop) => {}
            Err(Fallback::Reject) => self.fail_inbound(),
        }
    }

    fn map_downlink(&mut self, message: PublishIn<'_>) {
        let Some(mapping) = &self.chain.mapping else { return };
        let subject = self.subject_of(&message);
        let arguments = Packed(self.peer.into(), message);
        self.calls += 1;
        let mapped = mapping.call::<hook::FromMqtt, _>(subject, arguments, |(answer,), allowance| {
            let frames = answer.map_err(|refusal| Failure::Refused(output::refusal(refusal)))?;
            Ok(output::frames(frames, allowance)?)
        });
        match mapped {
            Ok(frames) => frames.into_iter().for_each(|frame| self.downlink(0, frame)),
            Err(Failure::Refused(refusal)) => {
                let id = refusal.message_id().unwrap_or_default();
                self.not_mapped = Some(NotMapped { fault: Fault::NotUnderstood, id, text: refusal.description });
            }
            Err(failure) => {
                self.failed(mapping, failure);
                if mapping.on_error != OnError::Drop {
                    self.fail_inbound();
                }
            }
        }
    }

    /// A frame for the charge point, before the stages from `stage` on.
    pub(crate) fn downlink(&mut self, stage: usize, frame: Frame<'static>) {
        let Some((transform, next)) = next(&self.chain.downlink, stage, self.peer, frame.action.as_deref()) else {
            return match self.violation(Direction::Downlink, &frame) {
                Some((transform, error)) => self.reject_downlink(&transform, &frame, error),
                None => self.frames.push(frame),
            };
        };
        let arguments = Packed(self.peer.into(), (&frame).into());
        let asked =
            self.ask::<hook::Downlink, _>(transform, subject(self.peer, &frame), arguments, |(actions,), allowance| {
                Ok(output::frame_actions(actions, allowance)?)
            });
        match asked {
            Ok(actions) if actions.is_empty() => self.dropped(transform, "answered with an empty list"),
            Ok(actions) => actions.into_iter().for_each(|action| match action {
                FrameAction::Pass => self.downlink(next, frame.clone()),
                FrameAction::Replace(frame) => self.downlink(next, frame),
                FrameAction::Publish(publish) => self.outbound(0, publish, frame.action.as_deref()),
                FrameAction::Reply(payload) => self.answer_back_end(transform, &frame, payload),
                FrameAction::Reject(error) => self.reject_downlink(transform, &frame, error),
                FrameAction::Drop(reason) => self.dropped(transform, reason),
            }),
            Err(Fallback::Bypass) => self.downlink(next, frame),
            Err(Fallback::Drop) => {}
            Err(Fallback::Reject) => {
                self.refuse_downlink(&frame, Fault::Internal.error(self.peer.version, NOT_PROCESSED));
            }
        }
    }

    fn fail_inbound(&mut self) {
        let text = NOT_PROCESSED.to_owned();
        self.not_mapped = Some(NotMapped { fault: Fault::Internal, id: String::new(), text });
    }

    fn reject_downlink(&mut self, transform: &Transform, frame: &Frame<'_>, error: CallError) {
        self.mishap(transform, Cause::Rejected(format!("{}: {}", error.code, error.description)));
        self.refuse_downlink(frame, error);
    }

    fn refuse_downlink(&mut self, frame: &Frame<'_>, error: CallError) {
        match frame.kind {
            MessageType::Call => self.map_uplink(&error.into_frame(&frame.id, frame.action.as_deref())),
            // The charge point waits for an answer, and is better off with an error than with the wrong one.
            MessageType::CallResult | MessageType::CallError => self.frames.push(Frame {
                kind: MessageType::CallError,
                id: Cow::Owned(frame.id.to_string()),
                action: None,
                payload: error.details,
                error: Some(ErrorHead { code: error.code, description: error.description }),
                attributes: Vec::new(),
            }),
            MessageType::CallResultError | MessageType::Send => {}
        }
    }

    fn answer_back_end(&mut self, transform: &Transform, frame: &Frame<'_>, payload: String) {
        if frame.kind != MessageType::Call {
            return self.dropped(transform, format!("replied to a {}, which is never answered", frame.kind.name()));
        }
        let (name, value) = ORIGIN;
        self.map_uplink(&Frame {
            kind: MessageType::CallResult,
            id: Cow::Borrowed(&frame.id),
            action: frame.action.as_deref().map(Cow::Borrowed),
            payload: payload.into(),
            error: None,
            attributes: vec![(name.to_owned(), value.to_owned())],
        });
    }

    // ---- neither ------------------------------------------------------------------------------------------------------

    /// Asks every transform that wants to know of connections; `call` calls one.
    pub(crate) fn event(
        &mut self,
        call: impl Fn(&Arc<Transform>, Subject<'_>, EventCheck) -> Result<Vec<Publish>, Failure>,
    ) {
        let (chain, peer) = (self.chain, self.peer);
        for transform in chain.events.iter().filter(|transform| transform.matcher.takes_peer(peer)) {
            let check: EventCheck = |(publishes,), allowance| Ok(output::publishes(publishes, allowance)?);
            match call(transform, Subject::connection(peer), check) {
                Ok(publishes) => publishes.into_iter().for_each(|publish| self.outbound(0, publish, None)),
                Err(failure) => self.failed(transform, failure),
            }
        }
    }

    // ---- both ways ---------------------------------------------------------------------------------------------------

    /// What the rules of transforms have against a frame, if it is to be rejected for that.
    fn violation(&mut self, direction: Direction, frame: &Frame<'_>) -> Option<(Arc<Transform>, CallError)> {
        let (chain, peer) = (self.chain, self.peer);
        let concerned = |transform: &&Arc<Transform>| {
            transform.matcher.takes_direction(direction) && transform.matcher.takes(peer, frame.action.as_deref())
        };
        chain.rules.iter().filter(concerned).find_map(|transform| {
            let broken = transform.schemas.violation(peer.version, frame);
            let error = broken.or_else(|| self.check(transform, frame))?;
            match transform.on_violation {
                OnViolation::Reject => Some((transform.clone(), error)),
                OnViolation::Log => {
                    self.mishap(transform, Cause::Violation(format!("{}: {}", error.code, error.description)));
                    None
                }
            }
        })
    }

    /// What no schema can say.
    fn check(&mut self, transform: &Arc<Transform>, frame: &Frame<'_>) -> Option<CallError> {
        let arguments = Packed(self.peer.into(), frame.into());
        let check = |(found,): (Option<_>,), _| Ok(found.map(output::call_error).transpose()?);
        match self.ask::<hook::Check, _>(transform, subject(self.peer, frame), arguments, check) {
            Ok(found) => found,
            Err(Fallback::Bypass | Fallback::Drop) => None,
            Err(Fallback::Reject) => Some(Fault::Internal.error(self.peer.version, NOT_PROCESSED)),
        }
    }

    fn ask<H: hook::Hook, Answer>(
        &mut self,
        transform: &Arc<Transform>,
        subject: Subject<'_>,
        arguments: H::Arguments<'_>,
        check: impl FnOnce(H::Answer, output::Allowance) -> Result<Answer, Failure>,
    ) -> Result<Answer, Fallback> {
        self.calls += 1;
        let asked = if self.calls > CALLS_PER_MESSAGE {
            let illegal = IllegalOutput::TooMany { count: self.calls, limit: CALLS_PER_MESSAGE };
            Err(GuestFault::Output(illegal).into())
        } else {
            transform.call::<H, _>(subject, arguments, check)
        };
        asked.map_err(|failure| {
            self.failed(transform, failure);
            match transform.on_error {
                OnError::Reject => Fallback::Reject,
                OnError::Bypass => Fallback::Bypass,
                OnError::Drop => Fallback::Drop,
            }
        })
    }

    fn subject_of<'m>(&self, message: &PublishIn<'m>) -> Subject<'m>
    where
        'a: 'm,
    {
        Subject { charge_point: self.peer.identity.as_str(), action: "", bytes: message.payload_size() }
    }

    fn dropped(&mut self, transform: &Transform, reason: impl Into<String>) {
        self.mishap(transform, Cause::Dropped(reason.into()));
    }

    pub(crate) fn failed(&mut self, transform: &Transform, failure: Failure) {
        self.mishap(transform, Cause::Failed(failure));
    }

    fn mishap(&mut self, transform: &Transform, cause: Cause) {
        self.mishaps.push(transform.mishap(cause));
    }
}

/// The first of `stages` from `stage` on that is for this message, and the one to go on with.
fn next<'s>(
    stages: &'s Stages,
    stage: usize,
    peer: &Peer,
    action: Option<&str>,
) -> Option<(&'s Arc<Transform>, usize)> {
    let place = stage + stages[stage..].iter().position(|transform| transform.matcher.takes(peer, action))?;
    Some((&stages[place], place + 1))
}

fn subject<'m>(peer: &'m Peer, frame: &'m Frame<'_>) -> Subject<'m> {
    Subject { charge_point: peer.identity.as_str(), action: frame.action_name(), bytes: frame.payload.len() }
}

/// Whether the gateway made this frame.
fn is_own(frame: &Frame<'_>) -> bool {
    let (name, value) = ORIGIN;
    frame.attributes.iter().any(|(own_name, own_value)| own_name == name && own_value == value)
}
