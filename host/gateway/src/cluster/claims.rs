//! Which gateway has a charge point, where several are on one broker: each says so when one connects, and hears the others.

use crate::config::TopicTemplate;
use crate::operations::metrics::registered;
use ocpp_gateway_core::claims::{Claim, ClaimDecision, Claims};
use ocpp_gateway_core::{Identity, Peer};
use ocpp_gateway_mqtt::{Message, Publication, PublishError, Publisher, QoS, SubscribeError};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tracing::{debug, info, warn};

/// What this gateway claims, and what it has heard of others.
pub struct GatewayClaims {
    topic: TopicTemplate,
    /// Locked when a charge point comes or goes, here or elsewhere; never for a message.
    claims: Mutex<Claims>,
    /// By what became of them.
    heard: Family<[(&'static str, &'static str); 1], Counter>,
}

impl GatewayClaims {
    /// `gateway` is its name, different from those of all others on the broker.
    pub fn new(topic: TopicTemplate, gateway: &str, registry: &mut Registry) -> Self {
        let heard = registered(registry, "claims", "Claims of other gateways, by what they came to");
        GatewayClaims { topic, claims: Mutex::new(Claims::new(gateway)), heard }
    }

    /// Claims `peer`, which is being let in, and answers what other gateways have to be told.
    pub(super) fn enter(&self, peer: &Peer) -> Publication {
        let claim = self.claims.lock().enter(&peer.identity, peer.connection, milliseconds(SystemTime::now()));
        self.publication(&claim)
    }

    pub(super) fn leave(&self, peer: &Peer) {
        self.claims.lock().leave(&peer.identity, peer.connection);
    }

    fn count(&self, outcome: &'static str) {
        self.heard.get_or_create(&[("outcome", outcome)]).inc();
    }

    fn publication(&self, claim: &Claim) -> Publication {
        // Not retained: the other gateways hear it now, or when they have come back to the broker.
        Publication::new(self.topic.topic(&claim.charge_point, &claim.gateway), claim.to_json(), "claim")
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The connections of this gateway, as far as claims end them.
pub trait Connections: Send + Sync {
    /// The charge point is with another gateway since this connection began: it gets no more messages, and ends.
    fn yield_to_other(&self, identity: &str, connection: u32);
}

/// Listens to the claims of other gateways.
pub struct ClaimListener {
    claims: Arc<GatewayClaims>,
    connections: Arc<dyn Connections>,
    publisher: Publisher,
}

impl ClaimListener {
    /// Under which the subscriber knows it; connections have smaller numbers.
    pub const OWNER: u64 = u64::MAX;

    pub fn new(claims: Arc<GatewayClaims>, connections: Arc<dyn Connections>, publisher: Publisher) -> Self {
        ClaimListener { claims, connections, publisher }
    }

    /// What it has to be subscribed to.
    pub fn filters(&self) -> Vec<(String, QoS)> {
        self.claims.topic.filter().into_iter().map(|filter| (filter, QoS::AtLeastOnce)).collect()
    }

    /// To be called on the subscriber's task: what came before this claim has been delivered, what comes after it reaches
    /// the gateway that made it as well.
    pub fn receive(&self, message: &Message) {
        let claim = match Claim::from_json(&message.payload) {
            Ok(claim) => claim,
            Err(error) => {
                self.claims.count("unreadable");
                return debug!(topic = message.topic, "{error}");
            }
        };
        let heard = self.claims.claims.lock().receive(&claim);
        match heard {
            ClaimDecision::Nothing => {}
            ClaimDecision::Yield { connection } => {
                self.claims.count("yielded");
                self.connections.yield_to_other(&claim.charge_point, connection);
                debug!(charge_point = claim.charge_point, gateway = claim.gateway, "has connected to another gateway");
            }
            ClaimDecision::Repeat(own) => {
                self.claims.count("contradicted");
                publish(&self.publisher, self.claims.publication(&own));
            }
        }
    }

    /// The broker does not let it listen: a charge point that connects elsewhere stays connected here as well, until its
    /// silence is noticed.
    pub fn refused(&self, error: &SubscribeError) {
        warn!("what other gateways have is not heard of: {error}");
    }

    /// Repeats the gateway's own claims after each reconnect, as others may have missed them. `current`: whether the
    /// subscriber has all its topics. Ends with the subscriber.
    pub async fn repeat_after_reconnects(self: Arc<Self>, mut current: watch::Receiver<bool>) {
        loop {
            for wanted in [false, true] {
                if current.wait_for(|current| *current == wanted).await.is_err() {
                    return;
                }
            }
            self.repeat_all().await;
        }
    }

    async fn repeat_all(&self) {
        let held: Vec<Identity> = self.claims.claims.lock().held();
        info!("back at the broker: {} charge points are claimed again", held.len());
        for identity in held {
            let Ok(permit) = self.publisher.reserve().await else { return };
            let claim = self.claims.claims.lock().repeat(&identity);
            if let Some(claim) = claim {
                // The publisher counts and logs what it refuses.
                let _ = permit.send(self.claims.publication(&claim));
            }
        }
    }
}

fn publish(publisher: &Publisher, publication: Publication) {
    match publisher.try_publish(publication) {
        Ok(()) | Err(PublishError::Unpublishable(_)) => {}
        Err(PublishError::Stopped(publication)) => warn!(topic = publication.topic, "not published: the gateway stops"),
        Err(PublishError::Full(publication)) => {
            let publisher = publisher.clone();
            tokio::spawn(async move {
                if let Ok(permit) = publisher.reserve().await {
                    let _ = permit.send(publication);
                }
            });
        }
    }
}
