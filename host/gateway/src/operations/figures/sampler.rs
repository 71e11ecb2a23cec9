//! Reads the counters of the gateway every ten seconds.

use super::history::{FigureHistory, RecentCounts};
use super::snapshot::{Counts, Gauges, Snapshot};
use super::step::{STEP, Step};
use crate::operations::event_bus::EventBus;
use crate::operations::metrics::{Limit, Metrics, process_cpu, process_memory};
use ocpp_gateway_core::session::Direction;
use ocpp_gateway_mqtt::{Loss, PublisherStats, SubscriberStats};
use ocpp_gateway_pipeline::Pipeline;
use parking_lot::Mutex;
use std::array::from_fn;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use strum::VariantArray as _;
use tokio::time::{MissedTickBehavior, interval_at};

/// Whose counters are read.
pub struct FigureSources {
    pub metrics: Metrics,
    pub publisher: Arc<PublisherStats>,
    pub subscriber: Arc<SubscriberStats>,
    pub pipeline: Pipeline,
    pub events: Arc<EventBus>,
}

/// Keeps the figures of the last hour.
pub struct FigureSampler {
    sources: FigureSources,
    history: Mutex<FigureHistory>,
}

impl FigureSampler {
    pub fn new(sources: FigureSources) -> Self {
        let history = Mutex::new(FigureHistory::new(sources.snapshot(), Instant::now()));
        FigureSampler { sources, history }
    }

    /// Ends a step every ten seconds, until it is dropped.
    pub async fn run(self: Arc<Self>) {
        let mut steps = interval_at(tokio::time::Instant::now() + STEP, STEP);
        steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = steps.tick().await;
            self.end_step(now.into_std(), SystemTime::now());
        }
    }

    /// Ends a step `now`, where the clock on the wall shows `time`.
    pub fn end_step(&self, now: Instant, time: SystemTime) {
        let snapshot = self.sources.snapshot();
        self.history.lock().add(snapshot, now, time);
    }

    /// Steps that end later than `after`, in seconds since 1970, the oldest first.
    pub fn after(&self, after: u64) -> Vec<Step> {
        self.history.lock().after(after)
    }

    /// What has happened in the last minutes.
    pub fn recent(&self) -> RecentCounts {
        let now = self.sources.snapshot();
        self.history.lock().recent(&now, SystemTime::now())
    }
}

impl FigureSources {
    fn snapshot(&self) -> Snapshot {
        let calls = &self.metrics.calls;
        Snapshot {
            counts: self.counts(),
            gauges: self.gauges(),
            transform_failures: self.pipeline.transforms().into_iter().map(|it| (it.name, it.failures)).collect(),
            answers_from_charge_points: calls.answer_times(Direction::Uplink),
            answers_to_charge_points: calls.answer_times(Direction::Downlink),
            cpu: process_cpu(),
        }
    }

    fn counts(&self) -> Counts {
        let (calls_answered, errors) = self.metrics.calls.answered_and_not();
        // What is withdrawn is sent again by its sender.
        let lost = self.publisher.losses().into_iter().filter(|(loss, ..)| *loss != Loss::Withdrawn);
        Counts {
            connected: self.metrics.connected.get(),
            disconnected: self.metrics.disconnected(),
            refused: self.events.refusals.total(),
            messages_from_charge_points: self.metrics.messages_passed(Direction::Uplink),
            messages_to_charge_points: self.metrics.messages_passed(Direction::Downlink),
            calls_answered,
            errors,
            incidents: self.metrics.all_incidents(),
            lost: lost.map(|(_, _, count)| count).sum(),
            limited: from_fn(|limit| self.metrics.times_limited(Limit::VARIANTS[limit])),
        }
    }

    fn gauges(&self) -> Gauges {
        let connections = [&self.publisher.connection, &self.subscriber.connection];
        Gauges {
            charge_points: self.metrics.connections.get().try_into().unwrap_or_default(),
            is_broker_connected: connections.iter().all(|connection| connection.status().connected),
            in_flight: self.publisher.in_flight.get(),
            backlog: self.publisher.backlog.get(),
            memory: process_memory(),
        }
    }
}
