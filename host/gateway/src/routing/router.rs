//! The way of a message between a charge point and the broker, without either end.
//!
//! Uplink: frame, transforms, topic. Downlink: message, transforms, frame. And the way of those that do not arrive: an error
//! frame of the gateway's own, which travels through the mapping like any other.

use super::echoes::Echoes;
use super::memory::QueueMemory;
use crate::operations::events::{EventBus, GatewayEvent};
use crate::operations::metrics::Metrics;
use crate::operations::names;
use ocpp_gateway_core::session::{Direction, Incident};
use ocpp_gateway_core::{
    Attributes, Fault, Frame, Identity, Peer, Publish, QoS, TopicFilter, UnansweredCalls, Version,
};
use ocpp_gateway_mqtt::{self as mqtt, Loss, Publication, Publisher};
use ocpp_gateway_pipeline::{
    self as pipeline, Answer, Cause, DownlinkOutcome, Failure, Generation, NotMapped, Pipeline, TransformIncident,
    UplinkOutcome,
};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;
use tracing::{Level, debug, info, trace, warn};

/// What every message needs, whosever it is.
pub struct MessageRouter {
    pub pipeline: Pipeline,
    pub publisher: Publisher,
    pub metrics: Metrics,
    /// What watchers are told.
    pub events: Arc<EventBus>,
    pub memory: QueueMemory,
    /// What was published, and is not to come back.
    pub echoes: Echoes,
}

/// What a frame of a charge point has become.
#[derive(Debug)]
pub struct Uplinked {
    pub publications: Vec<Publication>,
    /// Which of them the mapping made of the frame, if it made one.
    pub mapped: Option<usize>,
    /// What the charge point is answered now, if it is.
    pub answer: Option<Answer>,
    /// Nothing is left of the frame that could lead to an answer.
    pub is_dropped: bool,
}

/// What a message of a back end has become.
#[derive(Debug)]
pub struct Downlinked {
    pub frames: Vec<Frame<'static>>,
    /// What the transforms want published on the way.
    pub publications: Vec<Publication>,
    /// Why there is no frame, if there is none.
    pub not_mapped: Option<NotMapped>,
}

/// What happened to a message, for metrics, watchers and the log.
struct Note<'a> {
    direction: Direction,
    fault: Fault,
    id: &'a str,
    action: &'a str,
    /// Name and version of the transform that had a part in it.
    transform: Option<(&'a str, &'a str)>,
    text: &'a dyn Display,
}

impl MessageRouter {
    /// The topics on which back ends reach `peer`, in the order of their names.
    pub fn subscriptions(&self, generation: &Generation, peer: &Peer) -> Result<Vec<(String, mqtt::QoS)>, Failure> {
        self.pipeline.subscriptions(generation, peer).map(filters)
    }

    /// The charge point whose topic this is, going by the mappings alone: it need not be connected, nor exist. And the
    /// generation that has the topic: the newest, or one that is still in use. `None` where no mapping names such a topic,
    /// or only one in which identities do not show.
    pub fn recipient(&self, topic: &str, versions: &[Version]) -> Option<(Generation, Peer)> {
        self.pipeline.generations().into_iter().find_map(|generation| {
            let peer = versions.iter().find_map(|&version| self.recipient_in(&generation, topic, version))?;
            Some((generation, peer))
        })
    }

    fn recipient_in(&self, generation: &Generation, topic: &str, version: Version) -> Option<Peer> {
        let peer = |name: &str| {
            let identity = Identity::new(name, usize::MAX).ok()?;
            Some(Peer { identity, version, connection: u32::MAX, attributes: Attributes::new() })
        };
        let wanted = self.pipeline.subscriptions(generation, &peer(ANYBODY)?).ok()?;
        wanted.iter().filter_map(|pattern| name_in(topic, &pattern.filter)).find_map(|name| {
            let peer = peer(name)?;
            self.has_topic(generation, &peer, topic).then_some(peer)
        })
    }

    /// The generation that reads a message for `peer` on this topic where its charge point does not: the newest, unless
    /// only another one that is still in use has the topic.
    pub fn reader(&self, peer: &Peer, topic: &str) -> Generation {
        let mut used = self.pipeline.generations();
        let reader = if used.len() > 1 { used.iter().position(|used| self.has_topic(used, peer, topic)) } else { None };
        used.swap_remove(reader.unwrap_or(0))
    }

    fn has_topic(&self, generation: &Generation, peer: &Peer, topic: &str) -> bool {
        let wanted = self.pipeline.subscriptions(generation, peer);
        wanted.is_ok_and(|wanted| wanted.iter().any(|wanted| mqtt::topic_matches(topic, &wanted.filter)))
    }

    /// Takes a frame of `peer` through the transforms of one generation. `expires` is when back ends have no use for it any
    /// more, because the charge point will have been told that nobody answered; in the broker's time.
    pub fn uplink(
        &self,
        generation: &Generation,
        peer: &Peer,
        frame: &Frame<'_>,
        expires: Option<Instant>,
    ) -> Uplinked {
        let kind = frame.kind.name();
        debug!(charge_point = %peer.identity, message_id = %frame.id, action = frame.action_name(), "{kind} from the charge point");
        let UplinkOutcome { publishes, mapped, answer, is_dropped, incidents } =
            self.pipeline.uplink(generation, peer, frame);
        self.metrics.message(Direction::Uplink, frame.kind);
        self.incidents(peer, Direction::Uplink, &frame.id, frame.action_name(), &incidents);
        Uplinked { publications: publications(peer, publishes, kind, expires), mapped, answer, is_dropped }
    }

    /// Takes an MQTT message for `peer` through the transforms of one generation. `asked`: the CALLs that the charge point
    /// waits for. What comes of it is nothing yet, unless it is handed to [`MessageRouter::downlinked`].
    pub fn read(
        &self,
        generation: &Generation,
        peer: &Peer,
        message: &mqtt::Message,
        asked: UnansweredCalls<'_>,
    ) -> DownlinkOutcome {
        let mqtt::Message { topic, payload, qos, retain, .. } = message;
        trace!(charge_point = %peer.identity, topic, "from a back end: {}", String::from_utf8_lossy(payload));
        let message = pipeline::Message { topic, payload, qos: from_mqtt(*qos), retain: *retain };
        self.pipeline.downlink(generation, peer, &message, asked)
    }

    /// The same, and what comes of it counts.
    pub fn downlink(
        &self,
        generation: &Generation,
        peer: &Peer,
        message: &mqtt::Message,
        asked: UnansweredCalls<'_>,
    ) -> Downlinked {
        self.downlinked(peer, self.read(generation, peer, message, asked))
    }

    /// Counts and logs what has come of a message for `peer`.
    pub fn downlinked(&self, peer: &Peer, read: DownlinkOutcome) -> Downlinked {
        let DownlinkOutcome { frames, publishes, not_mapped, incidents, rejected } = read;
        let sent = || frames.first().map(|frame| (&*frame.id, frame.action_name()));
        let rejected = rejected.as_ref().map(|(id, action)| (&**id, &**action));
        let (id, action) = rejected.or_else(sent).unwrap_or_default();
        self.incidents(peer, Direction::Downlink, id, action, &incidents);
        let publications = publications(peer, publishes, REPORT, None);
        self.echoes.note(&publications, Some(peer.identity.as_str()));
        Downlinked { publications, frames, not_mapped }
    }

    /// What the transforms want published because `peer` has connected.
    pub fn connected(&self, generation: &Generation, peer: &Peer) -> Vec<Publication> {
        self.event(peer, self.pipeline.connected(generation, peer))
    }

    /// What the transforms want published because `peer` is gone.
    pub fn disconnected(&self, generation: &Generation, peer: &Peer, reason: &str) -> Vec<Publication> {
        self.event(peer, self.pipeline.disconnected(generation, peer, reason))
    }

    fn event(&self, peer: &Peer, UplinkOutcome { publishes, incidents, .. }: UplinkOutcome) -> Vec<Publication> {
        self.incidents(peer, Direction::Uplink, "", "", &incidents);
        publications(peer, publishes, "event", None)
    }

    /// Counts and logs what transforms did to a message, or failed to do.
    fn incidents(&self, peer: &Peer, direction: Direction, id: &str, action: &str, incidents: &[TransformIncident]) {
        for incident in incidents {
            let fault = match &incident.cause {
                Cause::Dropped(_) => Fault::Dropped,
                Cause::Rejected(_) | Cause::Failed(Failure::Refused(_)) => Fault::Rejected,
                Cause::Invalid { fault, .. } => *fault,
                Cause::Failed(_) => Fault::Internal,
            };
            let level = match &incident.cause {
                // A message that is refused may be a transaction that is lost; of one that goes on nobody else hears.
                Cause::Invalid { .. } => Level::INFO,
                _ if fault == Fault::Internal => Level::WARN,
                // A transform can do this to every message, and a charge point can send as many as it likes.
                _ => Level::DEBUG,
            };
            let transform = Some((&*incident.transform, &*incident.version));
            self.note(peer, level, &Note { direction, fault, id, action, transform, text: &incident.cause });
        }
    }

    /// Counts and logs that a message did not go its way.
    pub fn incident(&self, peer: &Peer, Incident { direction, fault, id, action, detail }: &Incident) {
        let level = match fault {
            // What a charge point can do as often as it likes must not fill the log.
            Fault::BadFrame
            | Fault::UnreadableFrame
            | Fault::UnknownMessageType
            | Fault::IdInUse
            | Fault::Duplicate => Level::DEBUG,
            _ => Level::INFO,
        };
        let (direction, fault) = (*direction, *fault);
        self.note(peer, level, &Note { direction, fault, id, action, transform: None, text: detail });
    }

    fn note(&self, peer: &Peer, level: Level, &Note { direction, fault, id, action, transform, text }: &Note<'_>) {
        self.metrics.incident(direction, fault);
        let (direction, cause) = (names::direction(direction), fault.name());
        self.events.tell(|| GatewayEvent::Incident {
            charge_point: peer.identity.to_string(),
            direction,
            cause,
            message_id: id.to_owned(),
            action: action.to_owned(),
            transform: transform.map(|(transform, _)| transform.to_owned()),
            transform_version: transform.map(|(_, version)| version.to_owned()),
            text: text.to_string(),
        });
        let (transform, version) = transform.unzip();
        macro_rules! log {
            ($log:ident) => {
                $log!(
                    charge_point = %peer.identity,
                    message_id = id,
                    action,
                    direction,
                    cause,
                    transform = transform.map(display),
                    version = version.map(display),
                    "{text}"
                )
            };
        }
        match level {
            Level::WARN => log!(warn),
            Level::INFO => log!(info),
            _ => log!(debug),
        }
    }

    /// Maps an error frame that the gateway made for back ends. If even that cannot be mapped, the log is all that is left.
    pub fn report(&self, generation: &Generation, peer: &Peer, frame: &Frame<'static>) -> Vec<Publication> {
        let UplinkOutcome { publishes, incidents, .. } = self.pipeline.report(generation, peer, frame);
        self.incidents(peer, Direction::Uplink, &frame.id, frame.action_name(), &incidents);
        let publications = publications(peer, publishes, frame.kind.name(), None);
        self.echoes.note(&publications, None);
        publications
    }
}

/// What a message is that transforms publish on the way of another.
pub const REPORT: &str = "report";

/// Stands in a pattern of topics in the place of an identity. No charge point is called that.
const ANYBODY: &str = "ocpp-gateway any identity";

/// What stands in `topic` where `pattern` has [`ANYBODY`].
fn name_in<'a>(topic: &'a str, pattern: &str) -> Option<&'a str> {
    let (level, text) = pattern.split('/').enumerate().find(|(_, text)| text.contains(ANYBODY))?;
    let (before, after) = text.split_once(ANYBODY)?;
    let name = topic.split('/').nth(level)?.strip_prefix(before)?.strip_suffix(after)?;
    (!name.is_empty()).then_some(name)
}

fn publications(
    peer: &Peer,
    publishes: Vec<Publish>,
    kind: &'static str,
    expires: Option<Instant>,
) -> Vec<Publication> {
    let publication = |publish| {
        let Publish { topic, payload, qos, retain, .. } = publish;
        trace!(charge_point = %peer.identity, topic, "to back ends: {}", String::from_utf8_lossy(&payload));
        let (qos, tracking, memory) = (to_mqtt(qos), None, None);
        Publication { topic, payload: payload.into(), qos, retain, expires, kind, tracking, memory }
    };
    publishes.into_iter().map(publication).collect()
}

/// Publishes as soon as there is room.
pub async fn publish(publisher: Publisher, publication: Publication) {
    match publisher.reserve().await {
        // The publisher counts and logs what it refuses.
        Ok(permit) => drop(permit.send(publication)),
        // The process is about to end.
        Err(_) => publisher.lose(Loss::Abandoned, publication.kind),
    }
}

fn filters(mut wanted: Vec<TopicFilter>) -> Vec<(String, mqtt::QoS)> {
    wanted.sort_unstable_by(|one, other| (&one.filter, one.qos.level()).cmp(&(&other.filter, other.qos.level())));
    wanted.into_iter().map(|TopicFilter { filter, qos }| (filter, to_mqtt(qos))).collect()
}

fn to_mqtt(qos: QoS) -> mqtt::QoS {
    match qos {
        QoS::AtMostOnce => mqtt::QoS::AtMostOnce,
        QoS::AtLeastOnce => mqtt::QoS::AtLeastOnce,
        QoS::ExactlyOnce => mqtt::QoS::ExactlyOnce,
    }
}

fn from_mqtt(qos: mqtt::QoS) -> QoS {
    match qos {
        mqtt::QoS::AtMostOnce => QoS::AtMostOnce,
        mqtt::QoS::AtLeastOnce => QoS::AtLeastOnce,
        mqtt::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_found_where_the_pattern_has_it() {
        for (topic, pattern, name) in [
            ("ocpp/cs/CP1", "ocpp/cs/*", Some("CP1")),
            ("ocpp/cs/CP1/dn", "ocpp/cs/*/+", Some("CP1")),
            ("cs-CP1-x/2", "cs-*-x/#", Some("CP1")),
            ("ocpp/cs", "ocpp/cs/*", None),
            ("ocpp/cs/", "ocpp/cs/*", None),
            ("cs-CP1-y", "cs-*-x", None),
            ("all", "all", None),
        ] {
            assert_eq!(name_in(topic, &pattern.replace('*', ANYBODY)), name, "{topic} {pattern}");
        }
    }
}
