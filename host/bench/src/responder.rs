//! The back end of a load test: answers every CALL, and sends CALLs to charge points.

use crate::charge_point::identity;
use crate::dialect::{DOWNLINK, Dialect, Received, UPLINK};
use crate::mqtt::{self, Quality};
use crate::stats::Stats;
use anyhow::{Context as _, Result};
use rumqttc::{AsyncClient, Event, EventLoop, Packet, Publish};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Pause before reconnecting to the broker.
const RETRY: Duration = Duration::from_millis(100);

pub(crate) struct Responder {
    events: EventLoop,
    back_end: BackEnd,
}

/// The publishing part of the responder.
#[derive(Clone)]
pub(crate) struct BackEnd {
    client: AsyncClient,
    dialect: Dialect,
    quality: Quality,
    stats: Arc<Stats>,
    /// Whether each answer to a command is followed by the next command.
    repeats: bool,
    /// Message ids of commands are nanoseconds since this time.
    epoch: Instant,
}

impl Responder {
    /// Subscribes to the topics of charge points. `calls`: maximum number of open CALLs.
    pub(crate) async fn subscribe(
        broker: &str,
        dialect: Dialect,
        quality: Quality,
        calls: usize,
        stats: Arc<Stats>,
    ) -> Result<Self> {
        let filter = format!("{UPLINK}#");
        let (client, events) = mqtt::subscriber("responder", broker, calls + 16, &filter, quality).await?;
        let back_end = BackEnd { client, dialect, quality, stats, repeats: true, epoch: Instant::now() };
        Ok(Responder { events, back_end })
    }

    /// A responder that sends commands only in [`BackEnd::command_all`].
    pub(crate) fn without_repeats(mut self) -> Self {
        self.back_end.repeats = false;
        self
    }

    pub(crate) fn back_end(&self) -> BackEnd {
        self.back_end.clone()
    }

    pub(crate) async fn run(mut self) -> Result<()> {
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = self.events.poll().await.context("the responder")? {
                self.back_end.handle(&publish);
            }
        }
    }

    /// The same, with reconnects to the broker. Answers that rumqttc loses at a reconnect are not sent again.
    pub(crate) async fn run_through_outages(mut self) {
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(Packet::Publish(publish))) => self.back_end.handle(&publish),
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    if self.back_end.client.try_subscribe(format!("{UPLINK}#"), self.back_end.quality.into()).is_err() {
                        self.back_end.stats.failed(|errors| errors.responder += 1);
                    }
                }
                Ok(_) => {}
                Err(_) => sleep(RETRY).await,
            }
        }
    }
}

impl BackEnd {
    /// Sends each charge point a CALL. A responder that repeats sends the next one after each answer.
    pub(crate) async fn command_all(&self, charge_points: usize) -> Result<()> {
        for index in 0..charge_points {
            let (topic, command) = self.command(&identity(index));
            self.stats.sent();
            self.client.publish(topic, self.quality.into(), false, command).await?;
        }
        Ok(())
    }

    fn command(&self, charge_point: &str) -> (String, String) {
        let id = format!("{:020}", self.epoch.elapsed().as_nanos());
        (format!("{DOWNLINK}{charge_point}"), self.dialect.command(&id))
    }

    fn handle(&self, publish: &Publish) {
        let id = publish.topic.strip_prefix(UPLINK).unwrap_or_default();
        let charge_point = id.strip_suffix("/Reply").unwrap_or(id);
        let sent = match self.dialect.read(&publish.payload) {
            Ok(Received::Call { id, action }) => {
                self.publish(format!("{DOWNLINK}{charge_point}"), self.dialect.result(id, action))
            }
            Ok(Received::Result { id }) => self.answered(id).and_then(|()| {
                if !self.repeats || self.stats.ending() {
                    return Ok(());
                }
                let (topic, command) = self.command(charge_point);
                self.stats.sent();
                self.publish(topic, command).inspect_err(|_| self.stats.gave_up())
            }),
            Ok(Received::Error { id }) => {
                if sent_at(id).is_ok() {
                    self.stats.gave_up();
                }
                return self.stats.failed(|errors| errors.reports += 1);
            }
            Err(error) => Err(error),
        };
        if sent.is_err() {
            self.stats.failed(|errors| errors.responder += 1);
        }
    }

    fn answered(&self, id: &str) -> Result<()> {
        let sent = sent_at(id)?;
        self.stats.answered_after(self.epoch.elapsed().saturating_sub(sent));
        Ok(())
    }

    /// Does not wait: the task that polls the client must not wait for a queue that only polling empties.
    fn publish(&self, topic: String, text: String) -> Result<()> {
        Ok(self.client.try_publish(topic, self.quality.into(), false, text)?)
    }
}

/// The time at which a command was sent, from its id. Ids of charge points are not numbers, so this fails for them.
fn sent_at(id: &str) -> Result<Duration> {
    Ok(Duration::from_nanos(id.parse().context("not an id of this responder")?))
}
