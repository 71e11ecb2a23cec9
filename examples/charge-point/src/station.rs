//! The state machine of the charge point, without sockets or clocks.
//!
//! `receive` takes messages, and `poll` returns what to do next: send, wait, reboot, or exit.

use crate::frame::{Call, CallError, Frame};
use crate::messages::{self, Status, StopReason, Transaction};
use crate::settings::Settings;
use crate::version::Version;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long an answer may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The wait before the next BootNotification where the back end names none.
const BOOT_RETRY: Duration = Duration::from_secs(10);
/// The energy charged between two meter values, in Wh.
const ENERGY_PER_SAMPLE: u32 = 250;

/// What to do next.
#[derive(Debug, PartialEq)]
pub(crate) enum Output {
    Send(Frame),
    /// Wait for a message, or until this time.
    Wait(Instant),
    /// Disconnect, and start again as after power-on.
    Reboot,
    /// The session is over: exit.
    Finished,
    /// The session failed: exit.
    Failed(String),
}

/// What to do when all queued messages have been sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ending {
    Reboot,
    Finished,
    Failed(String),
}

/// Whether the back end has accepted this charge point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Registration {
    Unknown,
    /// Rejected or pending: send BootNotification again at this time.
    RetryAt(Instant),
    Accepted,
}

/// A CALL that is not answered yet.
#[derive(Debug)]
struct OpenCall {
    id: String,
    call: Call,
    deadline: Instant,
}

/// The session that `--session` asks for.
#[derive(Debug)]
struct Plan {
    token: String,
    samples: u32,
}

/// A transaction and its progress.
#[derive(Debug)]
struct Charging {
    transaction: Transaction,
    samples: u32,
    next_sample: Option<Instant>,
    stop: Option<StopReason>,
}

#[derive(Debug)]
pub(crate) struct Station {
    version: Version,
    settings: Settings,
    registration: Registration,
    pub(crate) operative: bool,
    reported: Option<Status>,
    meter_wh: u32,
    charging: Option<Charging>,
    plan: Option<Plan>,
    ending: Option<Ending>,
    /// CALLs that wait for the open one to be answered.
    outbox: VecDeque<Call>,
    /// Answers to the back end's CALLs, which are sent first.
    answers: VecDeque<Frame>,
    open: Option<OpenCall>,
    last_sent: Option<Instant>,
    id_prefix: u64,
    calls: u64,
}

impl Station {
    pub(crate) fn new(version: Version, settings: Settings) -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Station {
            version,
            settings,
            registration: Registration::Unknown,
            operative: true,
            reported: None,
            meter_wh: 1000,
            charging: None,
            plan: None,
            ending: None,
            outbox: VecDeque::new(),
            answers: VecDeque::new(),
            open: None,
            last_sent: None,
            id_prefix: started.as_secs(),
            calls: 0,
        }
    }

    /// Plans one charging session. It starts as soon as the back end accepts the charge point; after it the station is
    /// finished.
    pub(crate) fn plan_session(&mut self, token: String, samples: u32) {
        self.plan = Some(Plan { token, samples });
    }

    /// Takes one message from the back end.
    pub(crate) fn receive(&mut self, frame: Frame, now: Instant) {
        match frame {
            Frame::Call { id, action, payload } => {
                let answer = self.command(&action, &payload);
                self.answers.push_back(match answer {
                    Ok(payload) => Frame::Result { id, payload },
                    Err(error) => Frame::Error { id, error },
                });
            }
            Frame::Result { id, payload } => self.answered(&id, Ok(payload), now),
            Frame::Error { id, error } => self.answered(&id, Err(error), now),
        }
    }

    /// The connection is gone: an unanswered CALL is sent again on the next one.
    pub(crate) fn disconnected(&mut self) {
        self.answers.clear();
        if let Some(open) = self.open.take()
            && open.call.action != "BootNotification"
        {
            self.outbox.push_front(open.call);
        }
    }

    /// Restarts as after a power cut, but keeps the meter reading and the planned session.
    pub(crate) fn reboot(&mut self) {
        let fresh = Station::new(self.version, self.settings.clone());
        let old = std::mem::replace(self, fresh);
        (self.meter_wh, self.plan, self.operative) = (old.meter_wh, old.plan, old.operative);
        (self.id_prefix, self.calls) = (old.id_prefix, old.calls);
    }

    pub(crate) fn poll(&mut self, now: Instant) -> Output {
        if let Some(answer) = self.answers.pop_front() {
            return Output::Send(answer);
        }
        if let Some(open) = &self.open {
            if now < open.deadline {
                return Output::Wait(open.deadline);
            }
            let id = open.id.clone();
            self.answered(&id, Err(CallError::new("Timeout", "no answer")), now);
        }
        match self.registration {
            Registration::Accepted => {}
            Registration::RetryAt(retry) if now < retry && self.outbox.is_empty() => return Output::Wait(retry),
            Registration::RetryAt(retry) if now < retry => {}
            _ => return self.send(messages::boot(self.version), now),
        }
        self.charge(now);
        if let Some(call) = self.outbox.pop_front() {
            return self.send(call, now);
        }
        if let Some(ending) = self.ending.take_if(|_| self.charging.is_none()) {
            return match ending {
                Ending::Reboot => Output::Reboot,
                Ending::Finished => Output::Finished,
                Ending::Failed(reason) => Output::Failed(reason),
            };
        }
        let heartbeat = self.last_sent.unwrap_or(now) + self.settings.heartbeat_interval;
        if heartbeat <= now {
            return self.send(messages::heartbeat(), now);
        }
        let sample = self.charging.as_ref().and_then(|charging| charging.next_sample);
        Output::Wait(sample.map_or(heartbeat, |sample| sample.min(heartbeat)))
    }

    fn send(&mut self, call: Call, now: Instant) -> Output {
        self.calls += 1;
        let id = format!("{}-{}", self.id_prefix, self.calls);
        let frame = Frame::Call { id: id.clone(), action: call.action.to_owned(), payload: call.payload.clone() };
        self.open = Some(OpenCall { id, call, deadline: now + CALL_TIMEOUT });
        self.last_sent = Some(now);
        Output::Send(frame)
    }

    /// Queues the meter value or the stop that is due.
    fn charge(&mut self, now: Instant) {
        let Some(charging) = &mut self.charging else { return };
        let Some(due) = charging.next_sample else { return };
        if charging.stop.is_none() && self.plan.as_ref().is_some_and(|plan| charging.samples >= plan.samples) {
            charging.stop = Some(StopReason::Local);
        }
        if let Some(reason) = charging.stop {
            charging.transaction.sequence += 1;
            self.outbox.push_back(messages::stop(self.version, &charging.transaction, reason, self.meter_wh));
            self.charging = None;
            self.report(Status::Finishing);
            self.report(if self.operative { Status::Available } else { Status::Unavailable });
            // After a reset the planned session starts again.
            if self.ending.is_none() && self.plan.take().is_some() {
                self.end(match reason {
                    StopReason::Deauthorized => Ending::Failed("the back end does not accept the token".to_owned()),
                    _ => Ending::Finished,
                });
            }
        } else if due <= now && self.outbox.is_empty() {
            charging.samples += 1;
            charging.next_sample = Some(now + self.settings.meter_interval);
            charging.transaction.sequence += 1;
            self.meter_wh += ENERGY_PER_SAMPLE;
            let call = messages::meter_values(self.version, Some(&charging.transaction), self.meter_wh);
            self.outbox.push_back(call);
        }
    }

    fn answered(&mut self, id: &str, answer: Result<Value, CallError>, now: Instant) {
        let Some(open) = self.open.take_if(|open| open.id == id) else { return };
        match (open.call.action, answer) {
            ("BootNotification", answer) => self.registered(&answer.unwrap_or_default(), now),
            ("Authorize", Ok(answer)) => self.authorized(&answer),
            ("StartTransaction" | "TransactionEvent", Ok(answer)) => self.charging_confirmed(&answer, now),
            (_, Ok(_)) => {}
            (action, Err(error)) => self.refused(action, &error),
        }
    }

    /// A CALL was answered with an error, or not at all.
    fn refused(&mut self, action: &str, error: &CallError) {
        let starting = matches!(action, "StartTransaction" | "TransactionEvent");
        if starting && self.charging.take_if(|charging| charging.next_sample.is_none()).is_some() {
            self.report(Status::Available);
        }
        if self.plan.is_some() {
            self.end(Ending::Failed(format!("{action} was answered with {error}")));
        }
    }

    fn registered(&mut self, answer: &Value, now: Instant) {
        let interval = answer["interval"].as_u64().filter(|seconds| *seconds > 0).map(Duration::from_secs);
        if answer["status"] != "Accepted" {
            self.registration = Registration::RetryAt(now + interval.unwrap_or(BOOT_RETRY));
            return;
        }
        let first = self.registration != Registration::Accepted;
        self.registration = Registration::Accepted;
        if let Some(interval) = interval {
            self.settings.heartbeat_interval = interval;
        }
        if first {
            self.report(if self.operative { Status::Available } else { Status::Unavailable });
            if let Some(plan) = &self.plan {
                self.outbox.push_back(messages::authorize(self.version, &plan.token));
            }
        }
    }

    fn authorized(&mut self, answer: &Value) {
        let Some(plan) = &self.plan else { return };
        match token_status(answer) {
            Some("Accepted") => self.start(plan.token.clone(), None),
            status => {
                let status = status.unwrap_or("nothing");
                self.end(Ending::Failed(format!("the token was answered with {status}")));
            }
        }
    }

    /// The back end has confirmed the transaction, or an update of it.
    fn charging_confirmed(&mut self, answer: &Value, now: Instant) {
        let Some(charging) = &mut self.charging else { return };
        if self.version.is_1_6() {
            charging.transaction.id = answer.get("transactionId").cloned();
        }
        if charging.next_sample.is_none() {
            charging.next_sample = Some(now + self.settings.meter_interval);
        }
        if token_status(answer).is_some_and(|status| status != "Accepted") {
            charging.stop = Some(StopReason::Deauthorized);
        }
        self.report(Status::Charging);
    }

    /// Begins a transaction.
    pub(crate) fn start(&mut self, token: String, remote_start_id: Option<i64>) {
        self.report(Status::Preparing);
        let id = (!self.version.is_1_6()).then(|| json!(format!("tx-{}-{}", self.id_prefix, self.calls)));
        let transaction = Transaction { token, id, sequence: 0, remote_start_id };
        self.outbox.push_back(messages::start(self.version, &transaction, self.meter_wh));
        self.charging = Some(Charging { transaction, samples: 0, next_sample: None, stop: None });
    }

    /// Ends the transaction, if there is one, as soon as the back end has confirmed its start.
    pub(crate) fn stop(&mut self, reason: StopReason) {
        if let Some(charging) = &mut self.charging {
            charging.stop = Some(reason);
        }
    }

    pub(crate) fn end(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }

    pub(crate) fn queue(&mut self, call: Call) {
        self.outbox.push_back(call);
    }

    /// Queues a StatusNotification, unless the back end would see the same again.
    pub(crate) fn report(&mut self, status: Status) {
        let before = self.reported.replace(status);
        if before.is_none_or(|before| before.name(self.version) != status.name(self.version)) {
            self.outbox.push_back(messages::status(self.version, status));
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.reported.unwrap_or(Status::Available)
    }

    pub(crate) fn transaction(&self) -> Option<&Transaction> {
        self.charging.as_ref().map(|charging| &charging.transaction)
    }

    pub(crate) fn is_operative(&self) -> bool {
        self.operative
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    pub(crate) fn meter_wh(&self) -> u32 {
        self.meter_wh
    }
}

/// The back end's status of the token, if the answer has one.
fn token_status(answer: &Value) -> Option<&str> {
    let info = answer.get("idTagInfo").or_else(|| answer.get("idTokenInfo"))?;
    info.get("status")?.as_str()
}

#[cfg(test)]
mod tests;
