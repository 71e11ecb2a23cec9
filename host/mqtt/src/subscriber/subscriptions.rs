//! Topic filters by owner, and their state at the broker. No I/O: the subscriber takes the next batch and reports the
//! results.

mod entry;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use rumqttc::{has_wildcards, valid_filter};

use self::entry::{FilterEntry, SubscriptionState};
use super::{
    command::SubscribeDone,
    filter_tree::FilterTree,
    recipient::{Recipient, SubscribeError},
};
use crate::{
    link::{AckResult, Reason},
    message::{Message, QoS},
};

/// Topic filters in one SUBSCRIBE or UNSUBSCRIBE.
pub(crate) const BATCH: usize = 200;
/// Bytes of one batch.
const BATCH_BYTES: usize = 64 << 10;
/// Bytes of a batch besides its filters, at most, and of a filter besides its text.
const BATCH_HEAD: usize = 8;
const FILTER_HEAD: usize = 3;
/// Levels in a topic filter; mosquitto's limit as well.
const MAX_LEVELS: usize = 200;
/// With more changes waiting than this, leftovers of another process stay subscribed.
const MAX_WAITING_FOR_UNROUTED: usize = 1000;

/// The filters to be subscribed and unsubscribed next.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) subscribe: Vec<(Arc<str>, QoS)>,
    pub(crate) unsubscribe: Vec<Arc<str>>,
}

struct Owner<R> {
    recipient: R,
    filters: Vec<Arc<str>>,
    /// Filters before the change that is in progress: unsubscribed when it succeeds, restored when it fails.
    previous: Vec<Arc<str>>,
    /// Filters that the broker has not acknowledged yet.
    pending: Vec<Arc<str>>,
    done: Option<SubscribeDone>,
}

pub(crate) struct Subscriptions<R> {
    owners: HashMap<u64, Owner<R>>,
    entries: HashMap<Arc<str>, FilterEntry<R>>,
    /// The keys of `entries` that have wildcards.
    wildcards: FilterTree,
    changes: VecDeque<Arc<str>>,
    restoring: usize,
    connected: bool,
}

impl<R: Recipient> Subscriptions<R> {
    pub(crate) fn new() -> Self {
        Subscriptions {
            owners: HashMap::new(),
            entries: HashMap::new(),
            wildcards: FilterTree::default(),
            changes: VecDeque::new(),
            restoring: 0,
            connected: false,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many changes wait for the next batch.
    pub(crate) fn waiting(&self) -> usize {
        self.changes.len()
    }

    /// Whether the broker has answered for all filters that were wanted at the latest connect.
    pub(crate) fn is_current(&self) -> bool {
        self.connected && self.restoring == 0
    }

    /// Replaces the filters of the owner: the new ones are subscribed before the others are unsubscribed. Without a
    /// recipient the owner keeps its present one.
    pub(crate) fn set(&mut self, key: u64, filters: Vec<(String, QoS)>, recipient: Option<R>, done: SubscribeDone) {
        if let Some((filter, _)) = filters.iter().find(|(filter, _)| !is_topic_filter(filter)) {
            return answer(done, Err(SubscribeError::BadFilter(filter.clone())));
        }
        let previous = self.owners.remove(&key);
        let Some(recipient) = recipient.or_else(|| previous.as_ref().map(|owner| owner.recipient.clone())) else {
            return answer(done, Err(SubscribeError::UnknownOwner));
        };
        let mut owner =
            Owner { recipient, filters: Vec::new(), previous: Vec::new(), pending: Vec::new(), done: Some(done) };
        if let Some(before) = previous {
            before.done.into_iter().for_each(|done| answer(done, Err(SubscribeError::Superseded)));
            owner.previous = before.filters;
            owner.previous.extend(before.previous);
        }
        for (filter, qos) in filters {
            let filter: Arc<str> = filter.into();
            if !self.attach(key, &filter, qos, &owner.recipient) {
                owner.pending.push(Arc::clone(&filter));
            }
            owner.filters.push(filter);
        }
        self.owners.insert(key, owner);
        self.commit_if_complete(key);
    }

    pub(crate) fn remove(&mut self, key: u64) {
        let Some(owner) = self.owners.remove(&key) else { return };
        owner.filters.iter().chain(&owner.previous).for_each(|filter| self.detach(key, filter));
        owner.done.into_iter().for_each(|done| answer(done, Err(SubscribeError::Superseded)));
    }

    /// Delivers the message to each owner with a matching filter, once. Returns it if no owner has one.
    pub(crate) fn deliver(&self, message: Message) -> Result<(), Message> {
        let exact = self.entries.get(message.topic.as_str()).map_or(&[][..], |entry| &entry.routes);
        if self.wildcards.is_empty() {
            return deliver_to(exact.iter().map(|(_, recipient)| recipient), message);
        }
        let mut routes: Vec<&(u64, R)> = Vec::new();
        self.wildcards.matches(&message.topic, &mut |filter| {
            routes.extend(self.entries.get(filter).into_iter().flat_map(|entry| &entry.routes));
        });
        // The usual case: the wildcards are for other topics.
        if routes.is_empty() {
            return deliver_to(exact.iter().map(|(_, recipient)| recipient), message);
        }
        routes.extend(exact);
        routes.sort_unstable_by_key(|(owner, _)| *owner);
        routes.dedup_by_key(|(owner, _)| *owner);
        deliver_to(routes.into_iter().map(|(_, recipient)| recipient), message)
    }

    /// A message arrived on a topic without an owner: an earlier process subscribed to it, so unsubscribe.
    pub(crate) fn unsubscribe_unrouted(&mut self, topic: &str) {
        if self.changes.len() < MAX_WAITING_FOR_UNROUTED && !self.entries.contains_key(topic) && is_topic_filter(topic)
        {
            let topic: Arc<str> = topic.into();
            self.entries.insert(Arc::clone(&topic), FilterEntry::new(SubscriptionState::Held));
            self.enqueue(&topic);
        }
    }

    /// Takes the next changes off the queue: at least one, and as many as fit into one packet of this size. They count
    /// as sent.
    pub(crate) fn next_batch(&mut self, packet_size: usize) -> Batch {
        let (mut batch, mut bytes) = (Batch::default(), BATCH_HEAD);
        while batch.subscribe.len().max(batch.unsubscribe.len()) < BATCH
            && let Some(next) = self.changes.front()
            && (bytes == BATCH_HEAD || bytes + FILTER_HEAD + next.len() <= packet_size.min(BATCH_BYTES))
            && let Some(filter) = self.changes.pop_front()
        {
            let Some(entry) = self.entries.get_mut(&filter) else { continue };
            entry.queued = false;
            match (entry.state, entry.routes.is_empty()) {
                (SubscriptionState::Absent | SubscriptionState::Refused, true) => self.forget(&filter),
                (SubscriptionState::Absent, false) | (SubscriptionState::Held, false) if !entry.is_satisfied() => {
                    entry.state = SubscriptionState::Subscribing;
                    bytes += FILTER_HEAD + filter.len();
                    batch.subscribe.push((filter, entry.wanted));
                }
                (SubscriptionState::Held, true) => {
                    entry.state = SubscriptionState::Unsubscribing;
                    bytes += FILTER_HEAD + filter.len();
                    batch.unsubscribe.push(filter);
                }
                _ => {}
            }
        }
        batch
    }

    /// SUBACK for one filter of a batch, requested at this QoS.
    pub(crate) fn subscribed(&mut self, filter: &Arc<str>, qos: QoS, result: AckResult) {
        let Some(entry) = self.entries.get_mut(filter) else { return };
        entry.requested = qos;
        entry.state = if result.is_err() { SubscriptionState::Refused } else { SubscriptionState::Held };
        if std::mem::take(&mut entry.restoring) {
            self.restoring -= 1;
        }
        let owners: Vec<u64> = entry.routes.iter().map(|(owner, _)| *owner).collect();
        let unsettled = owners.is_empty() || !entry.is_satisfied();
        match (result, unsettled) {
            (Err(_), _) if owners.is_empty() => self.forget(filter),
            (Ok(()), true) => self.enqueue(filter),
            _ => owners.into_iter().for_each(|owner| self.settle(owner, filter, result)),
        }
    }

    /// UNSUBACK for one filter of a batch.
    pub(crate) fn unsubscribed(&mut self, filter: &Arc<str>) {
        let Some(entry) = self.entries.get_mut(filter) else { return };
        entry.state = SubscriptionState::Absent;
        if entry.routes.is_empty() {
            self.forget(filter);
        } else {
            self.enqueue(filter);
        }
    }

    /// Requests without an answer have to be sent again.
    pub(crate) fn disconnected(&mut self) {
        self.connected = false;
        self.restoring = 0;
        self.changes.clear();
        for entry in self.entries.values_mut() {
            (entry.queued, entry.restoring) = (false, false);
            entry.state = match entry.state {
                SubscriptionState::Subscribing | SubscriptionState::Refused => SubscriptionState::Absent,
                SubscriptionState::Unsubscribing => SubscriptionState::Held,
                settled => settled,
            };
        }
        self.forget_absent();
    }

    /// Queues the changes that the broker does not know: everything when it kept no session.
    pub(crate) fn connected(&mut self, session_present: bool) {
        self.connected = true;
        if !session_present {
            self.entries.values_mut().for_each(|entry| entry.state = SubscriptionState::Absent);
            self.forget_absent();
        }
        for (filter, entry) in &mut self.entries {
            let restore = !entry.routes.is_empty() && !entry.is_satisfied();
            if restore || entry.routes.is_empty() {
                entry.queued = true;
                self.changes.push_back(Arc::clone(filter));
            }
            entry.restoring = restore;
            self.restoring += usize::from(restore);
        }
    }

    /// True when the broker holds the filter already.
    fn attach(&mut self, owner: u64, filter: &Arc<str>, qos: QoS, recipient: &R) -> bool {
        if !self.entries.contains_key(filter) {
            self.entries.insert(Arc::clone(filter), FilterEntry::new(SubscriptionState::Absent));
            if has_wildcards(filter) {
                self.wildcards.insert(Arc::clone(filter));
            }
        }
        let Some(entry) = self.entries.get_mut(filter) else { return false };
        entry.route(owner, recipient);
        entry.wanted = if qos > entry.wanted { qos } else { entry.wanted };
        if entry.state == SubscriptionState::Refused {
            entry.state = SubscriptionState::Absent;
        }
        let satisfied = entry.is_satisfied();
        if !satisfied {
            self.enqueue(filter);
        }
        satisfied
    }

    fn detach(&mut self, owner: u64, filter: &Arc<str>) {
        let Some(entry) = self.entries.get_mut(filter) else { return };
        entry.routes.retain(|(key, _)| *key != owner);
        if entry.routes.is_empty() {
            if std::mem::take(&mut entry.restoring) {
                self.restoring -= 1;
            }
            match entry.state {
                SubscriptionState::Absent | SubscriptionState::Refused if !entry.queued => self.forget(filter),
                _ => self.enqueue(filter),
            }
        }
    }

    /// Queues a filter that may have changed; [`next_batch`](Self::next_batch) decides what to send. While disconnected
    /// nothing is queued: [`connected`](Self::connected) checks all filters anyway.
    fn enqueue(&mut self, filter: &Arc<str>) {
        if let Some(entry) = self.entries.get_mut(filter)
            && self.connected
            && !std::mem::replace(&mut entry.queued, true)
        {
            self.changes.push_back(Arc::clone(filter));
        }
    }

    fn forget(&mut self, filter: &Arc<str>) {
        self.entries.remove(filter);
        if has_wildcards(filter) {
            self.wildcards.remove(filter);
        }
    }

    fn forget_absent(&mut self) {
        let gone = |entry: &FilterEntry<R>| entry.routes.is_empty() && entry.state == SubscriptionState::Absent;
        let absent: Vec<Arc<str>> =
            self.entries.iter().filter(|(_, entry)| gone(entry)).map(|(filter, _)| Arc::clone(filter)).collect();
        absent.iter().for_each(|filter| self.forget(filter));
    }

    fn settle(&mut self, key: u64, filter: &Arc<str>, result: AckResult) {
        let Some(owner) = self.owners.get_mut(&key) else { return };
        match result {
            Ok(()) => {
                owner.pending.retain(|pending| pending != filter);
                self.commit_if_complete(key);
            }
            Err(reason) => {
                let wanted = owner.pending.contains(filter);
                // The owner already had this filter.
                if !wanted || owner.previous.contains(filter) {
                    owner.recipient.refused(refusal(filter, reason));
                }
                if wanted {
                    self.roll_back(key, refusal(filter, reason));
                }
            }
        }
    }

    fn commit_if_complete(&mut self, key: u64) {
        let Some(owner) = self.owners.get_mut(&key) else { return };
        if owner.pending.is_empty()
            && let Some(done) = owner.done.take()
        {
            let mut left = std::mem::take(&mut owner.previous);
            left.retain(|filter| !owner.filters.contains(filter));
            left.iter().for_each(|filter| self.detach(key, filter));
            answer(done, Ok(()));
        }
    }

    fn roll_back(&mut self, key: u64, error: SubscribeError) {
        let Some(owner) = self.owners.get_mut(&key) else { return };
        let done = owner.done.take();
        owner.pending.clear();
        let mut left = std::mem::replace(&mut owner.filters, std::mem::take(&mut owner.previous));
        left.retain(|filter| !owner.filters.contains(filter));
        if owner.filters.is_empty() {
            self.owners.remove(&key);
        }
        left.iter().for_each(|filter| self.detach(key, filter));
        done.into_iter().for_each(|done| answer(done, Err(error.clone())));
    }
}

fn refusal(filter: &str, reason: Reason) -> SubscribeError {
    SubscribeError::Refused { filter: filter.to_owned(), reason: reason.to_string() }
}

/// Whether a broker may be asked for this topic filter.
pub fn is_topic_filter(filter: &str) -> bool {
    valid_filter(filter)
        && filter.len() <= usize::from(u16::MAX)
        && !filter.contains('\0')
        && filter.split('/').count() <= MAX_LEVELS
}

fn deliver_to<'a, R: Recipient>(
    recipients: impl DoubleEndedIterator<Item = &'a R>,
    message: Message,
) -> Result<(), Message> {
    let mut recipients = recipients;
    // The last recipient, usually the only one, gets the message without a copy.
    let Some(last) = recipients.next_back() else { return Err(message) };
    let others = recipients.filter(|recipient| recipient.deliver(message.clone()).is_ok()).count();
    if let Err(message) = last.deliver(message)
        && others == 0
    {
        last.return_undeliverable(message);
    }
    Ok(())
}

/// Answers the caller, which may have stopped waiting.
fn answer(done: SubscribeDone, result: Result<(), SubscribeError>) {
    let _ = done.send(result);
}

#[cfg(test)]
mod tests;
