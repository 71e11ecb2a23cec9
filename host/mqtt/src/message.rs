//! What is published and what arrives.

use std::{fmt, sync::Arc, time::Instant};

use bytes::Bytes;

use crate::memory::{MESSAGE_OVERHEAD, MemoryAccount, MemoryPermit};

/// MQTT writes the length of a topic in two bytes.
const MAX_TOPIC: usize = u16::MAX as usize;

/// How hard the broker tries (MQTT 3.1.1, 4.3).
pub use rumqttc::QoS;

/// A message on its way to the broker.
#[derive(Debug)]
pub struct Publication {
    pub topic: String,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
    /// Past this moment of the broker's time ([`Availability`](crate::Availability)) nobody waits for it any more: it
    /// is dropped and counted instead of sent. With MQTT 5 the broker drops it too, at most a second later, as it
    /// counts in whole seconds. What has no such moment outlasts what has one when not everything can be kept.
    pub expires: Option<Instant>,
    /// What kind of message it is; losses are counted under this name.
    pub kind: &'static str,
    /// Who wants to know whether anybody subscribes to the topic.
    pub tracking: Option<Tracking>,
    /// What it takes of the memory for queued messages, until the broker has it.
    pub memory: Option<MemoryPermit>,
}

/// Gets to know what the broker says of a publication. Called on the publisher's own task, so it must return at once.
pub trait Observer: Send + Sync + 'static {
    /// Nobody subscribes to its topic: the broker has thrown it away. It comes back as it was given to the publisher.
    fn no_subscriber(&self, publication: Publication);

    /// Somebody subscribes to the topic of the publication of this number: the broker has taken it over.
    fn delivered(&self, number: u32);

    /// The publication of this number was given up: the broker is away, and no more can be kept.
    fn evicted(&self, number: u32);
}

/// Whom to tell of a publication, and under which number. Only of QoS 1, and only by a broker of MQTT 5 (3.4.2.1,
/// reason code 0x10) or one whose [`SubscriberLookup`](crate::SubscriberLookup) is at hand, is anything known.
#[derive(Clone)]
pub struct Tracking {
    pub observer: Arc<dyn Observer>,
    /// The observer's own.
    pub number: u32,
    /// Whether it wants to hear of a success, too.
    pub confirm: bool,
}

impl Tracking {
    pub(crate) fn delivered(&self) {
        self.observer.delivered(self.number);
    }
}

impl fmt::Debug for Tracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tracking { number, confirm, .. } = self;
        f.debug_struct("Tracking").field("number", number).field("confirm", confirm).finish_non_exhaustive()
    }
}

/// Why MQTT cannot carry a publication at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unpublishable {
    #[error("{size} bytes exceed the largest MQTT packet of {limit} bytes")]
    TooLarge { size: usize, limit: usize },
    #[error("a topic must be 1 to 65535 bytes without wildcards and control characters")]
    Topic,
}

impl Publication {
    /// A publication with QoS 1 that is not retained, does not expire and is not tracked.
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>, kind: &'static str) -> Self {
        let (topic, payload, qos) = (topic.into(), payload.into(), QoS::AtLeastOnce);
        Publication { topic, payload, qos, retain: false, expires: None, kind, tracking: None, memory: None }
    }

    /// The bytes of topic and payload, which is nearly all it takes in memory.
    pub(crate) fn len(&self) -> usize {
        self.topic.len() + self.payload.len()
    }

    /// Charges `account` for it, unless somebody has been charged already.
    pub fn charge(&mut self, account: &Arc<MemoryAccount>) {
        if self.memory.is_none() {
            self.memory = Some(account.charge(self.len() + MESSAGE_OVERHEAD));
        }
    }

    pub(crate) fn check(&self, max_packet_size: usize) -> Result<(), Unpublishable> {
        // Fixed header, topic length and packet id take at most 9 bytes more.
        let size = self.len() + 9;
        if size > max_packet_size {
            Err(Unpublishable::TooLarge { size, limit: max_packet_size })
        } else if !(1..=MAX_TOPIC).contains(&self.topic.len())
            || !self.topic.bytes().all(is_plain) && !is_topic(&self.topic)
        {
            Err(Unpublishable::Topic)
        } else {
            Ok(())
        }
    }
}

/// What most topics are made of.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'+' | b'#')
}

/// Whether a topic has neither wildcards nor what "SHOULD NOT" stand in a string (MQTT 3.1.1, 1.5.3): over a control
/// character or a noncharacter a broker may close the connection, and mosquitto does, each time that the message is sent
/// again.
fn is_topic(topic: &str) -> bool {
    !topic.chars().any(|character| {
        let code = u32::from(character);
        let noncharacter = matches!(code, 0xFDD0..=0xFDEF) || code & 0xFFFE == 0xFFFE;
        matches!(character, '+' | '#') || character.is_control() || noncharacter
    })
}

/// A message from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
    /// The broker may have sent it before.
    pub dup: bool,
    /// The bytes of the whole packet, where it was larger than a packet may be: then `payload` is only the beginning of what
    /// was sent.
    pub oversized: Option<usize>,
}

impl Message {
    /// Copies the payload out of the connection's buffer, which a message waiting in a mailbox would otherwise pin.
    pub(crate) fn from_packet(publish: rumqttc::Publish) -> Self {
        Message {
            topic: publish.topic,
            payload: Bytes::copy_from_slice(&publish.payload),
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            oversized: None,
        }
    }
}
