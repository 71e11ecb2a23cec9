//! Counters and status of the connections, for metrics and readiness.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use parking_lot::Mutex;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn set(&self, n: usize) {
        self.0.store(n as u64, Relaxed);
    }
}

/// Why a publication did not reach the broker. As text: the name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Loss {
    /// It expired before it could be sent.
    Expired,
    /// The backlog was full and it was the oldest.
    Evicted,
    /// It is too large for MQTT or for the broker, or its topic is invalid.
    Unpublishable,
    /// The broker refused it with a reason code.
    Refused,
    /// The publisher stopped before it was acknowledged, or accepted nothing for too long.
    Abandoned,
    /// The queue was full, and its sender could not wait.
    Overflow,
    /// It was withdrawn because the broker was away for too long. Its sender sends it again.
    Withdrawn,
}

/// The state of one connection.
#[derive(Debug, Clone)]
pub struct ConnectionStatus {
    pub connected: bool,
    /// When `connected` changed last.
    pub since: Instant,
    /// Why the latest connection, or the latest attempt to connect, failed.
    pub last_error: Option<String>,
}

/// One connection to the broker.
#[derive(Debug)]
pub struct ConnectionStats {
    /// Connections that were accepted by the broker.
    pub connects: Counter,
    /// Attempts that failed.
    pub failures: Counter,
    /// Writes to the socket. Compared with the number of messages they show how well messages are batched.
    pub writes: Counter,
    status: Mutex<ConnectionStatus>,
}

impl Default for ConnectionStats {
    fn default() -> Self {
        ConnectionStats {
            connects: Counter::default(),
            failures: Counter::default(),
            writes: Counter::default(),
            status: Mutex::new(ConnectionStatus { connected: false, since: Instant::now(), last_error: None }),
        }
    }
}

impl ConnectionStats {
    pub fn status(&self) -> ConnectionStatus {
        self.status.lock().clone()
    }

    pub(crate) fn up(&self) {
        self.connects.add(1);
        let mut status = self.status.lock();
        (status.connected, status.since) = (true, Instant::now());
    }

    pub(crate) fn down(&self, error: Option<String>) {
        let mut status = self.status.lock();
        if status.connected {
            (status.connected, status.since) = (false, Instant::now());
        }
        if error.is_some() {
            status.last_error = error;
        }
    }
}

/// The publishing side.
#[derive(Debug, Default)]
pub struct PublisherStats {
    pub connection: Arc<ConnectionStats>,
    /// PUBLISH packets written, repetitions included.
    pub published: Counter,
    /// Publications of QoS 1 and 2 that the broker acknowledged.
    pub acknowledged: Counter,
    /// Publications sent again after a reconnect.
    pub resent: Counter,
    /// Publications of QoS 0 written to a connection that broke before the broker showed that it had read them. Whether
    /// they arrived is unknown.
    pub unconfirmed: Counter,
    /// Waiting for their acknowledgement.
    pub in_flight: Gauge,
    /// Waiting for the broker to come back, or for room in flight.
    pub backlog: Gauge,
    losses: Mutex<BTreeMap<(Loss, &'static str), u64>>,
    without_subscriber: Mutex<BTreeMap<&'static str, u64>>,
}

impl PublisherStats {
    /// Lost publications by reason and kind.
    pub fn losses(&self) -> Vec<(Loss, &'static str, u64)> {
        self.losses.lock().iter().map(|(&(loss, kind), &count)| (loss, kind, count)).collect()
    }

    /// Lost publications of all kinds for one reason.
    pub fn lost(&self, loss: Loss) -> u64 {
        self.losses.lock().iter().filter(|((cause, _), _)| *cause == loss).map(|(_, count)| count).sum()
    }

    /// Publications by kind whose topic had no subscribers, as far as the broker reports it.
    pub fn without_subscriber(&self) -> Vec<(&'static str, u64)> {
        self.without_subscriber.lock().iter().map(|(&kind, &count)| (kind, count)).collect()
    }

    pub(crate) fn count_without_subscriber(&self, kind: &'static str) {
        *self.without_subscriber.lock().entry(kind).or_default() += 1;
    }

    pub(crate) fn count_loss(&self, loss: Loss, kind: &'static str) {
        *self.losses.lock().entry((loss, kind)).or_default() += 1;
    }
}

/// The subscribing side.
#[derive(Debug, Default)]
pub struct SubscriberStats {
    pub connection: Arc<ConnectionStats>,
    pub received: Counter,
    /// Messages on topics that no owner subscribes to (any more).
    pub unrouted: Counter,
    /// Messages above the packet size limit: acknowledged, and discarded except for their beginning.
    pub oversized: Counter,
    /// SUBSCRIBE packets sent, and UNSUBSCRIBE packets.
    pub subscribe_packets: Counter,
    pub unsubscribe_packets: Counter,
    /// Topic filters that the broker holds, or that were requested from it.
    pub subscriptions: Gauge,
}
