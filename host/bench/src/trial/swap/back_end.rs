//! A back end that answers each CALL under its mount point, and sends CALLs under the mount point of a charge point's
//! latest CALL. It uses the gateway's MQTT crate, as it must not lose messages itself.

use super::tally::Tally;
use crate::dialect::{Dialect, Received};
use anyhow::{Context as _, Result, bail};
use ocpp_gateway_mqtt::{Message, Options, Publication, Publisher, QoS, Recipient, SubscribeError, Subscriber};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// Pause between the answer to a CALL and the next CALL to that charge point.
const PAUSE: Duration = Duration::from_millis(500);

/// The mount points of successive mappings.
pub(super) const MOUNT_POINTS: [&str; 3] = ["ocpp", "site", "depot"];

/// The mount point of candidates in shadow trials, whose messages must not be published.
pub(super) const SHADOW: &str = "shadow";

/// Time limit until charge points use the topics of a swap. The first program waits until its interpreter is compiled.
const SWAP_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct RecordingRecipient(mpsc::UnboundedSender<Message>);

impl Recipient for RecordingRecipient {
    fn deliver(&self, message: Message) -> Result<(), Message> {
        self.0.send(message).map_err(|refused| refused.0)
    }

    fn return_undeliverable(&self, _message: Message) {}

    /// CALLs stay unanswered then, which the tally shows.
    fn refused(&self, _error: SubscribeError) {}
}

pub(super) struct SwapBackEnd {
    latest_call: watch::Receiver<LatestCall>,
    _subscriber: Subscriber<RecordingRecipient>,
}

/// The latest CALL of a charge point.
struct LatestCall {
    mount_point: String,
    when: Instant,
    /// Number of successive CALLs under this mount point, of all charge points together.
    successive: usize,
}

/// State of a charge point.
#[derive(Default)]
struct ChargePointState {
    /// The mount point of its latest CALL.
    mount_point: String,
    /// The numbers of its CALLs so far, and the highest number.
    calls: HashSet<u64>,
    latest: u64,
    /// Number of CALLs sent to it, and the time of the open one.
    commands: u64,
    open: Option<Instant>,
}

struct AnswerJob {
    publisher: Publisher,
    answer_after: Duration,
    /// The mount point of its messages; `None`: that of the latest CALL of the charge point.
    answer_under: Option<&'static str>,
    calling: watch::Receiver<bool>,
    tally: Tally,
    latest_call: watch::Sender<LatestCall>,
    charge_points: HashMap<String, ChargePointState>,
    /// Identities of charge points that are due to get their next CALL.
    due: mpsc::UnboundedSender<String>,
}

impl SwapBackEnd {
    /// Starts the back end. It sends CALLs while `calling` is true.
    pub(super) async fn start(
        broker: SocketAddr,
        answer_after: Duration,
        answer_under: Option<&'static str>,
        calling: watch::Receiver<bool>,
        tally: &Tally,
    ) -> Result<Self> {
        let mut options = Options::new(format!("mqtt://{broker}").parse()?, "back-end");
        (options.reconnect_min, options.reconnect_max) = (Duration::from_millis(10), Duration::from_millis(100));
        let options = Arc::new(options);
        let subscriber = Subscriber::start(Arc::clone(&options), Box::new(drop));
        let publisher = Publisher::start(options, subscriber.current());
        let (sender, messages) = mpsc::unbounded_channel();
        subscriber.subscribe(1, vec![("+/cp/#".into(), QoS::AtLeastOnce)], RecordingRecipient(sender)).await?;
        let (latest_call, latest_calls) = watch::channel(LatestCall::none());
        let (due, dues) = mpsc::unbounded_channel();
        let charge_points = HashMap::new();
        let tally = tally.clone();
        let job = AnswerJob { publisher, answer_after, answer_under, calling, tally, latest_call, charge_points, due };
        tokio::spawn(job.run(messages, dues));
        Ok(SwapBackEnd { latest_call: latest_calls, _subscriber: subscriber })
    }

    /// Waits until a charge point sends a CALL under this mount point.
    pub(super) async fn wait_for_call_under(&self, mount_point: &str) -> Result<()> {
        let mut latest_call = self.latest_call.clone();
        let now = Instant::now();
        let called = latest_call.wait_for(|latest| latest.mount_point == mount_point && latest.when >= now);
        timeout(SWAP_TIMEOUT, called).await.with_context(|| format!("no CALL under {mount_point}/"))??;
        Ok(())
    }

    /// Waits until this many successive CALLs were sent under this mount point, and none under another.
    pub(super) async fn wait_for_calls_under(&self, mount_point: &str, calls: usize) -> Result<()> {
        let mut latest_call = self.latest_call.clone();
        let called = latest_call.wait_for(|latest| latest.mount_point == mount_point && latest.successive >= calls);
        let waited = timeout(SWAP_TIMEOUT, called).await;
        waited.with_context(|| format!("charge points still use other topics than those under {mount_point}/"))??;
        Ok(())
    }
}

impl LatestCall {
    fn none() -> Self {
        LatestCall { mount_point: String::new(), when: Instant::now(), successive: 0 }
    }

    /// Records a CALL.
    fn record(&mut self, mount_point: &str) {
        if self.mount_point != mount_point {
            mount_point.clone_into(&mut self.mount_point);
            self.successive = 0;
        }
        self.when = Instant::now();
        self.successive += 1;
    }
}

impl AnswerJob {
    async fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>, mut dues: mpsc::UnboundedReceiver<String>) {
        loop {
            tokio::select! {
                Some(message) = messages.recv() => {
                    if self.handle(&message).is_err() {
                        self.tally.counts().reports += 1;
                    }
                }
                Some(charge_point) = dues.recv() => self.command(&charge_point),
                else => return,
            }
        }
    }

    fn handle(&mut self, message: &Message) -> Result<()> {
        let mut levels = message.topic.split('/');
        let (Some(mount_point), Some("cp"), Some(charge_point)) = (levels.next(), levels.next(), levels.next()) else {
            bail!("not a topic of the mapping");
        };
        if mount_point == SHADOW {
            self.tally.counts().from_shadows += 1;
            return Ok(());
        }
        let state = self.charge_points.entry(charge_point.to_owned()).or_default();
        if state.mount_point.is_empty() {
            // The first message of a charge point: its first CALL is due.
            let _ = self.due.send(charge_point.to_owned());
        }
        match Dialect::Standard.read(&message.payload)? {
            Received::Call { id, action } => {
                let number: u64 = id.rsplit('-').next().unwrap_or_default().parse()?;
                if !state.calls.insert(number) {
                    self.tally.counts().from_charge_points.repeated += 1;
                    return Ok(());
                }
                self.tally.counts().from_charge_points.disordered += u64::from(number < state.latest);
                state.latest = state.latest.max(number);
                // Answers use the topics of their CALL, so only CALLs show the newest topics.
                mount_point.clone_into(&mut state.mount_point);
                self.latest_call.send_modify(|latest| latest.record(mount_point));
                let mount_point = self.answer_under.unwrap_or(mount_point);
                let answer = publication(mount_point, charge_point, Dialect::Standard.result(id, action));
                self.publish_after(self.answer_after, answer);
            }
            Received::Result { id } => self.record_answer(charge_point, id, true)?,
            Received::Error { id } => self.record_answer(charge_point, id, false)?,
        }
        Ok(())
    }

    /// Records the outcome of a CALL of the back end.
    fn record_answer(&mut self, charge_point: &str, id: &str, result: bool) -> Result<()> {
        let number: u64 = id.strip_prefix("down-").context("not an id of this back end")?.parse()?;
        let state = self.charge_points.entry(charge_point.to_owned()).or_default();
        let sent = state.open.take_if(|_| state.commands == number);
        self.tally.counts().from_back_end.answered(result, sent.map(|sent| sent.elapsed()));
        let (due, charge_point) = (self.due.clone(), charge_point.to_owned());
        tokio::spawn(async move {
            sleep(PAUSE).await;
            // The receiver is gone if the trial has ended.
            let _ = due.send(charge_point);
        });
        Ok(())
    }

    fn command(&mut self, charge_point: &str) {
        let Some(state) = self.charge_points.get_mut(charge_point) else { return };
        if state.open.is_some() || !*self.calling.borrow() {
            return;
        }
        state.commands += 1;
        state.open = Some(Instant::now());
        self.tally.counts().from_back_end.sent();
        let command = Dialect::Standard.command(&format!("down-{}", state.commands));
        let command = publication(self.answer_under.unwrap_or(&state.mount_point), charge_point, command);
        self.publish_after(Duration::ZERO, command);
    }

    /// Publishes after `pause`.
    fn publish_after(&self, pause: Duration, publication: Publication) {
        let publisher = self.publisher.clone();
        tokio::spawn(async move {
            sleep(pause).await;
            if let Ok(permit) = publisher.reserve().await {
                // Cannot fail: topic and payload are valid.
                let _ = permit.send(publication);
            }
        });
    }
}

fn publication(mount_point: &str, charge_point: &str, payload: String) -> Publication {
    Publication::new(format!("{mount_point}/cs/{charge_point}"), payload, "back end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successive_calls_are_those_since_the_latest_under_another_mount_point() {
        let mut latest = LatestCall::none();
        for (mount_point, successive) in [("ocpp", 1), ("ocpp", 2), ("site", 1), ("ocpp", 1), ("ocpp", 2)] {
            latest.record(mount_point);
            assert_eq!((latest.mount_point.as_str(), latest.successive), (mount_point, successive));
        }
    }
}
