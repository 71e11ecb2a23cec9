//! Messages of the gateway's own that the broker sends back, because a mapping subscribes to what is published.
//!
//! They are from no back end. An error object that came back would lead to another one, about it, without end; a CALL of a charge
//! point would be sent to that charge point. MQTT 5's No Local option is of no use: it is for one connection, and this gateway
//! publishes and subscribes over two.
//!
//! What is made in answer to messages from the broker is always noted, as it could go round. Of what charge points send, the first
//! CALLs of each connection are, and all of it once anything has come back. So messages that do not come back cost nothing but a
//! look at their topic.

use foldhash::quality::RandomState;
use ocpp_gateway_mqtt::{Message, Publication};
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// So many publications are remembered, if none of them takes the place of another.
const LENGTH: usize = 4096;
/// For so long. A back end may say later what the gateway said.
const LIFETIME: Duration = Duration::from_secs(300);
/// Of an entry: the time in seconds. The other bits are those of the hash.
const TIME_BITS: u32 = 20;

/// What was published lately.
pub struct Echoes {
    hasher: RandomState,
    start: Instant,
    topics: Table,
    /// Topics with payloads.
    contents: Table,
    /// Something has come back.
    is_heard: AtomicBool,
}

/// Hashes with the time at which they were noted. Each has one place, where the latest stays.
struct Table(Box<[AtomicU64]>);

impl Default for Echoes {
    fn default() -> Self {
        let (topics, contents, is_heard) = (Table::new(), Table::new(), AtomicBool::new(false));
        Echoes { hasher: RandomState::default(), start: Instant::now(), topics, contents, is_heard }
    }
}

impl Echoes {
    /// Whether everything is to be noted, and not only what could go round.
    pub fn is_heard(&self) -> bool {
        self.is_heard.load(Relaxed)
    }

    /// This is about to be published. `only_for`: the charge point that must not get it; others may, if a transform wants that.
    /// `None`: no charge point is to get it.
    pub fn note<'a>(&self, publications: impl IntoIterator<Item = &'a Publication>, only_for: Option<&str>) {
        for Publication { topic, payload, .. } in publications {
            let (topic, time) = (self.hasher.hash_one(topic), self.time());
            self.topics.note(topic, time);
            self.contents.note(self.hasher.hash_one((topic, payload, only_for)), time);
        }
    }

    /// Whether the gateway itself has published this, and it is not for `charge_point`.
    pub fn is_echo(&self, Message { topic, payload, .. }: &Message, charge_point: Option<&str>) -> bool {
        let topic = self.hasher.hash_one(topic);
        let has = |only_for| self.contents.has(self.hasher.hash_one((topic, payload, only_for)), || self.time());
        let is_echo =
            self.topics.has(topic, || self.time()) && (has(None) || charge_point.is_some() && has(charge_point));
        if is_echo && !self.is_heard() {
            self.is_heard.store(true, Relaxed);
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
    fn note(&self, hash: u64, time: u64) {
        let time = time % (1 << TIME_BITS);
        self.place(hash).store(hash >> TIME_BITS << TIME_BITS | time, Relaxed);
    }

    /// Nearly always it has not, without asking for the time.
    fn has(&self, hash: u64, time: impl FnOnce() -> u64) -> bool {
        let entry = self.place(hash).load(Relaxed);
        let age = || time().wrapping_sub(entry) % (1 << TIME_BITS);
        entry >> TIME_BITS == hash >> TIME_BITS && age() <= LIFETIME.as_secs()
    }

    fn place(&self, hash: u64) -> &AtomicU64 {
        // Another part of it than what is compared: the lowest bits.
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
    fn what_was_published_is_known_by_topic_and_payload() {
        let echoes = Echoes::default();
        let is_echo = |topic, payload, charge_point| echoes.is_echo(&message(topic, payload), Some(charge_point));
        assert!(!is_echo("t", "x", "CP1"));
        echoes.note(&[publication("t", "x")], None);
        assert!(!is_echo("t", "y", "CP1") && !is_echo("u", "x", "CP1") && !echoes.is_heard());
        assert!(is_echo("t", "x", "CP1") && echoes.is_heard());
        assert!(is_echo("t", "x", "CP2"), "it may come to several charge points");
        assert!(echoes.is_echo(&message("t", "x"), None), "and to none");
        echoes.note(&[publication("t", "z")], Some("CP1"));
        assert!(is_echo("t", "z", "CP1") && !is_echo("t", "z", "CP2"));
        assert!(!echoes.is_echo(&message("t", "z"), None));
    }

    #[test]
    fn what_was_published_long_ago_may_be_said_by_others() {
        let table = Table::new();
        for noted_at in [0, 5, (1 << TIME_BITS) - 1, 1 << TIME_BITS] {
            let hash = 0xdead_beef_dead_beef;
            table.note(hash, noted_at);
            assert!(table.has(hash, || noted_at) && table.has(hash, || noted_at + LIFETIME.as_secs()));
            assert!(!table.has(hash, || noted_at + LIFETIME.as_secs() + 1), "{noted_at}");
        }
        assert!(!table.has(0xdead_beef, || 0));
    }
}
