//! Limits on the retained messages of the embedded broker, in number and in bytes.
//!
//! mqtt5 has its own limits on the number of messages and the payload of each. They ignore properties, and a message
//! above them is not even delivered to subscribers; clients of MQTT 3.1.1 get no error. Here each message is checked
//! once it is retained: a message above the limits is delivered to subscribers and cleared again. Expired messages,
//! which mqtt5 would keep, are cleared too.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, OnceLock, Weak},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use mqtt5::{
    QoS,
    broker::{
        DynamicStorage, StorageBackend as _,
        events::{BrokerEventHandler, RetainedSetEvent},
        router::MessageRouter,
        storage::RetainedMessage,
    },
    packet::publish::PublishPacket,
};
use parking_lot::Mutex;
use tracing::warn;

use crate::stats::Counter;

/// Approximate memory of a retained message besides its texts, in bytes.
const OVERHEAD: usize = 512;
/// At most one warning is logged in this time.
const WARN_INTERVAL: Duration = Duration::from_secs(10);

pub(super) struct Retained {
    max_messages: usize,
    max_bytes: usize,
    storage: Arc<DynamicStorage>,
    router: OnceLock<Weak<MessageRouter>>,
    kept: Mutex<RetainedMessages>,
    refused: Arc<Counter>,
}

#[derive(Default)]
struct RetainedMessages {
    by_topic: HashMap<Arc<str>, RetainedEntry>,
    bytes: usize,
    last_warning: Option<Instant>,
}

struct RetainedEntry {
    bytes: usize,
    expires_at: Option<SystemTime>,
}

impl Retained {
    pub(super) fn new(max_messages: usize, max_bytes: usize, storage: Arc<DynamicStorage>) -> Self {
        let (router, kept, refused) = (OnceLock::new(), Mutex::default(), Arc::default());
        Retained { max_messages, max_bytes, storage, router, kept, refused }
    }

    /// Sets the router with which messages are cleared. Called once, before the first message.
    pub(super) fn set_router(&self, router: &Arc<MessageRouter>) {
        let _ = self.router.set(Arc::downgrade(router));
    }

    /// How many messages were refused.
    pub(super) fn refused(&self) -> &Arc<Counter> {
        &self.refused
    }

    /// Clears expired messages.
    pub(super) async fn clean_up(&self) {
        let now = SystemTime::now();
        let expired = |(topic, entry): (&Arc<str>, &RetainedEntry)| {
            entry.expires_at.is_some_and(|expires_at| expires_at <= now).then(|| Arc::clone(topic))
        };
        let expired: Vec<_> = self.kept.lock().by_topic.iter().filter_map(expired).collect();
        for topic in expired {
            self.clear(&topic).await;
        }
    }

    async fn set(&self, RetainedSetEvent { topic, payload, cleared, .. }: RetainedSetEvent) {
        if cleared {
            return self.kept.lock().remove(&topic);
        }
        // An error or `None`: the message has expired or was cleared meanwhile.
        let stored = self.storage.get_retained_message(&topic).await.ok().flatten();
        let bytes = size(&topic, payload.len(), stored.as_ref());
        let fits = {
            let mut kept = self.kept.lock();
            kept.insert(&topic, RetainedEntry { bytes, expires_at: stored.and_then(|stored| stored.expires_at) });
            kept.by_topic.len() <= self.max_messages && kept.bytes <= self.max_bytes
        };
        if !fits {
            self.refuse(&topic).await;
        }
    }

    async fn refuse(&self, topic: &str) {
        self.refused.add(1);
        let now = Instant::now();
        let warned_recently = self.kept.lock().last_warning.is_some_and(|at| now.duration_since(at) < WARN_INTERVAL);
        if !warned_recently {
            self.kept.lock().last_warning = Some(now);
            let (max_messages, max_bytes, refused) = (self.max_messages, self.max_bytes, self.refused.get());
            warn!(topic, max_messages, max_bytes, refused, "message not retained: the embedded broker keeps no more");
        }
        self.clear(topic).await;
    }

    /// Clears the message of a topic. The router offers no other means than an empty message, which subscribers see.
    async fn clear(&self, topic: &str) {
        if let Some(router) = self.router.get().and_then(Weak::upgrade) {
            let mut empty = PublishPacket::new(topic, Bytes::new(), QoS::AtMostOnce);
            empty.retain = true;
            router.route_message(&empty, None).await;
        }
    }
}

impl RetainedMessages {
    fn insert(&mut self, topic: &Arc<str>, entry: RetainedEntry) {
        self.bytes += entry.bytes;
        if let Some(before) = self.by_topic.insert(Arc::clone(topic), entry) {
            self.bytes -= before.bytes;
        }
    }

    fn remove(&mut self, topic: &str) {
        if let Some(before) = self.by_topic.remove(topic) {
            self.bytes -= before.bytes;
        }
    }
}

impl BrokerEventHandler for Retained {
    fn on_retained_set<'a>(&'a self, event: RetainedSetEvent) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(self.set(event))
    }
}

/// Approximate memory of a retained message, in bytes. Router and storage have a copy each.
fn size(topic: &str, payload: usize, stored: Option<&RetainedMessage>) -> usize {
    let properties = stored.map_or(0, |stored| {
        let texts = stored.user_properties.iter().map(|(name, value)| name.len() + value.len() + OVERHEAD / 4);
        let others = [&stored.content_type, &stored.response_topic].map(|text| text.as_ref().map_or(0, String::len));
        texts.sum::<usize>() + others.iter().sum::<usize>() + stored.correlation_data.as_ref().map_or(0, Vec::len)
    });
    2 * (2 * topic.len() + payload + properties) + OVERHEAD
}
