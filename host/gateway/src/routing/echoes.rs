//! Detects echoes: publications of this gateway that the broker sends back, because a mapping subscribes to their
//! topics.
//!
//! An echo is not from a back end. If it were handled, an error report would cause another error report, in an endless
//! loop, and a CALL of a charge point would be sent to that charge point. MQTT 5's No Local option does not help: it
//! applies to one connection, and the gateway publishes and subscribes over two.
//!
//! Publications that result from messages of the broker are always recorded, as they could loop. Of messages from
//! charge points, the first CALLs of each connection are recorded, and all messages once an echo was seen. So without
//! echoes, a message costs one lookup of its topic.

use foldhash::quality::RandomState;
use ocpp_gateway_mqtt::{Message, Publication};
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Entries of a table. A publication replaces an older one with the same index.
const LENGTH: usize = 4096;
/// How long an entry is valid. Later, a back end may publish the same content itself.
const LIFETIME: Duration = Duration::from_secs(300);
/// Low bits of an entry that hold the time in seconds. The other bits are those of the hash.
const TIME_BITS: u32 = 20;

/// Recent publications.
pub struct Echoes {
    hasher: RandomState,
    start: Instant,
    topics: Table,
    /// Topics with payloads.
    contents: Table,
    /// An echo was seen.
    is_seen: AtomicBool,
}

/// Hashes with the times at which they were recorded, each at the index that its low bits give.
struct Table(Box<[AtomicU64]>);

impl Default for Echoes {
    fn default() -> Self {
        let (topics, contents, is_seen) = (Table::new(), Table::new(), AtomicBool::new(false));
        Echoes { hasher: RandomState::default(), start: Instant::now(), topics, contents, is_seen }
    }
}

impl Echoes {
    /// Whether an echo was seen, so that all publications have to be recorded.
    pub fn is_seen(&self) -> bool {
        self.is_seen.load(Relaxed)
    }

    /// Records publications before they are published. `excluded`: the charge point that must not receive them; others
    /// may, if a transform sends them there. `None`: no charge point may receive them.
    pub fn record<'a>(&self, publications: impl IntoIterator<Item = &'a Publication>, excluded: Option<&str>) {
        for Publication { topic, payload, .. } in publications {
            let (topic, time) = (self.hasher.hash_one(topic), self.time());
            self.topics.record(topic, time);
            self.contents.record(self.hasher.hash_one((topic, payload, excluded)), time);
        }
    }

    /// Whether the gateway published this itself, and `charge_point` must not receive it.
    pub fn is_echo(&self, Message { topic, payload, .. }: &Message, charge_point: Option<&str>) -> bool {
        let topic = self.hasher.hash_one(topic);
        let has = |excluded| self.contents.has(self.hasher.hash_one((topic, payload, excluded)), || self.time());
        let is_echo =
            self.topics.has(topic, || self.time()) && (has(None) || charge_point.is_some() && has(charge_point));
        if is_echo && !self.is_seen() {
            self.is_seen.store(true, Relaxed);
        }
        is_echo
    }

    fn time(&self) -> u64 {
        self.start.elapsed().as_secs()
    }
}

impl Table {
    fn new() -> Self {
        Table((0..LENGTH).map(|_| AtomicU64::new(0)).collect())
    }

    /// `time`: in seconds.
    fn record(&self, hash: u64, time: u64) {
        let time = time % (1 << TIME_BITS);
        self.entry(hash).store(hash >> TIME_BITS << TIME_BITS | time, Relaxed);
    }

    /// Whether the hash is recorded and valid. Usually it is not, and `time` is not called.
    fn has(&self, hash: u64, time: impl FnOnce() -> u64) -> bool {
        let entry = self.entry(hash).load(Relaxed);
        let age = || time().wrapping_sub(entry) % (1 << TIME_BITS);
        entry >> TIME_BITS == hash >> TIME_BITS && age() <= LIFETIME.as_secs()
    }

    fn entry(&self, hash: u64) -> &AtomicU64 {
        // The index is made of the low bits, which are not compared.
        &self.0[hash as usize % LENGTH]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_gateway_mqtt::QoS;

    fn publication(topic: &str, payload: &str) -> Publication {
        Publication::new(topic, payload.to_owned(), "test")
    }

    fn message(topic: &str, payload: &str) -> Message {
        let (topic, payload) = (topic.to_owned(), payload.to_owned().into());
        Message { topic, payload, qos: QoS::AtLeastOnce, retain: false, dup: false, oversized: None }
    }

    #[test]
    fn echo_is_recognised_by_topic_and_payload() {
        let echoes = Echoes::default();
        let is_echo = |topic, payload, charge_point| echoes.is_echo(&message(topic, payload), Some(charge_point));
        assert!(!is_echo("t", "x", "CP1"));
        echoes.record(&[publication("t", "x")], None);
        assert!(!is_echo("t", "y", "CP1") && !is_echo("u", "x", "CP1") && !echoes.is_seen());
        assert!(is_echo("t", "x", "CP1") && echoes.is_seen());
        assert!(is_echo("t", "x", "CP2"), "several charge points may receive it");
        assert!(echoes.is_echo(&message("t", "x"), None), "and none");
        echoes.record(&[publication("t", "z")], Some("CP1"));
        assert!(is_echo("t", "z", "CP1") && !is_echo("t", "z", "CP2"));
        assert!(!echoes.is_echo(&message("t", "z"), None));
    }

    #[test]
    fn entry_expires_after_its_lifetime() {
        let table = Table::new();
        for recorded_at in [0, 5, (1 << TIME_BITS) - 1, 1 << TIME_BITS] {
            let hash = 0xdead_beef_dead_beef;
            table.record(hash, recorded_at);
            assert!(table.has(hash, || recorded_at) && table.has(hash, || recorded_at + LIFETIME.as_secs()));
            assert!(!table.has(hash, || recorded_at + LIFETIME.as_secs() + 1), "{recorded_at}");
        }
        assert!(!table.has(0xdead_beef, || 0));
    }
}
