//! What the gateway tells others about who is connected: events for back ends, claims for other gateways on the same
//! broker. Both are off unless they are given a topic.

use crate::charge_point::Hall;
use crate::config::{Config, Events, TopicTemplate};
use crate::mailbox::Mailbox;
use crate::proxies::ClientAddress;
use ocpp_gateway_core::claims::{Claim, Claims, Heard};
use ocpp_gateway_core::{Identity, Peer};
use ocpp_gateway_mqtt::{Message, Publication, PublishError, Publisher, QoS, Recipient, SubscribeError};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};
use tracing::{debug, info, warn};

/// Under which the subscriber knows the claims; connections have smaller numbers.
const OWNER: u64 = u64::MAX;

/// This gateway's voice.
pub struct Presence {
    gateway: String,
    events: Events,
    claiming: Option<Claiming>,
}

struct Claiming {
    topic: TopicTemplate,
    /// Locked when a charge point comes or goes, here or elsewhere; never for a message.
    claims: Mutex<Claims>,
    heard: Family<OutcomeLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// What back ends are told about a connection.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    charge_point: &'a str,
    version: &'static str,
    address: String,
    gateway: &'a str,
    /// Different for each connection of one run of a gateway: tells which end belongs to which beginning.
    connection: u32,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl Presence {
    /// `gateway` is its name, different from those of all others on the broker.
    pub fn new(config: &Config, gateway: String, registry: &mut Registry) -> Self {
        let claiming = config.presence.claims.clone().map(|topic| {
            let heard = Family::default();
            registry.register("claims", "Claims of other gateways, by what they came to", Family::clone(&heard));
            Claiming { topic, claims: Mutex::new(Claims::new(&gateway)), heard }
        });
        Presence { gateway, events: config.events.clone(), claiming }
    }

    /// Claims `peer`, which is being let in, and answers what other gateways have to be told, if they are told anything.
    pub fn claim(&self, peer: &Peer) -> Option<Publication> {
        self.claiming.as_ref().map(|claiming| {
            let claim = claiming.lock().enter(&peer.identity, peer.connection, milliseconds(SystemTime::now()));
            claiming.publication(&claim)
        })
    }

    /// What back ends are told because `peer` was let in.
    pub fn connected(&self, peer: &Peer, address: ClientAddress) -> Vec<Publication> {
        let event = self.events.connected.as_ref().map(|topic| self.event(topic, peer, address, None));
        event.into_iter().collect()
    }

    /// What is published because `peer` is gone.
    pub fn disconnected(&self, peer: &Peer, address: ClientAddress, reason: &str) -> Vec<Publication> {
        if let Some(claiming) = &self.claiming {
            claiming.lock().leave(&peer.identity, peer.connection);
        }
        let event = self.events.disconnected.as_ref().map(|topic| self.event(topic, peer, address, Some(reason)));
        event.into_iter().collect()
    }

    fn event(&self, topic: &TopicTemplate, peer: &Peer, address: ClientAddress, reason: Option<&str>) -> Publication {
        let event = Event {
            charge_point: peer.identity.as_str(),
            version: peer.version.subprotocol(),
            address: address.to_string(),
            gateway: &self.gateway,
            connection: peer.connection,
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            reason,
        };
        Publication {
            topic: topic.topic(peer.identity.as_str(), &self.gateway),
            // Texts and a number: there is nothing in it that could fail.
            payload: serde_json::to_vec(&event).unwrap_or_default().into(),
            qos: match self.events.qos {
                0 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            },
            retain: self.events.retain,
            expires: None,
            kind: "event",
            tracking: None,
            memory: None,
        }
    }
}

impl Claiming {
    fn lock(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, outcome: &'static str) {
        self.heard.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    fn publication(&self, claim: &Claim) -> Publication {
        Publication {
            topic: self.topic.topic(&claim.charge_point, &claim.gateway),
            payload: claim.to_json().into(),
            qos: QoS::AtLeastOnce,
            // Whoever needs it hears it now, or when it has come back to the broker.
            retain: false,
            expires: None,
            kind: "claim",
            tracking: None,
            memory: None,
        }
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Who gets messages from the broker.
#[derive(Clone)]
pub enum Addressee {
    ChargePoint(Mailbox),
    /// The gateway itself: claims of others.
    Gateway(Weak<Hall>),
}

impl Recipient for Addressee {
    fn deliver(&self, message: Message) -> Result<(), Message> {
        match self {
            Addressee::ChargePoint(mailbox) => mailbox.deliver(message),
            Addressee::Gateway(hall) => {
                if let Some(hall) = hall.upgrade()
                    && let Some(claiming) = &hall.presence.claiming
                {
                    hear(&hall, claiming, &message);
                }
                Ok(())
            }
        }
    }

    fn turn_back(&self, message: Message) {
        match self {
            Addressee::ChargePoint(mailbox) => mailbox.turn_back(message),
            Addressee::Gateway(_) => {}
        }
    }

    fn refused(&self, error: SubscribeError) {
        match self {
            Addressee::ChargePoint(mailbox) => mailbox.refused(error),
            Addressee::Gateway(_) => not_heard(&error),
        }
    }
}

/// A charge point that connects elsewhere stays connected here as well, until its silence is noticed.
pub fn not_heard(error: &SubscribeError) {
    warn!("what other gateways have is not heard of: {error}");
}

/// Listens to the claims of other gateways from now on, if that is wanted, and repeats its own after each reconnect:
/// others may have missed them.
pub async fn listen(hall: &Arc<Hall>) -> Result<(), SubscribeError> {
    let Some(filter) = hall.presence.claiming.as_ref().and_then(|claiming| claiming.topic.filter()) else {
        return Ok(());
    };
    let addressee = Addressee::Gateway(Arc::downgrade(hall));
    hall.subscriber.subscribe(OWNER, vec![(filter, QoS::AtLeastOnce)], addressee).await?;
    let (mut current, hall) = (hall.subscriber.current(), Arc::downgrade(hall));
    tokio::spawn(async move {
        loop {
            for wanted in [false, true] {
                if current.wait_for(|current| *current == wanted).await.is_err() {
                    return;
                }
            }
            let Some(hall) = hall.upgrade() else { return };
            repeat_all(&hall).await;
        }
    });
    Ok(())
}

async fn repeat_all(hall: &Hall) {
    let Some(claiming) = &hall.presence.claiming else { return };
    let held: Vec<Identity> = claiming.lock().held();
    info!("back at the broker: {} charge points are claimed again", held.len());
    for identity in held {
        let Ok(permit) = hall.road.publisher.reserve().await else { return };
        let claim = claiming.lock().repeat(&identity);
        if let Some(claim) = claim {
            // The publisher counts and logs what it refuses.
            let _ = permit.send(claiming.publication(&claim));
        }
    }
}

/// On the subscriber's task: what came before this claim has been delivered, what comes after it reaches the gateway
/// that made it as well.
fn hear(hall: &Hall, claiming: &Claiming, message: &Message) {
    let claim = match Claim::from_json(&message.payload) {
        Ok(claim) => claim,
        Err(error) => {
            claiming.count("unreadable");
            return debug!(topic = message.topic, "{error}");
        }
    };
    let heard = claiming.lock().hear(&claim);
    match heard {
        Heard::Nothing => {}
        Heard::Yield { connection } => {
            claiming.count("yielded");
            hall.registry.yield_to_other(&claim.charge_point, connection);
            debug!(charge_point = claim.charge_point, gateway = claim.gateway, "has connected to another gateway");
        }
        Heard::Repeat(own) => {
            claiming.count("contradicted");
            publish(&hall.road.publisher, claiming.publication(&own));
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
