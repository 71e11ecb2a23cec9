//! Publications to the broker, and messages from it.

use std::{fmt, sync::Arc, time::Instant};

use bytes::Bytes;

use crate::memory::{MESSAGE_OVERHEAD, MemoryAccount, MemoryPermit};

/// The longest topic in bytes: MQTT writes its length in two bytes.
const MAX_TOPIC: usize = u16::MAX as usize;

/// The delivery guarantee of a message (MQTT 3.1.1 section 4.3).
pub use rumqttc::QoS;

/// A message to be published.
#[derive(Debug)]
pub struct Publication {
    pub topic: String,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
    /// Deadline in the broker's time ([`Availability`](crate::Availability)). Past it the publication is dropped and
    /// counted instead of sent. With MQTT 5 the broker drops it too, at most a second later, because it counts whole
    /// seconds. A full backlog evicts publications with a deadline before those without.
    pub expires: Option<Instant>,
    /// The kind of message; losses are counted under this name.
    pub kind: &'static str,
    /// The observer of the publication's outcome.
    pub tracking: Option<Tracking>,
    /// Its share of the memory for queued messages, held until the broker has acknowledged the publication.
    pub memory: Option<MemoryPermit>,
}

/// Receives the outcome of publications. Called on the publisher's own task, so it must return at once.
pub trait Observer: Send + Sync + 'static {
    /// The topic has no subscribers: the broker discarded the publication. It is returned as it was given to the
    /// publisher.
    fn no_subscriber(&self, publication: Publication);

    /// The topic of the publication of this number has a subscriber: the broker has accepted the publication.
    fn delivered(&self, number: u32);

    /// The publication of this number was evicted: the broker is away, and the backlog is full.
    fn evicted(&self, number: u32);
}

/// The observer of a publication, and the number that identifies the publication to it. Whether a topic has subscribers
/// is known only for QoS 1 and from a broker of MQTT 5 (MQTT 5 section 3.4.2.1, reason code 0x10), or from a
/// [`SubscriberLookup`](crate::SubscriberLookup).
#[derive(Clone)]
pub struct Tracking {
    pub observer: Arc<dyn Observer>,
    /// Chosen by the observer.
    pub number: u32,
    /// Also report a success.
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

/// Why MQTT cannot carry a publication.
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

    /// Bytes of topic and payload, which make up nearly all of its memory.
    pub(crate) fn len(&self) -> usize {
        self.topic.len() + self.payload.len()
    }

    /// Charges `account` for the publication, unless an account is charged already.
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

/// Whether this is a printable ASCII character other than a wildcard. Most topics consist of nothing else.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'+' | b'#')
}

/// Whether a topic has neither wildcards nor the characters that "SHOULD NOT" occur in a string (MQTT 3.1.1 section
/// 1.5.3). A broker may close the connection over a control character or a noncharacter. Mosquitto does, each time that
/// the message is sent again.
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
    /// Bytes of the whole packet, if it exceeded the packet size limit. `payload` is then only the beginning of the
    /// payload.
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
