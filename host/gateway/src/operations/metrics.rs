//! Metrics of the gateway, for `/metrics`.

mod calls;
pub(crate) mod collect;
mod exposition;
mod histogram;
mod limit;
mod process;

pub use calls::CallMetrics;
pub use exposition::Exposition;
pub use histogram::HistogramCounts;
pub use limit::Limit;
pub use process::{process_cpu, process_memory, process_registry};

use super::names;
use collect::{collector, write, write_family};
use ocpp_gateway_core::session::Direction;
use ocpp_gateway_core::{Fault, MessageType};
use ocpp_gateway_mqtt::{self as mqtt, ConnectionStats, PublisherStats, SubscriberStats};
use ocpp_gateway_pipeline::{Pipeline, Reading, SwapOutcome, TransformStatus, TrialEnding, TrialMode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};
use std::array::from_fn;
use std::env::consts;
use std::fmt;
use std::sync::Arc;
use strum::{EnumCount as _, VariantArray as _};

/// Counters with labels that only the gateway itself can add.
type Labelled<const N: usize> = Family<[(&'static str, &'static str); N], Counter>;

/// The gateway's own metrics. Counters that every message needs are looked up only once, here.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub connections: Gauge,
    /// Connections whose topics are subscribed to, so that back ends reach them.
    pub subscribed: Gauge,
    pub connected: Counter,
    /// The gateway's own messages that came back from the broker.
    pub echoes: Counter,
    refused: Labelled<1>,
    closed: Labelled<1>,
    swaps: Labelled<1>,
    trials: Labelled<2>,
    /// Outcomes of CALLs, and durations.
    pub calls: Arc<CallMetrics>,
    messages: [[Counter; MessageType::ALL.len()]; 2],
    incidents: [[Counter; Fault::ALL.len()]; 2],
    limited: [Counter; Limit::COUNT],
}

impl Metrics {
    pub fn new(registry: &mut Registry) -> Self {
        let label = |direction| ("direction", names::direction(direction));
        let messages: Labelled<2> = registered(registry, "messages", "OCPP messages passed on, by direction and type");
        let help = "Messages that were dropped, refused or failed, by direction and cause";
        let incidents: Labelled<2> = registered(registry, "incidents", help);
        let limited: Labelled<1> = registered(registry, "limited", "How often a limit was in force, by limit");
        let calls = CallMetrics::new();
        registry.register_collector(Box::new(Arc::clone(&calls)));
        registry.register_collector(process::resident_memory());
        let build = [("version", env!("CARGO_PKG_VERSION")), ("os", consts::OS), ("arch", consts::ARCH)];
        registry.register("build", "The program", Info::new(build));
        let echoes = "Messages of the gateway itself that came back from the broker";
        let swaps = "Hot swaps of transforms, by outcome";
        Metrics {
            connections: registered(registry, "connections", "Charge points connected now"),
            subscribed: registered(registry, "subscribed", "Charge points whose topics are subscribed to"),
            connected: registered(registry, "connected", "Connections accepted so far"),
            echoes: registered(registry, "echoes", echoes),
            refused: registered(registry, "refused", "Connections refused, by reason"),
            closed: registered(registry, "closed", "Connections ended, by reason"),
            swaps: registered(registry, "transform_swaps", swaps),
            trials: registered(registry, "trials", "Trials that have started and ended, by mode and outcome"),
            calls,
            messages: names::DIRECTIONS.map(|direction| {
                MessageType::ALL.map(|kind| messages.get_or_create(&[label(direction), ("type", kind.name())]).clone())
            }),
            incidents: names::DIRECTIONS.map(|direction| {
                Fault::ALL.map(|fault| incidents.get_or_create(&[label(direction), ("cause", fault.name())]).clone())
            }),
            limited: from_fn(|place| limited.get_or_create(&[("limit", Limit::VARIANTS[place].into())]).clone()),
        }
    }

    pub fn message(&self, direction: Direction, kind: MessageType) {
        self.messages[direction as usize][kind.number() as usize - 2].inc();
    }

    pub fn incident(&self, direction: Direction, fault: Fault) {
        self.incidents[direction as usize][fault as usize].inc();
    }

    /// A limit was in force.
    pub fn limited(&self, limit: Limit) {
        self.limited[limit as usize].inc();
    }

    /// The limits that were in force at least once, and how often.
    pub fn limits_in_force(&self) -> Vec<(&'static str, u64)> {
        let limits = Limit::VARIANTS.iter().map(|&limit| (limit.into(), self.times_limited(limit)));
        limits.filter(|(_, times)| *times > 0).collect()
    }

    /// Connections of charge points that have ended.
    pub fn disconnected(&self) -> u64 {
        self.connected.get().saturating_sub(self.connections.get().try_into().unwrap_or_default())
    }

    /// Messages of all types in one direction.
    pub fn messages_passed(&self, direction: Direction) -> u64 {
        self.messages[direction as usize].iter().map(Counter::get).sum()
    }

    /// Incidents of all causes in both directions.
    pub fn all_incidents(&self) -> u64 {
        self.incidents.iter().flatten().map(Counter::get).sum()
    }

    /// How often a limit was in force.
    pub fn times_limited(&self, limit: Limit) -> u64 {
        self.limited[limit as usize].get()
    }

    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&[("reason", reason)]).inc();
    }

    /// A trial has started or ended.
    pub fn trial(&self, mode: TrialMode, end: Option<TrialEnding>) {
        let outcome = end.map_or("started", names::trial_ending);
        self.trials.get_or_create(&[("mode", names::trial_mode(mode)), ("outcome", outcome)]).inc();
    }

    pub fn swap(&self, outcome: SwapOutcome) {
        self.swaps.get_or_create(&[("outcome", names::outcome(outcome))]).inc();
    }

    pub fn closed(&self, reason: &'static str) {
        self.closed.get_or_create(&[("reason", reason)]).inc();
    }
}

/// Creates and registers a metric.
pub(crate) fn registered<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

/// Metrics of the pipeline.
pub fn transform_metrics(pipeline: Pipeline) -> Box<dyn Collector> {
    collector(move |encoder| {
        let transforms = pipeline.transforms();
        let mut counter = |name: &str, help: &str, value: fn(&TransformStatus) -> f64| {
            let values = transforms.iter().map(|it| ([("transform", it.name.as_str())], ConstCounter::new(value(it))));
            write_family(encoder, name, help, values)
        };
        counter("transform_calls", "Calls of a transform", |t| t.calls as f64)?;
        counter("transform_refusals", "Messages that a transform refused", |t| t.refusals as f64)?;
        counter("transform_failures", "Calls in which a transform failed", |t| t.failures as f64)?;
        counter("transform_timed_calls", "Calls whose duration was measured", |t| t.timed_calls as f64)?;
        counter("transform_timed_seconds", "Time spent in measured calls", |t| t.timed.as_secs_f64())?;
        counter("transform_log_lines_suppressed", "Log lines over the limit", |t| t.log_lines_suppressed as f64)?;
        let help = "Numbers reported by a transform that were refused";
        counter("transform_readings_refused", help, |t| t.readings_refused as f64)?;
        let mut gauge = |name: &str, help: &str, value: fn(&TransformStatus) -> usize| {
            let values = transforms.iter().map(|it| ([("transform", it.name.as_str())], ConstGauge::new(value(it))));
            write_family(encoder, name, help, values)
        };
        let help = "Whether a hook is stopped, because it fails for most charge points";
        gauge("transform_stopped", help, |t| usize::from(t.stopped))?;
        gauge("transform_instances", "Instances of all its versions", |t| t.instances)?;
        let help = "Charge points for which a hook is stopped, because it fails for them";
        gauge("transform_stopped_charge_points", help, |t| t.stopped_charge_points)?;
        let mut versions =
            encoder.encode_descriptor("transform", "Versions of running transforms", None, MetricType::Info)?;
        for TransformStatus { name, version, sha256, program_sha256, .. } in &transforms {
            versions.encode_info(&[
                ("transform", name.as_str()),
                ("version", version.as_str()),
                ("sha256", sha256.as_str()),
                ("program_sha256", program_sha256.as_deref().unwrap_or_default()),
            ])?;
        }
        write_readings(&transforms, encoder)
    })
}

/// Numbers that transforms report: `transform_reported_total` and `transform_reported_sum_total`, with the name that
/// the transform gives the number as `reading`, and its labels.
fn write_readings(transforms: &[TransformStatus], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut counter = |name: &str, help: &str, value: fn(&Reading) -> f64| {
        let readings = transforms.iter().flat_map(|transform| {
            transform.readings.iter().map(move |(reading, own_labels, numbers)| {
                let mut labels = vec![("transform", transform.name.as_str()), ("reading", reading.as_str())];
                labels.extend(own_labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
                (labels, ConstCounter::new(value(numbers)))
            })
        });
        write_family(encoder, name, help, readings)
    };
    counter("transform_reported", "How often a transform reported a number", |reading| reading.count as f64)?;
    counter("transform_reported_sum", "The sum of the numbers that a transform reported", |reading| reading.sum)
}

/// Metrics of the embedded broker: messages that it did not retain.
pub fn embedded_broker_metrics(not_retained: Arc<mqtt::Counter>) -> Box<dyn Collector> {
    let help = "Messages that the embedded broker did not retain, because its limit was reached";
    collector(move |encoder| write(encoder, "mqtt_not_retained", help, ConstCounter::new(not_retained.get())))
}

/// Metrics of the two connections to the broker.
pub fn broker_metrics(publisher: &Arc<PublisherStats>, subscriber: &Arc<SubscriberStats>) -> Box<dyn Collector> {
    let (publisher, subscriber) = (Arc::clone(publisher), Arc::clone(subscriber));
    collector(move |encoder| {
        let connections = [("publisher", &publisher.connection), ("subscriber", &subscriber.connection)];
        let connected = connections.map(|(name, connection)| {
            ([("connection", name)], ConstGauge::new(i64::from(connection.status().connected)))
        });
        write_family(encoder, "mqtt_connected", "Whether connected now", connected)?;
        let mut per_connection = |name: &str, help: &str, value: fn(&ConnectionStats) -> u64| {
            let values =
                connections.map(|(name, connection)| ([("connection", name)], ConstCounter::new(value(connection))));
            write_family(encoder, name, help, values)
        };
        per_connection("mqtt_connects", "Connections that the broker accepted", |c| c.connects.get())?;
        per_connection("mqtt_failures", "Connections that failed", |c| c.failures.get())?;
        per_connection("mqtt_writes", "Writes to the socket", |c| c.writes.get())?;

        for (name, help, value) in [
            ("mqtt_in_flight", "Messages that wait for the broker's acknowledgement", publisher.in_flight.get()),
            ("mqtt_backlog", "Messages that wait to be sent", publisher.backlog.get()),
            ("mqtt_subscriptions", "Topic filters subscribed to", subscriber.subscriptions.get()),
        ] {
            write(encoder, name, help, ConstGauge::new(value))?;
        }
        let help = "QoS 0 messages written just before the connection broke: the broker may not have received them";
        for (name, help, value) in [
            ("mqtt_published", "Messages sent to the broker", publisher.published.get()),
            ("mqtt_acknowledged", "Messages that the broker acknowledged", publisher.acknowledged.get()),
            ("mqtt_resent", "Messages sent again after a reconnect", publisher.resent.get()),
            ("mqtt_unconfirmed", help, publisher.unconfirmed.get()),
            ("mqtt_received", "Messages from the broker", subscriber.received.get()),
            ("mqtt_unrouted", "Messages on topics that no connected charge point has", subscriber.unrouted.get()),
            ("mqtt_oversized", "Messages that were too large to receive", subscriber.oversized.get()),
        ] {
            write(encoder, name, help, ConstCounter::new(value))?;
        }
        let no_subscriber = publisher
            .without_subscriber()
            .into_iter()
            .map(|(kind, count)| ([("type", kind)], ConstCounter::new(count)));
        let help = "Messages on topics without a subscriber, as far as the broker reports it, by type";
        write_family(encoder, "mqtt_no_subscriber", help, no_subscriber)?;
        let lost = publisher
            .losses()
            .into_iter()
            .map(|(loss, kind, count)| ([("reason", loss.into()), ("type", kind)], ConstCounter::new(count)));
        write_family(encoder, "mqtt_lost", "Messages given up, by reason and type", lost)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_has_its_own_name() {
        let mut registry = Registry::with_prefix("ocpp_gateway");
        let metrics = Metrics::new(&mut registry);
        metrics.message(Direction::Uplink, MessageType::Send);
        metrics.incident(Direction::Downlink, Fault::Duplicate);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encoded");
        assert!(text.contains(r#"ocpp_gateway_messages_total{direction="uplink",type="SEND"} 1"#), "{text}");
        assert!(text.contains(r#"ocpp_gateway_incidents_total{direction="downlink",cause="duplicate"} 1"#), "{text}");
        // And the build, which is always there.
        assert_eq!(text.matches("} 1\n").count(), 3, "{text}");
    }
}
