//! What a session makes of the texts that its charge point sends.

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
    /// A text from the charge point. Answers the frame that is to be mapped and published, if it holds one that may be.
    pub fn handle_text<'a>(&mut self, text: &'a str, now: Instant) -> Option<UplinkFrame<'a>> {
        self.liveness.heard(now);
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

    /// A text for [`Session::handle_text`] that was read before and had to wait, once it need not wait any more.
    pub fn next_held(&mut self) -> Option<Box<str>> {
        let (held, open) = (&mut self.held, &self.from_charge_point);
        held.take_if(|held| find(open, &held.id).is_none()).map(|held| held.text)
    }

    /// Charge points repeat a CALL that is not answered soon enough for them, and use an id again for another one.
    fn open_call<'a>(&mut self, received: Received<'a>, text: &str, now: Instant) -> Option<UplinkFrame<'a>> {
        let Received { frame, id_form } = received;
        let (id, action) = (&*frame.id, frame.action_name());
        if let Some(open) = find(&self.from_charge_point, id) {
            if open.call.is_repeated_by(&frame) {
                let text = "the same CALL is open: its answer serves both";
                self.note(Direction::Uplink, Fault::Duplicate, id, action, text);
            } else {
                self.held = Some(Box::new(HeldCall { id: id.into(), action: action.into(), text: text.into() }));
                let text = "waits until the other CALL under this id is answered";
                self.note(Direction::Uplink, Fault::IdInUse, id, action, text);
            }
            return None;
        }
        let (generation, deadline) = (self.generation, self.clock.time(now) + self.settings.call_timeout);
        self.latest_call = self.latest_call.wrapping_add(1);
        let (call, number) = (Call::new(&frame, generation), self.latest_call);
        self.from_charge_point.push(ReceivedCall { call, number, deadline, id_form });
        Some(UplinkFrame { frame, generation })
    }

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
            let own = sent.originator == Originator::Operator;
            let Call { id, action, generation, .. } = sent.call;
            if own {
                self.outputs.push_back(Output::Answered(id, Box::new(operator_call_outcome(&frame))));
            } else {
                frame.action = Some(Cow::Owned(action.into()));
                let back_end_id = back_end_id.map(|id| (BACK_END_ID.to_owned(), id.into()));
                frame.attributes.extend(back_end_id);
            }
            self.call_next(now);
            return (!own).then_some(UplinkFrame { frame, generation });
        }
        let forward =
            self.settings.unmatched_responses == Unmatched::Forward && !frame.id.starts_with(OPERATOR_ID_PREFIX);
        let text = if forward { "forwarded all the same" } else { "late, or never asked for" };
        self.note(Direction::Uplink, Fault::UnknownCall, &frame.id, "", text);
        forward.then_some(UplinkFrame { frame, generation: self.generation })
    }

    /// A text that is no frame. An answer is never answered, and a CALL only where its sender can tell which one.
    fn refuse(&mut self, malformed: Malformed, now: Instant) {
        let Malformed { problem, message_type, id, id_form } = malformed;
        if let FrameProblem::UnknownType(number) = problem {
            return self.ignore_unknown_type(number, id.as_deref(), id_form);
        }
        // 1.6 answers as soon as it has an id; later versions want "-1" for what is no JSON, whatever could be made out.
        let readable = self.version == Version::V1_6 || !matches!(problem, FrameProblem::NotJson { .. });
        let answer_to = id.as_deref().filter(|_| readable);
        let fault = if answer_to.is_some() { Fault::BadFrame } else { Fault::UnreadableFrame };
        let text = problem.to_string();
        self.note(Direction::Uplink, fault, id.as_deref().unwrap_or_default(), "", text.clone());

        let may_be_a_call = message_type.is_none_or(|number| number == u64::from(MessageType::Call.number()));
        match (answer_to, id.as_deref()) {
            (Some(id), _) if may_be_a_call => self.reply(fault, id, id_form, text),
            (None, _) if may_be_a_call && self.version != Version::V1_6 => {
                self.reply(fault, UNREADABLE_ID, IdForm::Text, text);
            }
            // A broken answer is an answer: the back end need not wait for the timeout.
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

    /// 1.6 and 2.1 ignore message types that they do not know, 2.0.1 answers them (OCPP 2.0.1 part 4 section 4.1.3).
    fn ignore_unknown_type(&mut self, number: u64, id: Option<&str>, id_form: IdForm) {
        let text = format!("{} has no message type {number}", self.version);
        self.note(Direction::Uplink, Fault::UnknownMessageType, id.unwrap_or_default(), "", text.clone());
        if self.version == Version::V2_0_1 {
            self.reply(Fault::UnknownMessageType, id.unwrap_or(UNREADABLE_ID), id_form, text);
        }
    }
}

/// Whether a message of this type says that it answers a CALL of the other side.
fn is_answer(message_type: u64) -> bool {
    [MessageType::CallResult, MessageType::CallError].iter().any(|kind| u64::from(kind.number()) == message_type)
}

/// What an answer says to the operator who asked for the CALL.
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
