//! The conversation with one charge point, without its socket.
//!
//! What comes in is handed to a `handle_…` function together with the time; what is to be done about it comes out of
//! [`Session::poll`]. The rules kept here: one CALL open at a time in each direction, and the directions do not wait
//! for each other (OCPP-J 1.6 section 4.1.1); every CALL gets an answer, if need be from the gateway; an answer reaches
//! only the CALL that it belongs to; nothing is lost without an [`Incident`].

mod call;
mod liveness;
mod outputs;
mod uplink;

use crate::action::Action;
use crate::call_error::{CallError, Fault, reported_id};
use crate::frame::{Frame, MessageType};
use crate::publish::Attributes;
use crate::version::Version;
pub use call::{Asked, CallEnd, OWN_ID, OpenCalls, Outcome, OwnAnswer};
use call::{Asker, OpenCall, WaitingCall};
use liveness::Liveness;
use outputs::Outputs;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a session has to know about its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a CALL may stay unanswered, in either direction, and how long one may wait for its turn.
    pub call_timeout: Duration,
    /// How many CALLs may wait for their turn to go to the charge point.
    pub queue: usize,
    pub unmatched_responses: Unmatched,
    /// Zero: no pings.
    pub ping_interval: Duration,
    /// In force until a BootNotification answer sets another.
    pub heartbeat_interval: Duration,
    /// How long a charge point may be silent. `None`: twice the heartbeat interval in force.
    pub idle_timeout: Option<Duration>,
}

/// What happens to an answer that no open CALL waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmatched {
    Drop,
    Forward,
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the charge point to back ends.
    Uplink,
    /// From back ends to the charge point.
    Downlink,
}

/// What the owner of the session has to do next. What is large is rare, and boxed: some of these wait in each session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this text to the charge point; it is a message of that type.
    Send(MessageType, String),
    /// Send it a WebSocket ping.
    Ping,
    /// Tell the back ends: map this CALLERROR like any other frame of the charge point.
    Report(Box<Frame<'static>>),
    /// Count and log this.
    Incident(Box<Incident>),
    /// A CALL is over: count it.
    Ended(CallEnd),
    /// Tell whoever asked for the gateway's own CALL of this id.
    Answered(Box<str>, Box<OwnAnswer>),
}

/// A message did not take its ordinary road.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// The way that the message was going.
    pub direction: Direction,
    pub fault: Fault,
    /// The message id, if it could be read.
    pub id: String,
    pub action: String,
    pub detail: String,
}

/// So many CALLs a broker may deliver for one charge point before it sees that it need not deliver them again: mosquitto
/// waits for the acknowledgements of 20 messages.
const RECENT: usize = 32;

/// See the module's documentation.
#[derive(Debug)]
pub struct Session {
    version: Version,
    settings: std::sync::Arc<Settings>,
    /// The CALL of the charge point that back ends have not answered yet.
    from_charge_point: Option<OpenCall>,
    /// The CALL that the charge point has not answered yet.
    to_charge_point: Option<OpenCall>,
    waiting: VecDeque<WaitingCall>,
    /// The ids of the latest CALLs of back ends, the newest last.
    recent: VecDeque<Box<str>>,
    liveness: Liveness,
    /// Set once the gateway stops: what is open is finished, and nothing new begun.
    stopping: bool,
    outputs: Outputs,
}

impl Session {
    pub fn new(version: Version, settings: std::sync::Arc<Settings>, now: Instant) -> Self {
        let liveness = Liveness::new(&settings, now);
        Session {
            version,
            settings,
            from_charge_point: None,
            to_charge_point: None,
            waiting: VecDeque::new(),
            recent: VecDeque::new(),
            liveness,
            stopping: false,
            outputs: Outputs::default(),
        }
    }

    /// Whether [`Session::poll`] has something to say.
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// What to do next; `None` when there is nothing left to do for now.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// [`Session::poll`] while the charge point takes nothing: what is for others does not wait for it.
    pub fn poll_notice(&mut self) -> Option<Output> {
        self.outputs.pop_notice()
    }

    /// How much there is to do.
    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Whether nobody waits for an answer.
    pub fn is_idle(&self) -> bool {
        self.from_charge_point.is_none() && self.to_charge_point.is_none() && self.waiting.is_empty()
    }

    /// What is open, for somebody who looks.
    pub fn open_calls(&self) -> OpenCalls {
        let action = |call: &Option<OpenCall>| call.as_ref().map(|call| call.action.to_string());
        OpenCalls {
            from_charge_point: action(&self.from_charge_point),
            to_charge_point: action(&self.to_charge_point),
            waiting: self.waiting.len(),
        }
    }

    /// The CALL of the charge point that back ends have not answered yet.
    pub fn asked(&self) -> Option<Asked<'_>> {
        self.from_charge_point.as_ref().map(|call| Asked { id: &call.id, action: &call.action })
    }

    /// When [`Session::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Instant {
        let calls = [&self.from_charge_point, &self.to_charge_point].into_iter().flatten().map(|call| call.deadline);
        let waiting = self.waiting.front().map(|call| call.expires);
        calls.chain(waiting).fold(self.liveness.next_timeout(), Instant::min)
    }

    /// Something arrived from the charge point, if only a pong.
    pub fn handle_alive(&mut self, now: Instant) {
        self.liveness.heard(now);
    }

    /// Whether the charge point has been silent for longer than the idle timeout: then its connection is to be closed.
    pub fn is_silent(&self, now: Instant) -> bool {
        self.liveness.is_silent(now)
    }

    /// A frame from the back ends, on its way to the charge point. `redelivered` if the broker said that it may have
    /// delivered the message before.
    pub fn handle_downlink(&mut self, frame: Frame<'_>, redelivered: bool, now: Instant) {
        match frame.kind {
            MessageType::Call => self.call_charge_point(frame, redelivered, now),
            MessageType::CallResult | MessageType::CallError => {
                self.answer_charge_point(frame, redelivered, Some(now));
            }
            MessageType::Send | MessageType::CallResultError if self.version.has_send() => {
                self.outputs.relay(frame.kind, frame.encode());
            }
            MessageType::Send | MessageType::CallResultError => {
                let text = format!("{} has no {}", self.version, frame.kind.name());
                self.report(Fault::UnknownMessageType, &frame.id, frame.action_name(), text);
            }
        }
    }

    fn call_charge_point(&mut self, frame: Frame<'_>, redelivered: bool, now: Instant) {
        let (id, action) = (&*frame.id, frame.action_name());
        let open = self.is_open_or_waiting(id);
        // The broker's second copy must not fail the call that the first one made, nor make the charge point do it twice.
        if redelivered && (open || self.recent.iter().any(|recent| **recent == *id)) {
            return self.note(Direction::Downlink, Fault::Duplicate, id, action, "delivered twice by the broker");
        }
        if open {
            return self.report(Fault::IdInUse, id, action, "a CALL with this id is open or waiting");
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(id.into());
        self.queue_call(Asker::BackEnd, frame, now);
    }

    /// The gateway itself asks the charge point, for somebody who is no back end. What becomes of it comes out as
    /// [`Output::Answered`] with this `id`, and goes nowhere else. The id starts with [`OWN_ID`] and is used once.
    pub fn handle_own_call(&mut self, id: &str, action: &str, payload: &str, now: Instant) {
        let frame = Frame {
            kind: MessageType::Call,
            id: id.into(),
            action: Some(action.into()),
            payload: payload.into(),
            error: None,
            attributes: Attributes::new(),
        };
        if self.is_open_or_waiting(id) {
            return self.fail(Asker::Gateway, Fault::IdInUse, id, action, "a CALL with this id is open or waiting");
        }
        self.queue_call(Asker::Gateway, frame, now);
    }

    fn queue_call(&mut self, asker: Asker, frame: Frame<'_>, now: Instant) {
        let (id, action) = (&*frame.id, frame.action_name());
        if self.stopping {
            return self.fail(asker, Fault::Disconnected, id, action, "not sent: the gateway is stopping");
        }
        if self.to_charge_point.is_some() && self.waiting.len() >= self.settings.queue {
            let text = format!("{} CALLs are waiting for this charge point", self.waiting.len());
            return self.fail(asker, Fault::QueueFull, id, action, text);
        }
        self.waiting.push_back(WaitingCall {
            id: id.into(),
            action: action.into(),
            text: frame.encode(),
            expires: now + self.settings.call_timeout,
            asker,
        });
        self.call_next(now);
    }

    /// `now`: when a back end answered. `None`: a transform did.
    fn answer_charge_point(&mut self, frame: Frame<'_>, redelivered: bool, now: Option<Instant>) {
        match self.from_charge_point.take_if(|call| *call.id == *frame.id) {
            Some(call) => {
                if frame.kind == MessageType::CallResult && &*call.action == "BootNotification" {
                    self.liveness.booted(&self.settings, &frame.payload);
                }
                let outcome = match (frame.kind, now) {
                    (MessageType::CallResult, _) => Outcome::Result,
                    (_, Some(_)) => Outcome::Error,
                    (_, None) => Outcome::Failed(Fault::Rejected),
                };
                self.end(Direction::Uplink, &call, outcome, now);
            }
            None if redelivered => {
                let action = frame.action_name();
                return self.note(
                    Direction::Downlink,
                    Fault::Duplicate,
                    &frame.id,
                    action,
                    "delivered twice by the broker",
                );
            }
            None if self.settings.unmatched_responses == Unmatched::Forward => {
                self.note(
                    Direction::Downlink,
                    Fault::UnknownCall,
                    &frame.id,
                    frame.action_name(),
                    "forwarded all the same",
                );
            }
            None => {
                let text = "no open CALL of the charge point has this id";
                return self.report(Fault::UnknownCall, &frame.id, frame.action_name(), text);
            }
        }
        if now.is_some() {
            self.outputs.relay(frame.kind, frame.encode());
        } else {
            self.outputs.push_back(Output::Send(frame.kind, frame.encode()));
        }
    }

    /// A transform, or the way to the broker, failed a frame of the charge point.
    pub fn handle_failed_uplink(&mut self, kind: MessageType, id: &str, action: &str, error: CallError) {
        self.note(Direction::Uplink, Fault::Internal, id, action, error.description.clone());
        let frame = error.into_frame(id, Some(action));
        match kind {
            MessageType::Call => {
                // A transform may have answered it before.
                if let Some(call) = self.from_charge_point.take_if(|call| &*call.id == id) {
                    self.end(Direction::Uplink, &call, Outcome::Failed(Fault::Internal), None);
                    self.outputs.push_back(Output::Send(frame.kind, frame.encode()));
                }
            }
            // The back end still waits for this answer.
            MessageType::CallResult | MessageType::CallError => self.outputs.push_back(Output::Report(Box::new(frame))),
            MessageType::CallResultError | MessageType::Send => {}
        }
    }

    /// A transform has answered the CALL `id` of the charge point, with this payload.
    pub fn handle_reply(&mut self, id: &str, payload: String) {
        let frame = Frame {
            kind: MessageType::CallResult,
            id: Cow::Borrowed(id),
            action: None,
            payload: payload.into(),
            error: None,
            attributes: Attributes::new(),
        };
        self.answer_charge_point(frame, false, None);
    }

    /// A transform has rejected the CALL `id` of the charge point.
    pub fn handle_rejection(&mut self, id: &str, error: CallError) {
        self.answer_charge_point(error.into_frame(id, None), false, None);
    }

    /// The charge point's CALLRESULT `id` has been found wanting: it is told so with a CALLRESULTERROR (OCPP 2.1 part 4
    /// section 4.2.4).
    pub fn handle_rejected_result(&mut self, id: &str, error: CallError) {
        let frame = Frame { kind: MessageType::CallResultError, ..error.into_frame(id, None) };
        self.outputs.push_back(Output::Send(frame.kind, frame.encode()));
    }

    /// A message of a back end could not be made into frames. `id` is empty where it could not even be read.
    pub fn handle_failed_downlink(&mut self, fault: Fault, id: &str, text: impl Into<String>) {
        self.report(fault, reported_id(id), "", text);
    }

    /// Ends what has waited too long. To be called at [`Session::next_timeout`]; earlier does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        let within = humantime(self.settings.call_timeout);
        if let Some(call) = self.from_charge_point.take_if(|call| call.deadline <= now) {
            let text = format!("no answer from the back end within {within}");
            self.note(Direction::Uplink, Fault::TimedOut, &call.id, &call.action, text.clone());
            self.reply(Fault::TimedOut, &call.id, text);
            self.end(Direction::Uplink, &call, Outcome::Failed(Fault::TimedOut), None);
        }
        if let Some(call) = self.to_charge_point.take_if(|call| call.deadline <= now) {
            // One that takes nothing shall not get it after all when whoever asked has been told that it did not.
            self.outputs.withdraw_call();
            self.fail_open(call, Fault::TimedOut, format!("no answer from the charge point within {within}"));
        }
        while let Some(call) = self.waiting.pop_front_if(|call| call.expires <= now) {
            let text = format!("not sent: earlier CALLs were still open after {within}");
            self.fail_open(call.open(now), Fault::TimedOut, text);
        }
        self.call_next(now);
        if self.liveness.ping_is_due(now) {
            self.outputs.push_back(Output::Ping);
        }
    }

    /// The connection is to end as soon as nobody waits for an answer any more: CALLs that come now for the charge point
    /// are reported instead.
    pub fn handle_stop(&mut self) {
        self.stopping = true;
    }

    /// The connection is over: what waited for the charge point is reported to the back ends.
    pub fn handle_disconnect(&mut self) {
        if let Some(call) = self.from_charge_point.take() {
            self.end(Direction::Uplink, &call, Outcome::Failed(Fault::Disconnected), None);
        }
        for text in self.outputs.take_unsent() {
            if let Ok(frame) = Frame::parse(&text) {
                let text = "not sent: the charge point disconnected";
                self.report(Fault::Disconnected, &frame.id, frame.action_name(), text);
            }
        }
        if let Some(call) = self.to_charge_point.take() {
            self.fail_open(call, Fault::Disconnected, "the charge point disconnected before it answered");
        }
        for call in std::mem::take(&mut self.waiting) {
            let by = call.expires;
            self.fail_open(call.open(by), Fault::Disconnected, "not sent: the charge point disconnected");
        }
    }

    /// Sends the next CALL if the charge point is free to take it.
    fn call_next(&mut self, now: Instant) {
        if self.to_charge_point.is_some() {
            return;
        }
        if let Some(mut call) = self.waiting.pop_front() {
            let text = std::mem::take(&mut call.text);
            self.to_charge_point = Some(call.open(now + self.settings.call_timeout));
            self.outputs.push_back(Output::Send(MessageType::Call, text));
        }
    }

    /// `call` is over. `now`: when the other side answered it, if it did.
    fn end(&mut self, direction: Direction, call: &OpenCall, outcome: Outcome, now: Option<Instant>) {
        let timeout = self.settings.call_timeout;
        let answered_after = now.map(|now| (now + timeout).saturating_duration_since(call.deadline));
        let action = Action::of(&call.action);
        self.outputs.push_back(Output::Ended(CallEnd { direction, action, outcome, answered_after }));
    }

    /// A CALL to the charge point is over without an answer.
    fn fail_open(&mut self, call: OpenCall, fault: Fault, text: impl Into<String>) {
        self.fail(call.asker, fault, &call.id, &call.action, text);
        self.end(Direction::Downlink, &call, Outcome::Failed(fault), None);
    }

    /// Tells whoever asked that the charge point does not answer.
    fn fail(&mut self, asker: Asker, fault: Fault, id: &str, action: &str, text: impl Into<String>) {
        let text = text.into();
        match asker {
            Asker::BackEnd => self.report(fault, id, action, text),
            Asker::Gateway => {
                self.note(Direction::Downlink, fault, id, action, text.clone());
                let answer = Box::new(OwnAnswer::None { fault, text });
                self.outputs.push_back(Output::Answered(id.into(), answer));
            }
        }
    }

    fn is_open_or_waiting(&self, id: &str) -> bool {
        self.to_charge_point.as_ref().is_some_and(|call| &*call.id == id)
            || self.waiting.iter().any(|call| &*call.id == id)
    }

    /// Answers the charge point with a CALLERROR.
    fn reply(&mut self, fault: Fault, id: &str, text: impl Into<String>) {
        let frame = fault.error(self.version, text.into()).into_frame(id, None);
        self.outputs.push_back(Output::Send(frame.kind, frame.encode()));
    }

    /// Counts what did not reach the charge point, and tells the back ends with a CALLERROR.
    fn report(&mut self, fault: Fault, id: &str, action: &str, text: impl Into<String>) {
        let text = text.into();
        self.note(Direction::Downlink, fault, id, action, text.clone());
        let action = (!action.is_empty()).then_some(action);
        let frame = fault.error(self.version, text).into_frame(id, action);
        self.outputs.push_back(Output::Report(Box::new(frame)));
    }

    fn note(&mut self, direction: Direction, fault: Fault, id: &str, action: &str, detail: impl Into<String>) {
        self.outputs.push_back(Output::Incident(Box::new(Incident {
            direction,
            fault,
            id: id.to_owned(),
            action: action.to_owned(),
            detail: detail.into(),
        })));
    }
}

/// `30s`, `1.5s`: a duration for an error text.
fn humantime(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests;
