//! Looks up whether a topic of the embedded broker has subscribers.
//!
//! mqtt5 answers every publish with success (PUBACK 0x00), even without subscribers. Its router cannot list the
//! subscribers of a topic; it only knows whether a client has a filter. So filters are recorded here when clients
//! request them, and the router is asked about those that match.

use std::{
    collections::HashMap,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use mqtt5::{
    broker::{
        AllowAllAuthProvider,
        auth::{AuthProvider, AuthResult},
        router::MessageRouter,
    },
    packet::connect::ConnectPacket,
};
use parking_lot::Mutex;
use tokio::task::coop::unconstrained;

use crate::subscriber::FilterTree;

/// After this time a requested filter is either held or refused.
const SETTLE_TIME: Duration = Duration::from_secs(60);
/// With fewer filters than this, unused ones are not looked for.
const MIN_CLEAN_UP: usize = 1024;

/// The filters that clients have, and some that they had. Accepts every client, and sees what it subscribes to.
pub(super) struct Subscribers {
    router: Arc<MessageRouter>,
    known: Mutex<KnownFilters>,
}

#[derive(Default)]
struct KnownFilters {
    /// Keyed by the filter without `$share/GROUP/`.
    by_filter: HashMap<Arc<str>, Vec<SubscribedClient>>,
    wildcards: FilterTree,
    len: usize,
    /// With more filters than this, unused ones are removed.
    clean_up_at: usize,
    /// The client whose filters do not count.
    ignored: Option<String>,
}

struct SubscribedClient {
    client_id: String,
    /// As requested, with `$share/GROUP/`.
    filter: String,
    requested_at: Instant,
}

impl Subscribers {
    pub(super) fn new(router: Arc<MessageRouter>) -> Self {
        Subscribers { router, known: Mutex::default() }
    }

    /// Stops counting the filters of this client.
    pub(super) fn ignore(&self, client_id: String) {
        self.known.lock().ignored = Some(client_id);
    }

    /// Whether a client would get a message on `topic`, now or when it connects again.
    pub(super) fn has_subscriber(&self, topic: &str) -> bool {
        let known = &*self.known.lock();
        let mut found = known.has_filter(&self.router, topic);
        known.wildcards.matches(topic, &mut |filter| found = found || known.has_filter(&self.router, filter));
        found
    }

    fn record(&self, client_id: &str, filter: &str) {
        let known = &mut *self.known.lock();
        if known.ignored.as_deref() == Some(client_id) {
            return;
        }
        known.add(client_id, filter);
        if known.len > known.clean_up_at.max(MIN_CLEAN_UP) {
            known.clean_up(&self.router);
        }
    }
}

impl KnownFilters {
    fn has_filter(&self, router: &MessageRouter, filter: &str) -> bool {
        self.by_filter.get(filter).is_some_and(|all| all.iter().any(|subscriber| subscriber.is_held(router)))
    }

    fn add(&mut self, client_id: &str, filter: &str) {
        let matching = without_group(filter);
        let all = match self.by_filter.get_mut(matching) {
            Some(all) => all,
            None => {
                let matching: Arc<str> = matching.into();
                if matching.contains(['+', '#']) {
                    self.wildcards.insert(Arc::clone(&matching));
                }
                self.by_filter.entry(matching).or_default()
            }
        };
        let requested_at = Instant::now();
        match all.iter_mut().find(|known| known.client_id == client_id && known.filter == filter) {
            Some(known) => known.requested_at = requested_at,
            None => {
                all.push(SubscribedClient { client_id: client_id.to_owned(), filter: filter.to_owned(), requested_at });
                self.len += 1;
            }
        }
    }

    fn clean_up(&mut self, router: &MessageRouter) {
        let wildcards = &mut self.wildcards;
        self.by_filter.retain(|filter, all| {
            all.retain(|subscriber| subscriber.requested_at.elapsed() < SETTLE_TIME || subscriber.is_held(router));
            if all.is_empty() {
                wildcards.remove(filter);
            }
            !all.is_empty()
        });
        self.len = self.by_filter.values().map(Vec::len).sum();
        self.clean_up_at = self.len * 2;
    }
}

impl SubscribedClient {
    /// Whether the client has the filter. Also true if that is unknown because subscriptions are being changed.
    fn is_held(&self, router: &MessageRouter) -> bool {
        // Without tokio's cooperative budget, which could make the future pending.
        let lookup = pin!(unconstrained(router.has_subscription(&self.client_id, &self.filter)));
        !matches!(lookup.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(false))
    }
}

/// The filter behind `$share/GROUP/` (MQTT 5 section 4.8.2).
fn without_group(filter: &str) -> &str {
    let shared = filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/'));
    shared.map_or(filter, |(_, filter)| filter)
}

impl AuthProvider for Subscribers {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        client_addr: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = mqtt5::error::Result<AuthResult>> + Send + 'a>> {
        AllowAllAuthProvider.authenticate(connect, client_addr)
    }

    fn authorize_publish<'a>(
        &'a self,
        client_id: &str,
        user_id: Option<&'a str>,
        topic: &'a str,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        AllowAllAuthProvider.authorize_publish(client_id, user_id, topic)
    }

    /// Also called for each filter of a resumed session.
    fn authorize_subscribe<'a>(
        &'a self,
        client_id: &str,
        user_id: Option<&'a str>,
        topic_filter: &'a str,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        self.record(client_id, topic_filter);
        AllowAllAuthProvider.authorize_subscribe(client_id, user_id, topic_filter)
    }
}

#[cfg(test)]
mod tests {
    use mqtt5::{QoS, broker::router::SubscriptionRequest};

    use super::*;

    async fn subscribe(subscribers: &Subscribers, client_id: &str, filter: &str) {
        assert!(subscribers.authorize_subscribe(client_id, None, filter).await);
        let request = SubscriptionRequest::new(client_id.to_owned(), filter.to_owned(), QoS::AtLeastOnce);
        subscribers.router.subscribe(request).await.expect("subscribed");
    }

    fn subscribers() -> Subscribers {
        Subscribers::new(Arc::new(MessageRouter::new()))
    }

    #[tokio::test]
    async fn exact_wildcard_and_shared_filters_count() {
        for filter in ["ocpp/cp/CP1", "ocpp/cp/+", "ocpp/#", "$share/back-ends/ocpp/cp/#"] {
            let subscribers = subscribers();
            assert!(!subscribers.has_subscriber("ocpp/cp/CP1"), "{filter}");
            subscribe(&subscribers, "back end", filter).await;
            assert!(subscribers.has_subscriber("ocpp/cp/CP1"), "{filter}");
            assert!(!subscribers.has_subscriber("other/cp/CP1"), "{filter}");
        }
    }

    #[tokio::test]
    async fn clients_that_unsubscribed_or_left_do_not_count() {
        let subscribers = subscribers();
        subscribe(&subscribers, "a", "ocpp/#").await;
        subscribe(&subscribers, "b", "ocpp/#").await;
        subscribers.router.unsubscribe("a", "ocpp/#", None).await;
        assert!(subscribers.has_subscriber("ocpp/cp/CP1"));
        subscribers.router.unregister_client("b").await;
        assert!(!subscribers.has_subscriber("ocpp/cp/CP1"));
        subscribe(&subscribers, "a", "ocpp/#").await;
        assert!(subscribers.has_subscriber("ocpp/cp/CP1"));
    }

    #[tokio::test]
    async fn own_subscriptions_do_not_count() {
        let subscribers = subscribers();
        subscribers.ignore("gw-sub".into());
        subscribe(&subscribers, "gw-sub", "ocpp/#").await;
        assert!(!subscribers.has_subscriber("ocpp/cp/CP1"));
    }

    #[tokio::test]
    async fn filters_without_a_client_are_removed() {
        let subscribers = subscribers();
        subscribe(&subscribers, "a", "ocpp/#").await;
        for number in 0..10 {
            subscribers.record("b", &format!("gone/{number}/+"));
        }
        let known = &mut *subscribers.known.lock();
        known.clean_up(&subscribers.router);
        assert_eq!(known.len, 11, "they may be about to subscribe");
        let long_ago = Instant::now().checked_sub(2 * SETTLE_TIME).expect("the machine has run for minutes");
        known.by_filter.values_mut().flatten().for_each(|subscriber| subscriber.requested_at = long_ago);
        known.clean_up(&subscribers.router);
        assert_eq!((known.len, known.by_filter.len(), known.clean_up_at), (1, 1, 2));
        let mut wildcards = 0;
        known.wildcards.matches("gone/1/x", &mut |_| wildcards += 1);
        assert_eq!(wildcards, 0);
    }
}
