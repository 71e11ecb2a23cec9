//! The state of a session, its queries, and helpers for its inputs.

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

/// How many recent CALLs are remembered, to recognise them when the broker redelivers them. mosquitto sends up to 20
/// messages before it waits for an acknowledgement.
const RECENT: usize = 32;

/// The state of the conversation with one charge point.
///
/// A session does nothing by itself: it opens no socket, reads no clock and wakes no task. Its owner calls functions of
/// four kinds:
///
/// - **Queries** take `&self` and may be called at any time.
/// - **Settings** apply from now on and make no output: [`set_back_end_clock`](Self::set_back_end_clock) and
///   [`set_generation`](Self::set_generation).
/// - **Inputs** are named `handle_…` and say what has happened.
/// - **Polls** return what the owner has to do: [`poll`](Self::poll) and [`poll_notice`](Self::poll_notice) an
///   [`Output`], [`take_held_text`](Self::take_held_text) a text.
///
/// | what has happened | input |
/// |---|---|
/// | Bytes, a text, or a pong arrived from the charge point | `handle_activity`, `handle_text`, `handle_pong` |
/// | A transform, or a failed publication, ended a frame that `handle_text` returned | `handle_reply`, `handle_rejection`, `handle_rejected_result`, `handle_dropped`, `handle_failed_uplink` |
/// | A message arrived from back ends | `handle_downlink` for each frame, `handle_failed_downlink` |
/// | The topic of a CALL has no subscriber | `handle_no_back_end` |
/// | An operator calls the charge point | `handle_operator_call` |
/// | Reading from the socket stopped or resumed | `handle_reading` |
/// | The time of `next_timeout` was reached | `handle_timeout` |
/// | The gateway stops; the connection has ended | `handle_stop`; `handle_disconnect` |
///
/// # Order
///
/// 1. [`set_back_end_clock`](Self::set_back_end_clock), if that clock has changed, before an input that takes the time.
/// 2. One input. The inputs about a frame that [`handle_text`](Self::handle_text) returned, and the query of its
///    number, [`latest_call`](Self::latest_call), precede the next text.
/// 3. [`poll`](Self::poll) until it returns `None`. Outputs are queued in order, so several inputs may precede it; but
///    the queue grows, and the charge point waits for its answers. While the socket accepts no data, call
///    [`poll_notice`](Self::poll_notice) instead: it leaves the outputs for the charge point queued, in order.
/// 4. [`take_held_text`](Self::take_held_text); pass its text to `handle_text` before reading another one. While
///    [`can_read`](Self::can_read) is false, read no text: only one can be held.
/// 5. [`next_timeout`](Self::next_timeout). Each of the calls above may have moved it, in both directions.
///
/// After [`handle_disconnect`](Self::handle_disconnect), call `poll` once more until it returns `None`; it sends
/// nothing. No input follows.
///
/// # Time
///
/// The clock is monotonic: no input has an earlier time than the input before it. Inputs of the same instant may come
/// in any order. Call `handle_timeout` at `next_timeout` or later; an earlier call is harmless, a late one only delays
/// deadlines.
///
/// # Example
///
/// ```
/// use ocpp_gateway_core::Frame;
/// use ocpp_gateway_core::session::{Output, Session};
/// use std::time::Instant;
///
/// /// A text from the charge point. Returns when to call `handle_timeout`, unless something happens before.
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
///             Output::Answered(..) => { /* to the operator */ }
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
    /// A CALL of the charge point whose id another open CALL has.
    pub(super) held_call: Option<Box<HeldCall>>,
    /// The CALL that the charge point has not answered yet.
    pub(super) to_charge_point: Option<SentCall>,
    pub(super) waiting: VecDeque<WaitingCall>,
    /// Allocated on first use, because most charge points are rarely called.
    pub(super) remembered: Option<Box<Remembered>>,
    pub(super) liveness: Liveness,
    /// Since when reading from the charge point is stopped, if it is.
    pub(super) paused_since: Option<Instant>,
    /// The gateway stops: open CALLs are finished, and no new ones are sent.
    pub(super) stopping: bool,
    pub(super) outputs: Outputs,
}

/// Recent messages from back ends.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// CALLs, with their fingerprints, to recognise redelivered ones.
    pub(super) calls: Recent<RECENT>,
    /// Answers that were reported because they belong to no open CALL.
    pub(super) reported: Recent<RECENT>,
}

/// A CALL that was read and is held back until the open CALL with the same id has ended.
#[derive(Debug)]
pub(super) struct HeldCall {
    pub(super) id: Box<str>,
    pub(super) action: Box<str>,
    pub(super) text: Box<str>,
}

impl Session {
    /// `heartbeat_interval`: the one that the charge point was given on an earlier connection, if any.
    pub fn new(version: Version, settings: Arc<Settings>, heartbeat_interval: Option<Duration>, now: Instant) -> Self {
        let liveness = Liveness::new(&settings, heartbeat_interval, now);
        Session {
            version,
            settings,
            generation: 0,
            from_charge_point: ReceivedCalls::default(),
            latest_call: 0,
            clock: BackEndClock::default(),
            held_call: None,
            to_charge_point: None,
            waiting: VecDeque::new(),
            remembered: None,
            liveness,
            paused_since: None,
            stopping: false,
            outputs: Outputs::default(),
        }
    }

    /// Sets the number under which CALLs of the charge point are opened from now on. The caller defines its meaning;
    /// everything that belongs to such a CALL carries it. It is 0 at first.
    pub fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// Sets how far the clock by which CALLs of the charge point time out is behind, and whether it stands still. Call
    /// it before a text, an answer or a timeout is handled.
    pub fn set_back_end_clock(&mut self, behind: Duration, stands_still: bool) {
        self.clock = BackEndClock::new(behind, stands_still);
    }

    /// The number of the charge point's latest CALL, which is unique within this session.
    pub fn latest_call(&self) -> u32 {
        self.latest_call
    }

    /// Whether a CALL of the charge point with this id is open that was opened under this number.
    pub fn is_open(&self, id: &str, generation: u64) -> bool {
        find(&self.from_charge_point, id).is_some_and(|open| open.call.generation == generation)
    }

    /// Whether a CALL of either side that was opened under this number is open or waits.
    pub fn has_open_calls_of(&self, generation: u64) -> bool {
        self.from_charge_point.iter().any(|open| open.call.generation == generation)
            || self.to_charge_point.as_ref().is_some_and(|sent| sent.call.generation == generation)
            || self.waiting.iter().any(|waiting| waiting.call.generation == generation)
    }

    /// Whether [`Session::poll`] would return an output.
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// The next output; `None` while the session has nothing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next output that is not for the charge point, for use while its socket accepts no data.
    pub fn poll_notice(&mut self) -> Option<Output> {
        self.outputs.pop_notice()
    }

    /// The number of queued outputs.
    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// The messages queued for the charge point: their number, and the bytes of their texts.
    pub fn queued(&self) -> (usize, usize) {
        let waiting = self.waiting.iter().map(|waiting| waiting.text.len());
        waiting.chain(self.outputs.texts()).fold((0, 0), |(count, bytes), more| (count + 1, bytes + more))
    }

    /// The bytes of the text of the charge point that is held back.
    pub fn held_bytes(&self) -> usize {
        self.held_call.as_ref().map_or(0, |held| held.text.len())
    }

    /// Whether no CALL of either side is open or waits.
    pub fn is_idle(&self) -> bool {
        self.from_charge_point.is_empty()
            && self.held_call.is_none()
            && self.to_charge_point.is_none()
            && self.waiting.is_empty()
    }

    /// The open CALLs, for an operator.
    pub fn open_calls(&self) -> OpenCalls {
        OpenCalls {
            from_charge_point: self.from_charge_point.iter().map(|open| open.call.action.to_string()).collect(),
            to_charge_point: self.to_charge_point.as_ref().map(|sent| sent.call.action.to_string()),
            waiting: self.waiting.len(),
        }
    }

    /// How many CALLs of the charge point are open, and how many CALLs to it are open or wait.
    pub fn open_call_counts(&self) -> (usize, usize) {
        let to_charge_point = usize::from(self.to_charge_point.is_some()) + self.waiting.len();
        (self.from_charge_point.len(), to_charge_point)
    }

    /// The CALLs of the charge point that back ends have not answered yet.
    pub fn unanswered_calls(&self) -> UnansweredCalls<'_> {
        UnansweredCalls::of_session(&self.from_charge_point)
    }

    /// When to call [`Session::handle_timeout`].
    pub fn next_timeout(&self) -> Instant {
        let received = self.from_charge_point.iter().map(|open| self.clock.due(open.deadline));
        // While the gateway does not read from the charge point, no answer can arrive.
        let sent = self.to_charge_point.iter().map(|sent| sent.deadline);
        let waiting = self.waiting.front().map(|waiting| waiting.expires);
        let for_charge_point = sent.chain(waiting).filter(|_| self.paused_since.is_none());
        received.chain(for_charge_point).fold(self.liveness.next_timeout(), Instant::min)
    }

    /// Bytes arrived from the charge point, such as a part of a message.
    pub fn handle_activity(&mut self, now: Instant) {
        self.liveness.on_activity(now);
    }

    /// A pong arrived.
    pub fn handle_pong(&mut self, now: Instant) {
        self.liveness.on_pong(now);
    }

    /// Whether the charge point has been silent for too long, so that its connection is to be closed.
    pub fn is_silent(&self, now: Instant) -> bool {
        self.liveness.is_silent(now)
    }

    /// Whether to read more from the charge point: false at the limit of open CALLs, and while a CALL is held back.
    pub fn can_read(&self) -> bool {
        self.held_call.is_none() && self.from_charge_point.len() < self.settings.open_calls
    }

    /// Whether reading from the charge point is stopped, see [`Session::handle_reading`].
    pub fn is_reading_paused(&self) -> bool {
        self.paused_since.is_some()
    }

    /// Reading from the charge point stopped or resumed. While it is stopped, deadlines for answers of the charge point
    /// do not run.
    pub fn handle_reading(&mut self, reading: bool, now: Instant) {
        if reading == self.paused_since.is_none() {
            return;
        }
        self.liveness.set_paused(!reading, now);
        let Some(since) = self.paused_since.take() else {
            self.paused_since = Some(now);
            return;
        };
        let pause = now.saturating_duration_since(since);
        self.to_charge_point.iter_mut().for_each(|sent| sent.deadline += pause);
        self.waiting.iter_mut().for_each(|waiting| waiting.expires += pause);
    }

    /// Removes the oldest CALL of the charge point that matches.
    pub(super) fn take_received(&mut self, matches: impl FnMut(&ReceivedCall) -> bool) -> Option<ReceivedCall> {
        let index = self.from_charge_point.iter().position(matches)?;
        Some(self.from_charge_point.remove(index))
    }

    /// Ends `call`. `now`: when the other side answered, if it did.
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
        let generation = call.generation;
        self.outputs.push_back(Output::Ended(CallEnd { direction, action, outcome, answered_after, generation }));
    }

    /// The charge point was given a heartbeat interval; `None`: the configured one is in force.
    pub(super) fn set_heartbeat_interval(&mut self, interval: Option<Duration>) {
        self.liveness.set_heartbeat_interval(&self.settings, interval);
        self.outputs.push_back(Output::HeartbeatInterval(interval));
    }

    /// Answers the charge point with a CALLERROR.
    pub(super) fn reply(&mut self, fault: Fault, id: &str, id_form: IdForm, text: impl Into<String>) {
        let frame = fault.error(self.version, text.into()).into_frame(id, None);
        self.outputs.push_back(Output::Send(frame.kind, frame.encode_with(id_form)));
    }

    /// Reports a message that did not reach the charge point: as an incident, and to the back ends as a CALLERROR.
    pub(super) fn report(&mut self, fault: Fault, id: &str, action: &str, text: impl Into<String>, generation: u64) {
        let text = text.into();
        self.add_incident(Direction::Downlink, fault, id, action, text.clone());
        let action = (!action.is_empty()).then_some(action);
        let frame = fault.error(self.version, text).into_frame(id, action);
        self.outputs.push_back(Output::Report(Box::new(UplinkFrame { frame, generation })));
    }

    /// Queues an incident.
    pub(super) fn add_incident(
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
