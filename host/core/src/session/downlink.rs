//! Handles frames from back ends and operators to the charge point.

use super::call::{Call, CallExtras, Originator, SentCall, WaitingCall, fingerprint};
use super::heartbeat::{BootInterval, boot_interval};
use super::output::{Direction, OperatorCallOutcome, Outcome, Output};
use super::settings::Unmatched;
use super::state::Session;
use crate::call_error::{CallError, Fault};
use crate::frame::{Frame, IdForm, MAX_MESSAGE_ID, MessageType};
use std::time::Instant;

impl Session {
    /// A frame from the back ends for the charge point. `redelivered`: the broker may have delivered the message before
    /// (its DUP flag). `generation`: a number like that of [`Session::set_generation`], under which a CALL is opened
    /// and which reports carry.
    pub fn handle_downlink(&mut self, frame: Frame<'_>, redelivered: bool, generation: u64, now: Instant) {
        match frame.kind {
            MessageType::Call => self.call_charge_point(frame, redelivered, generation, now),
            MessageType::CallResult | MessageType::CallError => {
                self.answer_charge_point(frame, redelivered, generation, Some(now));
            }
            MessageType::Send | MessageType::CallResultError if self.version.has_send() => {
                self.outputs.relay(frame.kind, frame.encode(), generation);
            }
            MessageType::Send | MessageType::CallResultError => {
                let text = format!("{} has no {}", self.version, frame.kind.name());
                self.report(Fault::UnknownMessageType, &frame.id, frame.action_name(), text, generation);
            }
        }
    }

    fn call_charge_point(&mut self, frame: Frame<'_>, redelivered: bool, generation: u64, now: Instant) {
        let (id, action) = (&*frame.id, frame.action_name());
        if id.chars().count() > MAX_MESSAGE_ID {
            let text = format!("a message id of more than {MAX_MESSAGE_ID} characters");
            return self.report(Fault::NotUnderstood, frame.back_end_id().unwrap_or(id), action, text, generation);
        }
        let fingerprint = fingerprint(&frame);
        if redelivered && self.remembered.as_ref().is_some_and(|it| it.calls.contains(id, fingerprint)) {
            // The charge point must not execute a CALL twice because the broker delivered it twice.
            return self.add_incident(Direction::Downlink, Fault::Duplicate, id, action, DELIVERED_TWICE);
        }
        if self.calls_to_charge_point().any(|call| call.is_repeated_by(&frame)) {
            let text = "the same CALL is open or waits: one answer serves both";
            return self.add_incident(Direction::Downlink, Fault::Duplicate, id, action, text);
        }
        if self.calls_to_charge_point().any(|call| *call.id == *id) {
            let text = "waits until the other CALL under this id is answered";
            self.add_incident(Direction::Downlink, Fault::IdInUse, id, action, text);
        }
        self.remembered.get_or_insert_default().calls.add(id, fingerprint);
        self.queue_call(Originator::BackEnd, frame, generation, now);
    }

    /// The CALL that the charge point has not answered, and the waiting ones.
    fn calls_to_charge_point(&self) -> impl Iterator<Item = &Call> {
        let sent = self.to_charge_point.iter().map(|sent| &sent.call);
        sent.chain(self.waiting.iter().map(|waiting| &waiting.call))
    }

    /// An operator's CALL to the charge point. Its outcome is an [`Output::Answered`] with this `id`; back ends do not
    /// receive it. The id starts with [`super::OPERATOR_ID_PREFIX`] and is used once.
    pub fn handle_operator_call(&mut self, id: &str, action: &str, payload: &str, now: Instant) {
        let frame = Frame { action: Some(action.into()), ..Frame::new(MessageType::Call, id, payload) };
        self.queue_call(Originator::Operator, frame, self.generation, now);
    }

    fn queue_call(&mut self, originator: Originator, frame: Frame<'_>, generation: u64, now: Instant) {
        let (id, action) = (frame.back_end_id().unwrap_or(&frame.id), frame.action_name());
        if self.stopping {
            let text = "not sent: the gateway is stopping";
            return self.fail(originator, Fault::Disconnected, id, action, text, generation);
        }
        if self.to_charge_point.is_some() && self.waiting.len() >= self.settings.queue {
            let text = format!("{} CALLs are waiting for this charge point", self.waiting.len());
            return self.fail(originator, Fault::QueueFull, id, action, text, generation);
        }
        self.waiting.push_back(WaitingCall {
            call: Call::new(&frame, generation),
            text: frame.encode(),
            expires: now + self.settings.call_timeout,
            originator,
            extras: CallExtras::of(&frame),
        });
        self.call_next(now);
    }

    /// Answers a CALL of the charge point. `now`: when a back end answered. `None`: a transform answered.
    fn answer_charge_point(&mut self, frame: Frame<'_>, redelivered: bool, generation: u64, now: Option<Instant>) {
        let mut id_form = IdForm::Text;
        match self.take_received(|open| *open.call.id == *frame.id) {
            Some(open) => {
                id_form = open.id_form;
                if frame.kind == MessageType::CallResult && &*open.call.action == "BootNotification" {
                    match boot_interval(&frame.payload) {
                        BootInterval::Accepted(interval) => self.set_heartbeat_interval(interval),
                        BootInterval::NotAccepted => {}
                    }
                }
                let outcome = match (frame.kind, now) {
                    (MessageType::CallResult, _) => Outcome::Result,
                    (_, Some(_)) => Outcome::Error,
                    (_, None) => Outcome::Failed(Fault::Rejected),
                };
                let answered = now.map(|now| self.clock.time(now));
                self.end(Direction::Uplink, &open.call, open.deadline, outcome, answered);
            }
            None => {
                if !self.forwards_unmatched(&frame, redelivered, generation) {
                    return;
                }
            }
        }
        let text = frame.encode_with(id_form);
        if now.is_some() {
            self.outputs.relay(frame.kind, text, generation);
        } else {
            self.outputs.push_back(Output::Send(frame.kind, text));
        }
    }

    /// Whether an answer without an open CALL is forwarded to the charge point. If not, it is reported to back ends,
    /// once.
    fn forwards_unmatched(&mut self, frame: &Frame<'_>, redelivered: bool, generation: u64) -> bool {
        let (id, action) = (&*frame.id, frame.action_name());
        let text = "no open CALL of the charge point has this id";
        if redelivered {
            self.add_incident(Direction::Downlink, Fault::Duplicate, id, action, DELIVERED_TWICE);
        } else if self.settings.unmatched_responses == Unmatched::Forward {
            self.add_incident(Direction::Downlink, Fault::UnknownCall, id, action, "forwarded without an open CALL");
            return true;
        } else if frame.kind == MessageType::CallError
            || self.remembered.as_ref().is_some_and(|it| it.reported.contains(id, 0))
        {
            // A back end that answers every message would answer each report about its answers, without end. So an
            // error is not reported, and an id only once.
            self.add_incident(Direction::Downlink, Fault::UnknownCall, id, action, text);
        } else {
            self.remembered.get_or_insert_default().reported.add(id, 0);
            self.report(Fault::UnknownCall, id, action, text, generation);
        }
        false
    }

    /// A transform has answered the CALL `id` of the charge point with this payload.
    pub fn handle_reply(&mut self, id: &str, payload: String) {
        let frame = Frame::new(MessageType::CallResult, id, payload);
        self.answer_charge_point(frame, false, self.generation, None);
    }

    /// A transform has rejected the CALL `id` of the charge point.
    pub fn handle_rejection(&mut self, id: &str, error: CallError) {
        self.answer_charge_point(error.into_frame(id, None), false, self.generation, None);
    }

    /// The charge point's CALLRESULT `id` has been rejected: sends a CALLRESULTERROR (OCPP 2.1 part 4 section 4.2.4).
    pub fn handle_rejected_result(&mut self, id: &str, error: CallError) {
        let frame = Frame { kind: MessageType::CallResultError, ..error.into_frame(id, None) };
        self.outputs.push_back(Output::Send(frame.kind, frame.encode()));
    }

    /// Ends the CALLs to the charge point whose deadline has passed, sent or not.
    pub(super) fn end_unanswered(&mut self, now: Instant, within: &str) {
        if let Some(sent) = self.to_charge_point.take_if(|sent| sent.deadline <= now) {
            // If the CALL is still in the outputs, it must not be sent after its failure has been reported.
            self.outputs.withdraw_call();
            self.fail_sent(sent, Fault::TimedOut, format!("no answer from the charge point within {within}"));
        }
        while let Some(waiting) = self.waiting.pop_front_if(|waiting| waiting.expires <= now) {
            let text = format!("not sent: earlier CALLs were still open after {within}");
            self.fail_sent(waiting.sent(now), Fault::TimedOut, text);
        }
        self.call_next(now);
    }

    /// Sends the next waiting CALL if none is open.
    pub(super) fn call_next(&mut self, now: Instant) {
        if self.to_charge_point.is_some() {
            return;
        }
        if let Some(mut waiting) = self.waiting.pop_front() {
            let text = std::mem::take(&mut waiting.text);
            self.to_charge_point = Some(waiting.sent(now + self.settings.call_timeout));
            self.outputs.push_back(Output::Send(MessageType::Call, text));
        }
    }

    /// Ends a CALL to the charge point without an answer.
    pub(super) fn fail_sent(&mut self, sent: SentCall, fault: Fault, text: impl Into<String>) {
        let SentCall { call, deadline, originator, extras } = sent;
        let id = extras.as_ref().and_then(|extras| extras.back_end_id.as_deref()).unwrap_or(&call.id);
        self.fail(originator, fault, id, &call.action, text, call.generation);
        self.end(Direction::Downlink, &call, deadline, Outcome::Failed(fault), None);
    }

    /// Tells the originator of a CALL that there is no answer.
    fn fail(
        &mut self,
        originator: Originator,
        fault: Fault,
        id: &str,
        action: &str,
        text: impl Into<String>,
        generation: u64,
    ) {
        let text = text.into();
        match originator {
            Originator::BackEnd => self.report(fault, id, action, text, generation),
            Originator::Operator => {
                self.add_incident(Direction::Downlink, fault, id, action, text.clone());
                let answer = Box::new(OperatorCallOutcome::None { fault, text });
                self.outputs.push_back(Output::Answered(id.into(), answer));
            }
        }
    }
}

const DELIVERED_TWICE: &str = "delivered twice by the broker";
