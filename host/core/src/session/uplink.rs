//! Handles texts from the charge point.

use super::call::{Call, OPERATOR_ID_PREFIX, Originator, ReceivedCall, find};
use super::output::{Direction, OperatorCallOutcome, Outcome, Output, UplinkFrame};
use super::settings::Unmatched;
use super::state::{HeldCall, Session};
use crate::call_error::{CallError, Fault, UNREADABLE_ID};
use crate::frame::{
    BACK_END_ID, Frame, FrameProblem, IdForm, MAX_MESSAGE_ID, MAX_RECEIVED_ID, Malformed, MessageType, Received,
};
use crate::version::Version;
use std::borrow::Cow;
use std::time::Instant;

impl Session {
    /// A text from the charge point. Returns the frame to map and publish, if there is one.
    pub fn handle_text<'a>(&mut self, text: &'a str, now: Instant) -> Option<UplinkFrame<'a>> {
        self.liveness.on_activity(now);
        let longest_id = if self.version == Version::V1_6 { MAX_RECEIVED_ID } else { MAX_MESSAGE_ID };
        let received = match Received::parse(text, longest_id) {
            Ok(received) => received,
            Err(malformed) => {
                self.refuse(malformed, now);
                return None;
            }
        };
        let generation = self.generation;
        match received.frame.kind {
            MessageType::Call => self.open_call(received, text, now),
            MessageType::CallResult | MessageType::CallError => self.match_answer(received.frame, now),
            MessageType::Send | MessageType::CallResultError if self.version.has_send() => {
                Some(UplinkFrame { frame: received.frame, generation })
            }
            MessageType::Send | MessageType::CallResultError => {
                let Received { frame, id_form } = received;
                self.ignore_unknown_type(u64::from(frame.kind.number()), Some(&frame.id), id_form);
                None
            }
        }
    }

    /// A text that was read before and held back: once its message id is free, pass it to [`Session::handle_text`].
    pub fn take_held_text(&mut self) -> Option<Box<str>> {
        let (held, open) = (&mut self.held_call, &self.from_charge_point);
        held.take_if(|held| find(open, &held.id).is_none()).map(|held| held.text)
    }

    /// Charge points repeat CALLs that are not answered soon enough, and reuse ids for other CALLs.
    fn open_call<'a>(&mut self, received: Received<'a>, text: &str, now: Instant) -> Option<UplinkFrame<'a>> {
        let Received { frame, id_form } = received;
        let (id, action) = (&*frame.id, frame.action_name());
        if let Some(open) = find(&self.from_charge_point, id) {
            if open.call.is_repeated_by(&frame) {
                let text = "the same CALL is open: one answer serves both";
                self.add_incident(Direction::Uplink, Fault::Duplicate, id, action, text);
            } else {
                self.held_call = Some(Box::new(HeldCall { id: id.into(), action: action.into(), text: text.into() }));
                let text = "waits until the other CALL under this id is answered";
                self.add_incident(Direction::Uplink, Fault::IdInUse, id, action, text);
            }
            return None;
        }
        let (generation, deadline) = (self.generation, self.clock.time(now) + self.settings.call_timeout);
        self.latest_call = self.latest_call.wrapping_add(1);
        let (call, number) = (Call::new(&frame, generation), self.latest_call);
        self.from_charge_point.push(ReceivedCall { call, number, deadline, id_form });
        Some(UplinkFrame { frame, generation })
    }

    /// Ends the CALL that an answer of the charge point belongs to.
    fn match_answer<'a>(&mut self, mut frame: Frame<'a>, now: Instant) -> Option<UplinkFrame<'a>> {
        if let Some(sent) = self.to_charge_point.take_if(|sent| *sent.call.id == *frame.id) {
            let is_result = frame.kind == MessageType::CallResult;
            let outcome = if is_result { Outcome::Result } else { Outcome::Error };
            self.end(Direction::Downlink, &sent.call, sent.deadline, outcome, Some(now));
            let (interval, back_end_id) =
                sent.extras.map_or((None, None), |extras| (extras.interval, extras.back_end_id));
            if let Some(interval) = interval.filter(|_| is_result)
                && let Some(interval) = interval.accepted(&frame.payload)
            {
                self.set_heartbeat_interval(Some(interval));
            }
            let is_operator_call = sent.originator == Originator::Operator;
            let Call { id, action, generation, .. } = sent.call;
            if is_operator_call {
                self.outputs.push_back(Output::Answered(id, Box::new(operator_call_outcome(&frame))));
            } else {
                frame.action = Some(Cow::Owned(action.into()));
                let back_end_id = back_end_id.map(|id| (BACK_END_ID.to_owned(), id.into()));
                frame.attributes.extend(back_end_id);
            }
            self.call_next(now);
            return (!is_operator_call).then_some(UplinkFrame { frame, generation });
        }
        let forward =
            self.settings.unmatched_responses == Unmatched::Forward && !frame.id.starts_with(OPERATOR_ID_PREFIX);
        let text = if forward { "forwarded without an open CALL" } else { "no open CALL has this id" };
        self.add_incident(Direction::Uplink, Fault::UnknownCall, &frame.id, "", text);
        forward.then_some(UplinkFrame { frame, generation: self.generation })
    }

    /// A text that is not a frame. Answers are never answered; CALLs are, as far as the version requires.
    fn refuse(&mut self, malformed: Malformed, now: Instant) {
        let Malformed { problem, message_type, id, id_form } = malformed;
        if let FrameProblem::UnknownType(number) = problem {
            return self.ignore_unknown_type(number, id.as_deref(), id_form);
        }
        // In 1.6 a text with a readable id is answered. Later versions require "-1" for invalid JSON, even if it has an
        // id.
        let readable = self.version == Version::V1_6 || !matches!(problem, FrameProblem::NotJson { .. });
        let answer_to = id.as_deref().filter(|_| readable);
        let fault = if answer_to.is_some() { Fault::BadFrame } else { Fault::UnreadableFrame };
        let text = problem.to_string();
        self.add_incident(Direction::Uplink, fault, id.as_deref().unwrap_or_default(), "", text.clone());

        let may_be_a_call = message_type.is_none_or(|number| number == u64::from(MessageType::Call.number()));
        match (answer_to, id.as_deref()) {
            (Some(id), _) if may_be_a_call => self.reply(fault, id, id_form, text),
            (None, _) if may_be_a_call && self.version != Version::V1_6 => {
                self.reply(fault, UNREADABLE_ID, IdForm::Text, text);
            }
            // A malformed answer ends its CALL at once, without waiting for the timeout.
            (_, Some(id)) if message_type.is_some_and(is_answer) => {
                if let Some(sent) = self.to_charge_point.take_if(|sent| &*sent.call.id == id) {
                    let text = format!("the charge point's answer cannot be read: {text}");
                    self.fail_sent(sent, fault, text);
                    self.call_next(now);
                }
            }
            _ => {}
        }
    }

    /// 1.6 and 2.1 ignore unknown message types, 2.0.1 answers them (OCPP 2.0.1 part 4 section 4.1.3).
    fn ignore_unknown_type(&mut self, number: u64, id: Option<&str>, id_form: IdForm) {
        let text = format!("{} has no message type {number}", self.version);
        self.add_incident(Direction::Uplink, Fault::UnknownMessageType, id.unwrap_or_default(), "", text.clone());
        if self.version == Version::V2_0_1 {
            self.reply(Fault::UnknownMessageType, id.unwrap_or(UNREADABLE_ID), id_form, text);
        }
    }
}

/// Whether messages of this type answer a CALL of the other side.
fn is_answer(message_type: u64) -> bool {
    [MessageType::CallResult, MessageType::CallError].iter().any(|kind| u64::from(kind.number()) == message_type)
}

/// The outcome of an operator's CALL with this answer.
fn operator_call_outcome(frame: &Frame<'_>) -> OperatorCallOutcome {
    let details = frame.payload.to_string();
    match &frame.error {
        None => OperatorCallOutcome::Result(details),
        Some(head) => OperatorCallOutcome::Error(CallError {
            code: head.code.to_string().into(),
            description: head.description.to_string().into(),
            details: details.into(),
        }),
    }
}
