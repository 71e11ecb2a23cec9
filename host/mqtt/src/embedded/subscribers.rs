//! Whether anybody subscribes to a topic of the embedded broker.
//!
//! mqtt5 answers every publish with success (PUBACK 0x00), also where nobody subscribes, and its router cannot be asked
//! for the subscribers of a topic, only whether a client has a filter. So filters are noted here when clients ask for
//! them, and the router is asked for those that would match.

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

/// So long after a client has asked for a filter it has it, or has been refused.
const SETTLED: Duration = Duration::from_secs(60);
/// With fewer filters than this it is not worth looking for those that nobody has any more.
const FEW: usize = 1024;

/// The filters that clients have, and some that they had. It lets every client in, and sees what they subscribe to.
pub(super) struct Subscribers {
    router: Arc<MessageRouter>,
    noted: Mutex<KnownFilter>,
}

#[derive(Default)]
struct KnownFilter {
    /// By the filter without `$share/GROUP/`.
    by_filter: HashMap<Arc<str>, Vec<SubscribedClient>>,
    wildcards: FilterTree,
    len: usize,
    /// At so many it is time to look for those that nobody has any more.
    clean_up_at: usize,
    /// Whose filters do not count.
    ignored: Option<String>,
}

struct SubscribedClient {
    client_id: String,
    /// As it was asked for.
    filter: String,
    noted_at: Instant,
}

impl Subscribers {
    pub(super) fn new(router: Arc<MessageRouter>) -> Self {
        Subscribers { router, noted: Mutex::default() }
    }

    /// From now on the filters of this client do not count.
    pub(super) fn ignore(&self, client_id: String) {
        self.noted.lock().ignored = Some(client_id);
    }

    /// Whether a client would get a message on `topic`, if only when it connects again.
    pub(super) fn has_subscriber(&self, topic: &str) -> bool {
        let noted = &*self.noted.lock();
        let mut found = noted.has_filter(&self.router, topic);
        noted.wildcards.matches(topic, &mut |filter| found = found || noted.has_filter(&self.router, filter));
        found
    }

    fn note(&self, client_id: &str, filter: &str) {
        let noted = &mut *self.noted.lock();
        if noted.ignored.as_deref() == Some(client_id) {
            return;
        }
        noted.add(client_id, filter);
        if noted.len > noted.clean_up_at.max(FEW) {
            noted.clean_up(&self.router);
        }
    }
}

impl KnownFilter {
    fn has_filter(&self, router: &MessageRouter, filter: &str) -> bool {
        self.by_filter.get(filter).is_some_and(|all| all.iter().any(|subscriber| subscriber.is_there(router)))
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
        let noted_at = Instant::now();
        match all.iter_mut().find(|known| known.client_id == client_id && known.filter == filter) {
            Some(known) => known.noted_at = noted_at,
            None => {
                all.push(SubscribedClient { client_id: client_id.to_owned(), filter: filter.to_owned(), noted_at });
                self.len += 1;
            }
        }
    }

    fn clean_up(&mut self, router: &MessageRouter) {
        let wildcards = &mut self.wildcards;
        self.by_filter.retain(|filter, all| {
            all.retain(|subscriber| subscriber.noted_at.elapsed() < SETTLED || subscriber.is_there(router));
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
    /// True also where that cannot be told at once, because subscriptions are just being changed.
    fn is_there(&self, router: &MessageRouter) -> bool {
        // Not for tokio to say when it is another task's turn.
        let asked = pin!(unconstrained(router.has_subscription(&self.client_id, &self.filter)));
        !matches!(asked.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(false))
    }
}

/// The filter behind `$share/GROUP/` (MQTT 5, 4.8.2).
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

    /// Also for each filter of a session that is taken up again.
    fn authorize_subscribe<'a>(
        &'a self,
        client_id: &str,
        user_id: Option<&'a str>,
        topic_filter: &'a str,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        self.note(client_id, topic_filter);
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
    async fn who_has_unsubscribed_or_gone_does_not_count() {
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
    async fn the_gateways_own_subscriptions_do_not_count() {
        let subscribers = subscribers();
        subscribers.ignore("gw-sub".into());
        subscribe(&subscribers, "gw-sub", "ocpp/#").await;
        assert!(!subscribers.has_subscriber("ocpp/cp/CP1"));
    }

    #[tokio::test]
    async fn filters_that_nobody_has_any_more_are_forgotten() {
        let subscribers = subscribers();
        subscribe(&subscribers, "a", "ocpp/#").await;
        for number in 0..10 {
            subscribers.note("b", &format!("gone/{number}/+"));
        }
        let noted = &mut *subscribers.noted.lock();
        noted.clean_up(&subscribers.router);
        assert_eq!(noted.len, 11, "they may be about to subscribe");
        let long_ago = Instant::now().checked_sub(2 * SETTLED).expect("the machine has run for minutes");
        noted.by_filter.values_mut().flatten().for_each(|subscriber| subscriber.noted_at = long_ago);
        noted.clean_up(&subscribers.router);
        assert_eq!((noted.len, noted.by_filter.len(), noted.clean_up_at), (1, 1, 2));
        let mut wildcards = 0;
        noted.wildcards.matches("gone/1/x", &mut |_| wildcards += 1);
        assert_eq!(wildcards, 0);
    }
}
