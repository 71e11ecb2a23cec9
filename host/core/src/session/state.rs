//! What a session knows, and what all of it needs.

use super::call::{Call, OpenCalls, ReceivedCall, ReceivedCalls, SentCall, UnansweredCalls, WaitingCall, find};
use super::clock::BackEndClock;
use super::liveness::Liveness;
use super::output::{CallEnd, Direction, Incident, Outcome, Output, UplinkFrame};
use super::outputs::Outputs;
use super::settings::Settings;
use crate::action::Action;
use crate::call_error::Fault;
use crate::frame::{IdForm, MAX_RECEIVED_ID};
use crate::recent::Recent;
use crate::version::Version;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So many CALLs a broker may deliver for one charge point before it sees that it need not deliver them again: mosquitto
/// waits for the acknowledgements of 20 messages.
const RECENT: usize = 32;

/// The state of the conversation with one charge point.
///
/// A session does nothing by itself: it opens no socket, reads no clock, wakes no task. Its owner makes calls of four kinds:
///
/// - **Queries** take `&self` and may be made at any time.
/// - **Settings** tell what is in force from now on, and make no output: [`set_back_end_clock`](Self::set_back_end_clock)
///   and [`set_generation`](Self::set_generation).
/// - **Inputs** are named `handle_…`: they tell what has happened.
/// - **Polls** tell what the owner has to do: [`poll`](Self::poll) and [`poll_notice`](Self::poll_notice) answer with an
///   [`Output`], [`next_held`](Self::next_held) with a text.
///
/// | what has happened | input |
/// |---|---|
/// | Bytes, a text, a pong came from the charge point | `handle_alive`, `handle_text`, `handle_pong` |
/// | The transforms, or the way to the broker, ended a frame that `handle_text` gave | `handle_reply`, `handle_rejection`, `handle_rejected_result`, `handle_dropped`, `handle_failed_uplink` |
/// | A message came from back ends | `handle_downlink` for each frame, `handle_failed_downlink` |
/// | A CALL's topic has no subscriber | `handle_no_back_end` |
/// | An operator calls the charge point | `handle_operator_call` |
/// | The socket is read again, or no longer | `handle_reading` |
/// | The time of `next_timeout` has come | `handle_timeout` |
/// | The gateway stops; the connection is over | `handle_stop`; `handle_disconnect` |
///
/// # Order
///
/// 1. [`set_back_end_clock`](Self::set_back_end_clock), if that clock has changed, before an input that takes the time.
/// 2. One input. What becomes of a frame that [`handle_text`](Self::handle_text) gave, and the
///    [`latest_call`](Self::latest_call) that it made, belong to it: they come before the next text.
/// 3. [`poll`](Self::poll) until it answers `None`. Outputs keep, in their order, so several inputs may come before; but
///    they gather, and a charge point waits for its answers. While the socket takes nothing,
///    [`poll_notice`](Self::poll_notice) in its place: it leaves what is for the charge point, in its order.
/// 4. [`next_held`](Self::next_held), and what it answers to `handle_text`, before another text is read. While
///    [`wants_more`](Self::wants_more) is false no text is read at all: there is room for one that is held.
/// 5. [`next_timeout`](Self::next_timeout). Each of the calls before may have moved it, in both directions.
///
/// After [`handle_disconnect`](Self::handle_disconnect) there is one more round of `poll`, which sends nothing, and no
/// further input.
///
/// # Time
///
/// The time is that of a monotonic clock: no input has an earlier one than the input before it. Inputs of the same instant
/// may come in any order. `handle_timeout` is called at `next_timeout` or later; earlier does no harm, and much later
/// only means that deadlines are kept late.
///
/// # Example
///
/// ```
/// use ocpp_gateway_core::Frame;
/// use ocpp_gateway_core::session::{Output, Session};
/// use std::time::Instant;
///
/// /// A text from the charge point. Answers when to call `handle_timeout`, unless something happens before.
/// fn receive(
///     session: &mut Session,
///     text: &str,
///     now: Instant,
///     to_charge_point: &mut Vec<String>,
///     to_back_ends: &mut Vec<Frame<'static>>,
/// ) -> Instant {
///     if let Some(uplink) = session.handle_text(text, now) {
///         to_back_ends.push(uplink.frame.into_owned());
///     }
///     while let Some(output) = session.poll() {
///         match output {
///             Output::Send(_, text) => to_charge_point.push(text),
///             Output::Report(report) => to_back_ends.push(report.frame),
///             Output::Ping => { /* a WebSocket ping */ }
///             Output::Incident(_) | Output::Ended(_) => { /* logs and metrics */ }
///             Output::Answered(..) => { /* to the operator who asked */ }
///             Output::HeartbeatInterval(_) => { /* for its next connection */ }
///         }
///     }
///     session.next_timeout()
/// }
/// ```
#[derive(Debug)]
pub struct Session {
    pub(super) version: Version,
    pub(super) settings: Arc<Settings>,
    /// See [`Session::set_generation`].
    pub(super) generation: u64,
    /// The CALLs of the charge point that back ends have not answered yet.
    pub(super) from_charge_point: ReceivedCalls,
    /// See [`Session::latest_call`].
    pub(super) latest_call: u32,
    pub(super) clock: BackEndClock,
    /// A CALL of the charge point whose id is that of another one, which is still open.
    pub(super) held: Option<Box<HeldCall>>,
    /// The CALL that the charge point has not answered yet.
    pub(super) to_charge_point: Option<SentCall>,
    pub(super) waiting: VecDeque<WaitingCall>,
    /// Made when there is something to remember: most charge points are rarely called.
    pub(super) remembered: Option<Box<Remembered>>,
    pub(super) liveness: Liveness,
    /// Since when nothing is read from the charge point, if so.
    pub(super) held_since: Option<Instant>,
    /// Set once the gateway stops: what is open is finished, and nothing new begun.
    pub(super) stopping: bool,
    pub(super) outputs: Outputs,
}

/// What came lately from back ends.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// CALLs, with their fingerprints, to know them when the broker delivers them again.
    pub(super) calls: Recent<RECENT>,
    /// Answers that were reported because no CALL waited for them.
    pub(super) reported: Recent<RECENT>,
}

/// A CALL that is read, but not forwarded before the one that is open under its id has ended.
#[derive(Debug)]
pub(super) struct HeldCall {
    pub(super) id: Box<str>,
    pub(super) action: Box<str>,
    pub(super) text: Box<str>,
}

impl Session {
    /// `heartbeat_interval`: the one that the charge point was told on an earlier connection, if it was.
    pub fn new(version: Version, settings: Arc<Settings>, heartbeat_interval: Option<Duration>, now: Instant) -> Self {
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

    /// How far the clock is behind by which CALLs of the charge point time out, and whether it stands still. To be told
    /// before a text, an answer or a timeout is handled.
    pub fn set_back_end_clock(&mut self, behind: Duration, stands_still: bool) {
        self.clock = BackEndClock::new(behind, stands_still);
    }

    /// The number of the CALL that the charge point made last, which no other CALL of this session has.
    pub fn latest_call(&self) -> u32 {
        self.latest_call
    }

    /// Whether the charge point waits for an answer to a CALL of this id that was opened under this number.
    pub fn is_open(&self, id: &str, generation: u64) -> bool {
        find(&self.from_charge_point, id).is_some_and(|open| open.call.generation == generation)
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
    pub fn asked(&self) -> UnansweredCalls<'_> {
        UnansweredCalls(&self.from_charge_point)
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

    /// Takes out the oldest CALL of the charge point that is `wanted`.
    pub(super) fn take_received(&mut self, wanted: impl FnMut(&ReceivedCall) -> bool) -> Option<ReceivedCall> {
        let place = self.from_charge_point.iter().position(wanted)?;
        Some(self.from_charge_point.remove(place))
    }

    /// `call` is over. `now`: when the other side answered it, if it did.
    pub(super) fn end(
        &mut self,
        direction: Direction,
        call: &Call,
        deadline: Instant,
        outcome: Outcome,
        now: Option<Instant>,
    ) {
        let timeout = self.settings.call_timeout;
        let answered_after = now.map(|now| (now + timeout).saturating_duration_since(deadline));
        let action = Action::of(&call.action);
        self.outputs.push_back(Output::Ended(CallEnd { direction, action, outcome, answered_after }));
    }

    /// The charge point has been told another heartbeat interval, or none.
    pub(super) fn set_heartbeat_interval(&mut self, interval: Option<Duration>) {
        self.liveness.set_heartbeat_interval(&self.settings, interval);
        self.outputs.push_back(Output::HeartbeatInterval(interval));
    }

    /// Answers the charge point with a CALLERROR.
    pub(super) fn reply(&mut self, fault: Fault, id: &str, id_form: IdForm, text: impl Into<String>) {
        let frame = fault.error(self.version, text.into()).into_frame(id, None);
        self.outputs.push_back(Output::Send(frame.kind, frame.encode_with(id_form)));
    }

    /// Counts what did not reach the charge point, and tells the back ends with a CALLERROR.
    pub(super) fn report(&mut self, fault: Fault, id: &str, action: &str, text: impl Into<String>, generation: u64) {
        let text = text.into();
        self.note(Direction::Downlink, fault, id, action, text.clone());
        let action = (!action.is_empty()).then_some(action);
        let frame = fault.error(self.version, text).into_frame(id, action);
        self.outputs.push_back(Output::Report(Box::new(UplinkFrame { frame, generation })));
    }

    pub(super) fn note(
        &mut self,
        direction: Direction,
        fault: Fault,
        id: &str,
        action: &str,
        detail: impl Into<String>,
    ) {
        self.outputs.push_back(Output::Incident(Box::new(Incident {
            direction,
            fault,
            id: id.chars().take(MAX_RECEIVED_ID).collect(),
            action: action.to_owned(),
            detail: detail.into(),
        })));
    }
}
