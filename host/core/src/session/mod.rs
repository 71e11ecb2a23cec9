//! The conversation with one charge point, without its socket.
//!
//! What comes in is handed to a `handle_…` function together with the time; what is to be done about it comes out of
//! [`Session::poll`]. The rules kept here: one CALL at a time is open to the charge point, several may be open from it, and
//! the directions do not wait for each other (OCPP-J 1.6 section 4.1.1: a rule for senders); every CALL gets an answer, if
//! need be from the gateway, and never two; an answer reaches only the CALL that it belongs to; nothing is lost without an
//! [`Incident`].

mod back_ends;
mod call;
mod downlink;
mod heartbeat;
mod liveness;
mod outputs;
mod uplink;

use crate::action::Action;
use crate::call_error::{CallError, Fault, reported_id};
use crate::frame::{IdForm, MAX_RECEIVED_ID, MessageType, Received};
use crate::recent::Recent;
use crate::version::Version;
use back_ends::BackEndClock;
pub use call::{Asked, CallEnd, OWN_ID, OpenCalls, Outcome, OwnAnswer};
use call::{Call, ReceivedCalls, SentCall, WaitingCall};
use liveness::Liveness;
use outputs::Outputs;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
pub use uplink::UplinkFrame;

/// What a session has to know about its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a CALL may stay unanswered, in either direction, and how long one may wait before it is sent.
    pub call_timeout: Duration,
    /// How many CALLs of the charge point may be open before nothing more is read from it.
    pub open_calls: usize,
    /// How many CALLs may wait until the charge point has answered those before them.
    pub queue: usize,
    pub unmatched_responses: Unmatched,
    /// Zero: no pings.
    pub ping_interval: Duration,
    /// In force until the charge point is told another.
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
    Report(Box<UplinkFrame<'static>>),
    /// Count and log this.
    Incident(Box<Incident>),
    /// A CALL is over: count it.
    Ended(CallEnd),
    /// Tell whoever asked for the gateway's own CALL of this id.
    Answered(Box<str>, Box<OwnAnswer>),
    /// The charge point has been told this heartbeat interval: it holds on later connections too. `None`: it was told
    /// none, so that the configured one is in force.
    HeartbeatInterval(Option<Duration>),
}

/// A message did not go the ordinary way.
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
    /// See [`Session::set_generation`].
    generation: u64,
    /// The CALLs of the charge point that back ends have not answered yet.
    from_charge_point: ReceivedCalls,
    /// See [`Session::latest_call`].
    latest_call: u32,
    clock: BackEndClock,
    /// A CALL of the charge point whose id is that of another one, which is still open.
    held: Option<Box<HeldCall>>,
    /// The CALL that the charge point has not answered yet.
    to_charge_point: Option<SentCall>,
    waiting: VecDeque<WaitingCall>,
    /// Made when there is something to remember: most charge points are rarely called.
    remembered: Option<Box<Remembered>>,
    liveness: Liveness,
    /// Since when nothing is read from the charge point, if so.
    held_since: Option<Instant>,
    /// Set once the gateway stops: what is open is finished, and nothing new begun.
    stopping: bool,
    outputs: Outputs,
}

/// What came lately from back ends.
#[derive(Debug, Default)]
struct Remembered {
    /// CALLs, with their fingerprints, to know them when the broker delivers them again.
    calls: Recent<RECENT>,
    /// Answers that were reported because no CALL waited for them.
    reported: Recent<RECENT>,
}

/// A CALL that is read, but not forwarded before the one that is open under its id has ended.
#[derive(Debug)]
struct HeldCall {
    id: Box<str>,
    action: Box<str>,
    text: Box<str>,
}

impl Session {
    /// `heartbeat_interval`: the one that the charge point was told on an earlier connection, if it was.
    pub fn new(
        version: Version,
        settings: std::sync::Arc<Settings>,
        heartbeat_interval: Option<Duration>,
        now: Instant,
    ) -> Self {
        let liveness = Liveness::new(&settings, heartbeat_interval, now);
        Session {
            version,
            settings,
            generation: 0,
            from_charge_point: ReceivedCalls::default(),
            latest_call: 0,
            clock: BackEndClock::default(),
            held: None,
            to_charge_point: None,
            waiting: VecDeque::new(),
            remembered: None,
            liveness,
            held_since: None,
            stopping: false,
            outputs: Outputs::default(),
        }
    }

    /// CALLs of the charge point are opened under this number from now on. What it means is up to the caller, who gets it
    /// back with everything that belongs to such a CALL; it begins as 0.
    pub fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// Whether the charge point waits for an answer to a CALL of this id that was opened under this number.
    pub fn is_open(&self, id: &str, generation: u64) -> bool {
        self.from_charge_point.find(id).is_some_and(|open| open.call.generation == generation)
    }

    /// Whether a CALL, of either side, is open or waits that was opened under this number.
    pub fn has_open_calls_of(&self, generation: u64) -> bool {
        self.from_charge_point.iter().any(|open| open.call.generation == generation)
            || self.to_charge_point.as_ref().is_some_and(|sent| sent.call.generation == generation)
            || self.waiting.iter().any(|waiting| waiting.call.generation == generation)
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

    /// What waits here for the charge point: how many messages, and the bytes of their texts.
    pub fn queued(&self) -> (usize, usize) {
        let waiting = self.waiting.iter().map(|waiting| waiting.text.len());
        waiting.chain(self.outputs.texts()).fold((0, 0), |(count, bytes), more| (count + 1, bytes + more))
    }

    /// The bytes of a text of the charge point that was read, and waits.
    pub fn held_bytes(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.text.len())
    }

    /// Whether no CALL is open, of either side.
    pub fn is_idle(&self) -> bool {
        self.from_charge_point.is_empty()
            && self.held.is_none()
            && self.to_charge_point.is_none()
            && self.waiting.is_empty()
    }

    /// What is open, for an operator.
    pub fn open_calls(&self) -> OpenCalls {
        OpenCalls {
            from_charge_point: self.from_charge_point.iter().map(|open| open.call.action.to_string()).collect(),
            to_charge_point: self.to_charge_point.as_ref().map(|sent| sent.call.action.to_string()),
            waiting: self.waiting.len(),
        }
    }

    /// The CALLs of the charge point that back ends have not answered yet.
    pub fn asked(&self) -> Asked<'_> {
        Asked::new(&self.from_charge_point)
    }

    /// When [`Session::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Instant {
        let received = self.from_charge_point.iter().map(|open| self.clock.due(open.deadline));
        // While nothing is read from the charge point, it cannot answer.
        let sent = self.to_charge_point.iter().map(|sent| sent.deadline);
        let waiting = self.waiting.front().map(|waiting| waiting.expires);
        let for_charge_point = sent.chain(waiting).filter(|_| self.held_since.is_none());
        received.chain(for_charge_point).fold(self.liveness.next_timeout(), Instant::min)
    }

    /// Something arrived from the charge point, and be it a part of a message.
    pub fn handle_alive(&mut self, now: Instant) {
        self.liveness.heard(now);
    }

    /// A pong arrived.
    pub fn handle_pong(&mut self, now: Instant) {
        self.liveness.heard_pong(now);
    }

    /// Whether the charge point has been silent for too long: then its connection is to be closed.
    pub fn is_silent(&self, now: Instant) -> bool {
        self.liveness.is_silent(now)
    }

    /// Whether the session wants to read more from the charge point: not while as many of its CALLs are open as may be.
    pub fn wants_more(&self) -> bool {
        self.held.is_none() && self.from_charge_point.len() < self.settings.open_calls
    }

    /// Whether the gateway reads nothing from the charge point, as [`Session::handle_reading`] was told.
    pub fn is_held(&self) -> bool {
        self.held_since.is_some()
    }

    /// Tells whether the gateway reads from the charge point, when that changes. While it does not, no deadline runs that
    /// waits for the charge point.
    pub fn handle_reading(&mut self, reading: bool, now: Instant) {
        if reading == self.held_since.is_none() {
            return;
        }
        self.liveness.hold(!reading, now);
        let Some(since) = self.held_since.take() else {
            self.held_since = Some(now);
            return;
        };
        let pause = now.saturating_duration_since(since);
        self.to_charge_point.iter_mut().for_each(|sent| sent.deadline += pause);
        self.waiting.iter_mut().for_each(|waiting| waiting.expires += pause);
    }

    /// A transform, or the way to the broker, failed a frame of the charge point. `generation`: of the frame.
    pub fn handle_failed_uplink(
        &mut self,
        kind: MessageType,
        id: &str,
        action: &str,
        error: CallError,
        generation: u64,
    ) {
        self.note(Direction::Uplink, Fault::Internal, id, action, error.description.clone());
        let frame = error.into_frame(id, Some(action));
        match kind {
            MessageType::Call => {
                // A transform may have answered it before.
                if let Some(open) = self.from_charge_point.take(id) {
                    self.end(Direction::Uplink, &open.call, open.deadline, Outcome::Failed(Fault::Internal), None);
                    self.outputs.push_back(Output::Send(frame.kind, frame.encode_with(open.id_form)));
                }
            }
            // The back end still waits for this answer.
            MessageType::CallResult | MessageType::CallError => {
                self.outputs.push_back(Output::Report(Box::new(UplinkFrame { frame, generation })));
            }
            MessageType::CallResultError | MessageType::Send => {}
        }
    }

    /// The transforms let the CALL `id` of the charge point go nowhere: it ends without an answer.
    pub fn handle_dropped(&mut self, id: &str) {
        if let Some(open) = self.from_charge_point.take(id) {
            self.end(Direction::Uplink, &open.call, open.deadline, Outcome::Failed(Fault::Dropped), None);
        }
    }

    /// A message of a back end could not be made into frames. `id` is empty where it could not even be read.
    pub fn handle_failed_downlink(&mut self, fault: Fault, id: &str, text: impl Into<String>, generation: u64) {
        self.report(fault, reported_id(id), "", text, generation);
    }

    /// Ends what has waited too long. To be called at [`Session::next_timeout`]; earlier does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        let within = humantime(self.settings.call_timeout);
        while let Some(open) = self.from_charge_point.take_overdue(self.clock.time(now)) {
            let text = format!("no answer from the back end within {within}");
            self.note(Direction::Uplink, Fault::TimedOut, &open.call.id, &open.call.action, text.clone());
            self.reply(Fault::TimedOut, &open.call.id, open.id_form, text);
            self.end(Direction::Uplink, &open.call, open.deadline, Outcome::Failed(Fault::TimedOut), None);
        }
        if self.held_since.is_none() {
            self.end_unanswered(now, &within);
        }
        if self.liveness.ping_is_due(&self.settings, now) {
            self.outputs.push_back(Output::Ping);
        }
    }

    /// The connection is to end as soon as no CALL is open any more: CALLs that come now for the charge point are reported
    /// instead.
    pub fn handle_stop(&mut self) {
        self.stopping = true;
    }

    /// The connection is over: what waited for the charge point is reported to the back ends.
    pub fn handle_disconnect(&mut self) {
        while let Some(open) = self.from_charge_point.pop() {
            self.end(Direction::Uplink, &open.call, open.deadline, Outcome::Failed(Fault::Disconnected), None);
        }
        if let Some(held) = self.held.take() {
            let text = "not forwarded: the charge point disconnected while an earlier CALL was open under the same id";
            self.note(Direction::Uplink, Fault::Disconnected, &held.id, &held.action, text);
        }
        for (text, generation) in self.outputs.take_unsent() {
            if let Ok(Received { frame, .. }) = Received::parse(&text, MAX_RECEIVED_ID) {
                let text = "not sent: the charge point disconnected";
                self.report(Fault::Disconnected, &frame.id, frame.action_name(), text, generation);
            }
        }
        if let Some(sent) = self.to_charge_point.take() {
            self.fail_sent(sent, Fault::Disconnected, "the charge point disconnected before it answered");
        }
        for waiting in std::mem::take(&mut self.waiting) {
            let by = waiting.expires;
            self.fail_sent(waiting.sent(by), Fault::Disconnected, "not sent: the charge point disconnected");
        }
    }

    /// `call` is over. `now`: when the other side answered it, if it did.
    fn end(&mut self, direction: Direction, call: &Call, deadline: Instant, outcome: Outcome, now: Option<Instant>) {
        let timeout = self.settings.call_timeout;
        let answered_after = now.map(|now| (now + timeout).saturating_duration_since(deadline));
        let action = Action::of(&call.action);
        self.outputs.push_back(Output::Ended(CallEnd { direction, action, outcome, answered_after }));
    }

    /// The charge point has been told another heartbeat interval, or none.
    fn set_heartbeat_interval(&mut self, interval: Option<Duration>) {
        self.liveness.set_heartbeat_interval(&self.settings, interval);
        self.outputs.push_back(Output::HeartbeatInterval(interval));
    }

    /// Answers the charge point with a CALLERROR.
    fn reply(&mut self, fault: Fault, id: &str, id_form: IdForm, text: impl Into<String>) {
        let frame = fault.error(self.version, text.into()).into_frame(id, None);
        self.outputs.push_back(Output::Send(frame.kind, frame.encode_with(id_form)));
    }

    /// Counts what did not reach the charge point, and tells the back ends with a CALLERROR.
    fn report(&mut self, fault: Fault, id: &str, action: &str, text: impl Into<String>, generation: u64) {
        let text = text.into();
        self.note(Direction::Downlink, fault, id, action, text.clone());
        let action = (!action.is_empty()).then_some(action);
        let frame = fault.error(self.version, text).into_frame(id, action);
        self.outputs.push_back(Output::Report(Box::new(UplinkFrame { frame, generation })));
    }

    fn note(&mut self, direction: Direction, fault: Fault, id: &str, action: &str, detail: impl Into<String>) {
        self.outputs.push_back(Output::Incident(Box::new(Incident {
            direction,
            fault,
            id: id.chars().take(MAX_RECEIVED_ID).collect(),
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
