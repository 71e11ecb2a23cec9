//! A back end that answers under whichever mount point it is called, and calls charge points where they have called
//! last. By the gateway's own MQTT crate, as it must not lose anything itself.

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

/// Between the answer to a CALL and the next one to that charge point.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Clone)]
struct RecordingRecipient(mpsc::UnboundedSender<Message>);

impl Recipient for RecordingRecipient {
    fn deliver(&self, message: Message) -> Result<(), Message> {
        self.0.send(message).map_err(|refused| refused.0)
    }

    fn return_undeliverable(&self, _message: Message) {}

    /// Its CALLs stay unanswered then, which the tally shows.
    fn refused(&self, _error: SubscribeError) {}
}

pub(super) struct SwapBackEnd {
    /// The mount point under which a CALL was heard last, and when.
    heard: watch::Receiver<(String, Instant)>,
    _subscriber: Subscriber<RecordingRecipient>,
}

/// What it knows of a charge point.
#[derive(Default)]
struct Known {
    /// Under which it has called last.
    mount_point: String,
    /// The numbers of its CALLs so far, and the highest.
    calls: HashSet<u64>,
    latest: u64,
    /// How often it was called, and when the last time, unless that has been answered.
    commands: u64,
    open: Option<Instant>,
}

struct AnswerJob {
    publisher: Publisher,
    answer_after: Duration,
    calling: watch::Receiver<bool>,
    tally: Tally,
    heard: watch::Sender<(String, Instant)>,
    charge_points: HashMap<String, Known>,
    /// Charge points whose next CALL is due.
    due: mpsc::UnboundedSender<String>,
}

impl SwapBackEnd {
    /// It calls as long as `calling` says so.
    pub(super) async fn start(
        broker: SocketAddr,
        answer_after: Duration,
        calling: watch::Receiver<bool>,
        tally: &Tally,
    ) -> Result<Self> {
        let mut options = Options::new(format!("mqtt://{broker}").parse()?, "back-end");
        (options.reconnect_min, options.reconnect_max) = (Duration::from_millis(10), Duration::from_millis(100));
        let options = Arc::new(options);
        let subscriber = Subscriber::start(Arc::clone(&options), Box::new(drop));
        let publisher = Publisher::start(options, subscriber.current());
        let (inbox, messages) = mpsc::unbounded_channel();
        subscriber.subscribe(1, vec![("+/cp/#".into(), QoS::AtLeastOnce)], RecordingRecipient(inbox)).await?;
        let (heard, hears) = watch::channel((String::new(), Instant::now()));
        let (due, dues) = mpsc::unbounded_channel();
        let charge_points = HashMap::new();
        let work = AnswerJob { publisher, answer_after, calling, tally: tally.clone(), heard, charge_points, due };
        tokio::spawn(work.run(messages, dues));
        Ok(SwapBackEnd { heard: hears, _subscriber: subscriber })
    }

    /// Waits until a charge point calls under this mount point.
    pub(super) async fn hears_from(&self, mount_point: &str, within: Duration) -> Result<()> {
        let mut heard = self.heard.clone();
        let now = Instant::now();
        let hears = heard.wait_for(|(under, when)| under == mount_point && *when >= now);
        timeout(within, hears).await.with_context(|| format!("no CALL under {mount_point}/"))??;
        Ok(())
    }
}

impl AnswerJob {
    async fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>, mut dues: mpsc::UnboundedReceiver<String>) {
        loop {
            tokio::select! {
                Some(message) = messages.recv() => {
                    if self.take(&message).is_err() {
                        self.tally.counts().reports += 1;
                    }
                }
                Some(charge_point) = dues.recv() => self.command(&charge_point),
                else => return,
            }
        }
    }

    fn take(&mut self, message: &Message) -> Result<()> {
        let mut levels = message.topic.split('/');
        let (Some(mount_point), Some("cp"), Some(charge_point)) = (levels.next(), levels.next(), levels.next()) else {
            bail!("not a topic of the mapping");
        };
        let known = self.charge_points.entry(charge_point.to_owned()).or_default();
        if known.mount_point.is_empty() {
            // It is there: the first CALL.
            let _ = self.due.send(charge_point.to_owned());
        }
        match Dialect::Standard.read(&message.payload)? {
            Received::Call { id, action } => {
                let number: u64 = id.rsplit('-').next().unwrap_or_default().parse()?;
                if !known.calls.insert(number) {
                    self.tally.counts().from_charge_points.repeated += 1;
                    return Ok(());
                }
                self.tally.counts().from_charge_points.disordered += u64::from(number < known.latest);
                known.latest = known.latest.max(number);
                // Answers come where the charge point was called: they tell nothing of newer topics.
                mount_point.clone_into(&mut known.mount_point);
                self.heard.send_replace((mount_point.to_owned(), Instant::now()));
                let answer = publication(mount_point, charge_point, Dialect::Standard.result(id, action));
                self.publish_after(self.answer_after, answer);
            }
            Received::Result { id } => self.commanded(charge_point, id, true)?,
            Received::Error { id } => self.commanded(charge_point, id, false)?,
        }
        Ok(())
    }

    /// A CALL of its own has come to something.
    fn commanded(&mut self, charge_point: &str, id: &str, result: bool) -> Result<()> {
        let number: u64 = id.strip_prefix("down-").context("not its own")?.parse()?;
        let known = self.charge_points.entry(charge_point.to_owned()).or_default();
        let sent = known.open.take_if(|_| known.commands == number);
        self.tally.counts().from_back_end.answered(result, sent.map(|sent| sent.elapsed()));
        let (due, charge_point) = (self.due.clone(), charge_point.to_owned());
        tokio::spawn(async move {
            sleep(PAUSE).await;
            // The trial may be over.
            let _ = due.send(charge_point);
        });
        Ok(())
    }

    fn command(&mut self, charge_point: &str) {
        let Some(known) = self.charge_points.get_mut(charge_point) else { return };
        if known.open.is_some() || !*self.calling.borrow() {
            return;
        }
        known.commands += 1;
        known.open = Some(Instant::now());
        self.tally.counts().from_back_end.sent();
        let command = Dialect::Standard.command(&format!("down-{}", known.commands));
        let command = publication(&known.mount_point, charge_point, command);
        self.publish_after(Duration::ZERO, command);
    }

    /// In the order of their times.
    fn publish_after(&self, pause: Duration, publication: Publication) {
        let publisher = self.publisher.clone();
        tokio::spawn(async move {
            sleep(pause).await;
            if let Ok(permit) = publisher.reserve().await {
                // Its topics and payloads are fine.
                let _ = permit.send(publication);
            }
        });
    }
}

fn publication(mount_point: &str, charge_point: &str, payload: String) -> Publication {
    Publication::new(format!("{mount_point}/cs/{charge_point}"), payload, "back end")
}
