//! Ends CALLs without an answer of the other side.

use super::output::{Direction, Outcome, Output, UplinkFrame};
use super::state::Session;
use crate::call_error::{CallError, Fault, reported_id};
use crate::frame::{MAX_RECEIVED_ID, MessageType, Received};
use std::time::{Duration, Instant};

impl Session {
    /// A transform or the publication of a frame of the charge point failed. `generation`: of the frame.
    pub fn handle_failed_uplink(
        &mut self,
        kind: MessageType,
        id: &str,
        action: &str,
        error: CallError,
        generation: u64,
    ) {
        self.add_incident(Direction::Uplink, Fault::Internal, id, action, error.description.clone());
        let frame = error.into_frame(id, Some(action));
        match kind {
            MessageType::Call => {
                // A transform may have answered the CALL before.
                if let Some(open) = self.take_received(|open| &*open.call.id == id) {
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

    /// A transform dropped the CALL `id` of the charge point: it ends without an answer.
    pub fn handle_dropped(&mut self, id: &str) {
        if let Some(open) = self.take_received(|open| &*open.call.id == id) {
            self.end(Direction::Uplink, &open.call, open.deadline, Outcome::Failed(Fault::Dropped), None);
        }
    }

    /// A message of a back end could not be mapped to frames. `id` is empty if it could not be read.
    pub fn handle_failed_downlink(&mut self, fault: Fault, id: &str, text: impl Into<String>, generation: u64) {
        self.report(fault, reported_id(id), "", text, generation);
    }

    /// Ends CALLs whose deadline has passed, and sends pings. Call it at [`Session::next_timeout`]; an earlier call is
    /// harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        let within = humantime(self.settings.call_timeout);
        let back_end_time = self.clock.time(now);
        while let Some(open) = self.take_received(|open| open.deadline <= back_end_time) {
            let text = format!("no answer from the back end within {within}");
            self.add_incident(Direction::Uplink, Fault::TimedOut, &open.call.id, &open.call.action, text.clone());
            self.reply(Fault::TimedOut, &open.call.id, open.id_form, text);
            self.end(Direction::Uplink, &open.call, open.deadline, Outcome::Failed(Fault::TimedOut), None);
        }
        if self.paused_since.is_none() {
            self.end_unanswered(now, &within);
        }
        if self.liveness.ping_is_due(&self.settings, now) {
            self.outputs.push_back(Output::Ping);
        }
    }

    /// The gateway stops: the connection ends when no CALL is open. From now on, CALLs to the charge point are reported
    /// as failed.
    pub fn handle_stop(&mut self) {
        self.stopping = true;
    }

    /// The connection has ended: messages that were not sent or not answered are reported to the back ends.
    pub fn handle_disconnect(&mut self) {
        for open in std::mem::take(&mut self.from_charge_point) {
            self.end(Direction::Uplink, &open.call, open.deadline, Outcome::Failed(Fault::Disconnected), None);
        }
        if let Some(held) = self.held_call.take() {
            let text = "not forwarded: the charge point disconnected while an earlier CALL was open under the same id";
            self.add_incident(Direction::Uplink, Fault::Disconnected, &held.id, &held.action, text);
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

    /// No back end has subscribed to `topic`, where the CALL of this number was published.
    pub fn handle_no_back_end(&mut self, number: u32, topic: &str) {
        if let Some(open) = self.take_received(|open| open.number == number) {
            let text = format!("no back end is subscribed to {topic}");
            self.add_incident(Direction::Uplink, Fault::NoBackEnd, &open.call.id, &open.call.action, text.clone());
            self.reply(Fault::NoBackEnd, &open.call.id, open.id_form, text);
            self.end(Direction::Uplink, &open.call, open.deadline, Outcome::Failed(Fault::NoBackEnd), None);
        }
    }
}

/// A duration for an error text: `30s`, `1.5s`.
fn humantime(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}
