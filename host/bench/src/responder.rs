//! The back end of a load test: answers every CALL as if it were a Heartbeat.

use crate::dialect::{DOWNLINK, Dialect, UPLINK};
use crate::mqtt::{self, Quality};
use crate::stats::Stats;
use anyhow::{Context as _, Result};
use rumqttc::{AsyncClient, Event, EventLoop, Packet, Publish};
use std::sync::Arc;

pub(crate) struct Responder {
    client: AsyncClient,
    events: EventLoop,
    dialect: Dialect,
    quality: Quality,
    stats: Arc<Stats>,
}

impl Responder {
    /// Subscribes; `calls` is how many may be open at once.
    pub(crate) async fn subscribe(
        broker: &str,
        dialect: Dialect,
        quality: Quality,
        calls: usize,
        stats: Arc<Stats>,
    ) -> Result<Self> {
        let filter = format!("{UPLINK}#");
        let (client, events) = mqtt::subscriber("responder", broker, calls + 16, &filter, quality).await?;
        Ok(Responder { client, events, dialect, quality, stats })
    }

    pub(crate) async fn run(mut self) -> Result<()> {
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = self.events.poll().await.context("the responder")? {
                self.answer(&publish);
            }
        }
    }

    fn answer(&self, publish: &Publish) {
        let id = publish.topic.strip_prefix(UPLINK).unwrap_or_default();
        // `{id}/Reply` is where the standard mapping reports what could not be delivered.
        if id.contains('/') {
            return self.stats.failed(|errors| errors.reports += 1);
        }
        // `try_publish`, since the task that polls must not wait for the queue that polling empties.
        let answered = self.dialect.message_id(&publish.payload).and_then(|call| {
            let result = self.dialect.heartbeat_result(call);
            Ok(self.client.try_publish(format!("{DOWNLINK}{id}"), self.quality.into(), false, result)?)
        });
        if answered.is_err() {
            self.stats.failed(|errors| errors.responder += 1);
        }
    }
}
