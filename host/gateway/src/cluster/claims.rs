//! Which of several gateways on one broker has a charge point: each publishes a claim when a charge point connects, and
//! subscribes to the claims of the others.

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

/// The claims of this gateway, and those received from others.
pub struct GatewayClaims {
    topic: TopicTemplate,
    /// Locked when a charge point connects or disconnects, here or at another gateway; never for a message.
    claims: Mutex<Claims>,
    /// Received claims, by outcome.
    received: Family<[(&'static str, &'static str); 1], Counter>,
}

impl GatewayClaims {
    /// `gateway`: the name of this gateway, unique on the broker.
    pub fn new(topic: TopicTemplate, gateway: &str, registry: &mut Registry) -> Self {
        let received = registered(registry, "claims", "Claims received from other gateways, by outcome");
        GatewayClaims { topic, claims: Mutex::new(Claims::new(gateway)), received }
    }

    /// Claims `peer`, which is connecting. Returns the claim to publish.
    pub(super) fn claim(&self, peer: &Peer) -> Publication {
        let claim = self.claims.lock().add(&peer.identity, peer.connection, milliseconds(SystemTime::now()));
        self.publication(&claim)
    }

    /// Drops the claim of a connection that has ended.
    pub(super) fn release(&self, peer: &Peer) {
        self.claims.lock().remove(&peer.identity, peer.connection);
    }

    fn count(&self, outcome: &'static str) {
        self.received.get_or_create(&[("outcome", outcome)]).inc();
    }

    fn publication(&self, claim: &Claim) -> Publication {
        // Not retained: other gateways receive it now, or from their sessions when they reconnect to the broker.
        Publication::new(self.topic.topic(&claim.charge_point, &claim.gateway), claim.to_json(), "claim")
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The connections of this gateway that claims of other gateways can end.
pub trait Connections: Send + Sync {
    /// The charge point has connected to another gateway after this connection began: the connection gets no more
    /// messages, and ends.
    fn yield_to_other(&self, identity: &str, connection: u32);
}

/// Receives the claims of other gateways.
pub struct ClaimListener {
    claims: Arc<GatewayClaims>,
    connections: Arc<dyn Connections>,
    publisher: Publisher,
}

impl ClaimListener {
    /// The number under which the subscriber knows the listener. Connections have smaller numbers.
    pub const OWNER: u64 = u64::MAX;

    pub fn new(claims: Arc<GatewayClaims>, connections: Arc<dyn Connections>, publisher: Publisher) -> Self {
        ClaimListener { claims, connections, publisher }
    }

    /// The topic filters to subscribe to.
    pub fn filters(&self) -> Vec<(String, QoS)> {
        self.claims.topic.filter().into_iter().map(|filter| (filter, QoS::AtLeastOnce)).collect()
    }

    /// Called on the subscriber's task, so that messages before the claim are delivered already. Messages after it also
    /// reach the gateway that made it.
    pub fn receive(&self, message: &Message) {
        let claim = match Claim::from_json(&message.payload) {
            Ok(claim) => claim,
            Err(error) => {
                self.claims.count("unreadable");
                return debug!(topic = message.topic, "{error}");
            }
        };
        let decision = self.claims.claims.lock().receive(&claim);
        match decision {
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

    /// Handles that the broker refused the subscription: a charge point that connects to another gateway then stays
    /// connected here as well, until its idle timeout.
    pub fn refused(&self, error: &SubscribeError) {
        warn!("claims of other gateways are not received: {error}");
    }

    /// Publishes the gateway's own claims again after each reconnect, as others may have missed them. `current`:
    /// whether the subscriber has all its subscriptions. Returns when the subscriber ends.
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
        info!("reconnected to the broker: {} charge points are claimed again", held.len());
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
