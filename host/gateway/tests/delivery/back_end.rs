//! A back end that answers CALLs, and always has one CALL open at each charge point.
//!
//! It uses the gateway's MQTT crate, because it must not lose messages itself. The tests of that crate show this with
//! an independent client.

use crate::delivery_log::DeliveryLog;
use ocpp_gateway_mqtt::{Message, Options, Publication, Publisher, QoS, Recipient, SubscribeError, Subscriber};
use ocpp_gateway_testkit::TIMEOUT;
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

#[derive(Clone)]
struct RecordingRecipient(mpsc::UnboundedSender<Message>);

impl Recipient for RecordingRecipient {
    fn deliver(&self, message: Message) -> Result<(), Message> {
        // The receiver is gone if the test has ended.
        let _ = self.0.send(message);
        Ok(())
    }

    fn return_undeliverable(&self, _message: Message) {}

    fn refused(&self, error: SubscribeError) {
        panic!("{error}");
    }
}

/// When the back end answers.
#[derive(Clone, Copy)]
pub(crate) struct Answering {
    /// Delay of each answer.
    pub(crate) after: Duration,
    /// Selects message ids that are answered only after the CALL has timed out.
    pub(crate) late: fn(&str) -> bool,
}

impl Default for Answering {
    fn default() -> Self {
        Answering { after: Duration::ZERO, late: |_| false }
    }
}

/// The mount point of the standard mapping by default.
pub(crate) const MOUNT_POINT: &str = "ocpp";

/// A frame as the standard mapping publishes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Object {
    message_type_id: u8,
    unique_id: String,
    error_description: Option<String>,
}

pub(crate) struct BackEnd {
    publisher: Publisher,
    subscriber: Subscriber<RecordingRecipient>,
    calling: Arc<AtomicBool>,
    log: DeliveryLog,
    size: usize,
}

impl BackEnd {
    /// Starts a back end for charge points `CP0`, `CP1`, … under any mount point; returns once it is subscribed.
    pub(crate) async fn open(url: &str, size: usize, log: &DeliveryLog, answering: Answering) -> Self {
        let mut options = Options::new(url.parse().expect("a URL"), "back-end");
        (options.reconnect_min, options.reconnect_max) = (Duration::from_millis(10), Duration::from_millis(100));
        options.backlog_messages = usize::MAX;
        let options = Arc::new(options);
        let subscriber = Subscriber::start(Arc::clone(&options), Box::new(drop));
        let publisher = Publisher::start(options, subscriber.current());
        let (sender, messages) = mpsc::unbounded_channel();
        subscriber
            .subscribe(1, vec![("+/cp/#".into(), QoS::AtLeastOnce)], RecordingRecipient(sender))
            .await
            .expect("subscribed");
        let calling = Arc::new(AtomicBool::new(false));
        let task = BackEndTask {
            publisher: publisher.clone(),
            calling: Arc::clone(&calling),
            log: log.clone(),
            answering,
            calls: vec![0; size],
            mount_points: vec![MOUNT_POINT.to_owned(); size],
            late: Vec::new(),
        };
        tokio::spawn(task.run(messages));
        BackEnd { publisher, subscriber, calling, log: log.clone(), size }
    }

    /// Sends a CALL to each charge point, and from now on the next one after each answer or report.
    pub(crate) async fn start_calling(&self, round: &str) {
        self.calling.store(true, Ordering::Relaxed);
        for number in 0..self.size {
            call(&self.publisher, &self.log, MOUNT_POINT, number, round).await;
        }
    }

    /// Stops sending CALLs and waits until all open ones, `except` these, are answered or reported.
    pub(crate) async fn finish(&self, except: &std::collections::BTreeSet<String>) {
        self.stop_calling();
        let finished = async {
            while self.log.open_downlinks().iter().any(|id| !except.contains(id)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(TIMEOUT, finished).await.is_err() {
            let open = self.log.open_downlinks();
            panic!("{} CALLs of the back end have no outcome: {open:?}", open.len());
        }
    }

    pub(crate) fn stop_calling(&self) {
        self.calling.store(false, Ordering::Relaxed);
    }

    pub(crate) async fn wait_until_subscribed(&self) {
        let mut current = self.subscriber.current();
        timeout(TIMEOUT, current.wait_for(|current| *current)).await.expect("subscribed in time").expect("running");
    }

    /// Waits until the broker has accepted everything published.
    pub(crate) async fn flush(&self) {
        let stats = self.publisher.stats();
        let flushed = async {
            while stats.in_flight.get() > 0 || stats.backlog.get() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(TIMEOUT, flushed).await.expect("accepted by the broker in time");
    }

    /// Number of messages sent a second time.
    pub(crate) fn resent(&self) -> usize {
        self.publisher.stats().resent.get() as usize
    }

    pub(crate) async fn publish(&self, topic: String, payload: String) {
        publish(&self.publisher, topic, payload).await;
    }
}

struct BackEndTask {
    publisher: Publisher,
    calling: Arc<AtomicBool>,
    log: DeliveryLog,
    answering: Answering,
    calls: Vec<usize>,
    /// The mount point of each charge point's latest CALL, which CALLs to it use. Its answers use that of the CALL.
    mount_points: Vec<String>,
    /// CALLs (topic, id) to answer when their charge point sends the next one: they have timed out by then.
    late: Vec<(String, String)>,
}

impl BackEndTask {
    async fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>) {
        while let Some(message) = messages.recv().await {
            let path: Vec<&str> = message.topic.split('/').collect();
            let object: Object = serde_json::from_slice(&message.payload).expect("an object of the mapping");
            match path[..] {
                [mount_point, "cp", charge_point] => self.answer(mount_point, charge_point, object.unique_id).await,
                [_, "cp", charge_point, "Reply"] => self.record_answer(charge_point, object).await,
                _ => panic!("a message on {}", message.topic),
            }
        }
    }

    async fn answer(&mut self, mount_point: &str, charge_point: &str, id: String) {
        let topic = format!("{mount_point}/cs/{charge_point}");
        if let Some(number) = number(charge_point) {
            mount_point.clone_into(&mut self.mount_points[number]);
        }
        if let Some(index) = self.late.iter().position(|(of, _)| *of == topic) {
            let (_, late) = self.late.swap_remove(index);
            self.reply(&topic, &late).await;
        }
        // A second copy of a message (QoS 1) need not be answered.
        if !self.log.entries().received.insert(id.clone()) {
            return;
        }
        if (self.answering.late)(&id) {
            self.late.push((topic, id));
        } else {
            self.reply(&topic, &id).await;
        }
    }

    async fn reply(&self, topic: &str, id: &str) {
        let (publisher, log) = (self.publisher.clone(), self.log.clone());
        let (topic, id, after) = (topic.to_owned(), id.to_owned(), self.answering.after);
        let reply = async move {
            tokio::time::sleep(after).await;
            let result = format!(r#"{{"MessageTypeId":3,"UniqueId":"{id}","Payload":{{}}}}"#);
            log.entries().replied.insert(id);
            publish(&publisher, topic, result).await;
        };
        if after.is_zero() {
            reply.await;
        } else {
            tokio::spawn(reply);
        }
    }

    async fn record_answer(&mut self, charge_point: &str, object: Object) {
        let Object { message_type_id, unique_id: id, error_description } = object;
        let first = {
            let mut entries = self.log.entries();
            match entries.published.get_mut(&id) {
                Some(outcomes) => {
                    // A second copy (QoS 1) has the same outcome.
                    let outcome = (message_type_id == 4).then(|| error_description.unwrap_or_default());
                    let first = outcomes.is_empty();
                    if !outcomes.contains(&outcome) {
                        outcomes.push(outcome);
                    }
                    first
                }
                None => {
                    let description = error_description.expect("a report");
                    let reports = entries.returned.entry(id).or_default();
                    if !reports.contains(&description) {
                        reports.push(description);
                    }
                    false
                }
            }
        };
        let Some(number) = number(charge_point) else { return };
        if first && self.calling.load(Ordering::Relaxed) {
            self.calls[number] += 1;
            let round = self.calls[number];
            let mount_point = &self.mount_points[number];
            call(&self.publisher, &self.log, mount_point, number, &round.to_string()).await;
        }
    }
}

/// The number of a charge point of the fleet, `None` for others.
fn number(charge_point: &str) -> Option<usize> {
    charge_point.strip_prefix("CP")?.parse().ok()
}

async fn call(publisher: &Publisher, log: &DeliveryLog, mount_point: &str, number: usize, round: &str) {
    let id = format!("down-{number}-{round}");
    let call = format!(r#"{{"MessageTypeId":2,"UniqueId":"{id}","Action":"Reset","Payload":{{}}}}"#);
    log.entries().published.insert(id, Vec::new());
    publish(publisher, format!("{mount_point}/cs/CP{number}"), call).await;
}

async fn publish(publisher: &Publisher, topic: String, payload: String) {
    let publication = Publication::new(topic, payload, "back-end");
    publisher.reserve().await.expect("running").send(publication).expect("publishable");
}
