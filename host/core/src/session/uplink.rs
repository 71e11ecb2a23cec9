//! What a session makes of the texts that its charge point sends.

use super::call::{Asker, OpenCall};
use super::{Direction, OWN_ID, Outcome, Output, OwnAnswer, Session, Unmatched};
use crate::call_error::{CallError, Fault, UNREADABLE_ID};
use crate::frame::{Frame, Malformed, MessageType, Problem};
use crate::version::Version;
use std::borrow::Cow;
use std::time::Instant;

impl Session {
    /// A text from the charge point. Answers the frame that is to be mapped and published, if it holds one that may be.
    pub fn handle_text<'a>(&mut self, text: &'a str, now: Instant) -> Option<Frame<'a>> {
        self.liveness.heard(now);
        let frame = match Frame::parse(text) {
            Ok(frame) => frame,
            Err(malformed) => {
                self.refuse(malformed, now);
                return None;
            }
        };
        match frame.kind {
            MessageType::Call => self.open_call(frame, now),
            MessageType::CallResult | MessageType::CallError => self.match_answer(frame, now),
            MessageType::Send | MessageType::CallResultError if self.version.has_send() => Some(frame),
            MessageType::Send | MessageType::CallResultError => {
                self.ignore_unknown_type(u64::from(frame.kind.number()), Some(&frame.id));
                None
            }
        }
    }

    fn open_call<'a>(&mut self, frame: Frame<'a>, now: Instant) -> Option<Frame<'a>> {
        let (id, action) = (&*frame.id, frame.action_name());
        if let Some(open) = &self.from_charge_point {
            let (fault, text) = if *open.id == *id {
                (Fault::IdInUse, "a CALL with this id is still open".to_owned())
            } else {
                (Fault::CallAlreadyOpen, format!("wait for the answer to {} first: one CALL at a time", open.action))
            };
            self.note(Direction::Uplink, fault, id, action, text.clone());
            self.reply(fault, id, text);
            return None;
        }
        let deadline = now + self.settings.call_timeout;
        let (id, action, asker) = (id.into(), action.into(), Asker::BackEnd);
        self.from_charge_point = Some(OpenCall { id, action, deadline, asker });
        Some(frame)
    }

    fn match_answer<'a>(&mut self, mut frame: Frame<'a>, now: Instant) -> Option<Frame<'a>> {
        if let Some(call) = self.to_charge_point.take_if(|call| *call.id == *frame.id) {
            let is_result = frame.kind == MessageType::CallResult;
            let outcome = if is_result { Outcome::Result } else { Outcome::Error };
            self.end(Direction::Downlink, &call, outcome, Some(now));
            let own = call.asker == Asker::Gateway;
            if own {
                self.outputs.push_back(Output::Answered(call.id, Box::new(own_answer(&frame))));
            } else {
                frame.action = Some(Cow::Owned(call.action.into()));
            }
            self.call_next(now);
            return (!own).then_some(frame);
        }
        let forward = self.settings.unmatched_responses == Unmatched::Forward && !frame.id.starts_with(OWN_ID);
        let text = if forward { "forwarded all the same" } else { "late, or never asked for" };
        self.note(Direction::Uplink, Fault::UnknownCall, &frame.id, "", text);
        forward.then_some(frame)
    }

    /// A text that is no frame. An answer is never answered, and a CALL only where its sender can tell which one.
    fn refuse(&mut self, malformed: Malformed, now: Instant) {
        let Malformed { problem, message_type, id } = malformed;
        if let Problem::UnknownType(number) = problem {
            return self.ignore_unknown_type(number, id.as_deref());
        }
        // 1.6 answers as soon as it has an id; later versions want "-1" for what is no JSON, whatever could be made out.
        let readable = self.version == Version::V1_6 || !matches!(problem, Problem::NotJson { .. });
        let answer_to = id.as_deref().filter(|_| readable);
        let fault = if answer_to.is_some() { Fault::BadFrame } else { Fault::UnreadableFrame };
        let text = problem.to_string();
        self.note(Direction::Uplink, fault, id.as_deref().unwrap_or_default(), "", text.clone());

        let may_be_a_call = message_type.is_none_or(|number| number == u64::from(MessageType::Call.number()));
        match (answer_to, id.as_deref()) {
            (Some(id), _) if may_be_a_call => self.reply(fault, id, text),
            (None, _) if may_be_a_call && self.version != Version::V1_6 => self.reply(fault, UNREADABLE_ID, text),
            // A broken answer is an answer: the back end need not wait for the timeout.
            (_, Some(id)) if message_type.is_some_and(is_answer) => {
                if let Some(call) = self.to_charge_point.take_if(|call| &*call.id == id) {
                    let text = format!("the charge point's answer cannot be read: {text}");
                    self.fail_open(call, fault, text);
                    self.call_next(now);
                }
            }
            _ => {}
        }
    }

    /// 1.6 and 2.1 ignore message types that they do not know, 2.0.1 answers them (OCPP 2.0.1 part 4 section 4.1.3).
    fn ignore_unknown_type(&mut self, number: u64, id: Option<&str>) {
        let text = format!("{} has no message type {number}", self.version);
        self.note(Direction::Uplink, Fault::UnknownMessageType, id.unwrap_or_default(), "", text.clone());
        if self.version == Version::V2_0_1 {
            self.reply(Fault::UnknownMessageType, id.unwrap_or(UNREADABLE_ID), text);
        }
    }
}

/// Whether a message of this type says that it answers a CALL of the other side.
fn is_answer(message_type: u64) -> bool {
    [MessageType::CallResult, MessageType::CallError].iter().any(|kind| u64::from(kind.number()) == message_type)
}

/// What an answer says to whoever asked for the CALL.
fn own_answer(frame: &Frame<'_>) -> OwnAnswer {
    let details = frame.payload.to_string();
    match &frame.error {
        None => OwnAnswer::Result(details),
        Some(head) => OwnAnswer::Error(CallError {
            code: head.code.to_string().into(),
            description: head.description.to_string().into(),
            details: details.into(),
        }),
    }
}
