//! Routes messages between charge points and the broker, independent of their connections.
//!
//! Uplink: from frame through transforms to publications. Downlink: from MQTT message through transforms to frames. For
//! a message that does not arrive, the gateway makes an error frame, which the mapping handles like any other frame.

use super::echoes::Echoes;
use super::memory::QueueMemory;
use crate::operations::event_bus::EventBus;
use crate::operations::events::GatewayEvent;
use crate::operations::metrics::Metrics;
use crate::operations::names;
use arc_swap::ArcSwap;
use ocpp_gateway_core::session::{Direction, Incident};
use ocpp_gateway_core::{
    Attributes, Fault, Frame, Identity, Peer, Publish, QoS, TopicFilter, UnansweredCalls, Version,
};
use ocpp_gateway_mqtt::{self as mqtt, Loss, Publication, Publisher};
use ocpp_gateway_pipeline::{
    self as pipeline, Answer, Cause, DownlinkOutcome, Failure, Generation, NotMapped, Pipeline, TraceStep, Tracing,
    TransformIncident, UplinkOutcome,
};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;
use tracing::{Level, debug, info, trace, warn};

/// Routes the messages of all charge points.
pub struct MessageRouter {
    pub pipeline: Pipeline,
    pub publisher: Publisher,
    pub metrics: Metrics,
    /// Events for operators.
    pub events: Arc<EventBus>,
    pub memory: QueueMemory,
    /// Recent publications, to detect echoes.
    pub echoes: Echoes,
    /// What charge points that are not connected may be like, the likeliest first.
    pub expected: ArcSwap<Vec<ExpectedPeer>>,
}

/// What a mapping has to know of a charge point to name its topics, besides its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedPeer {
    pub version: Version,
    pub attributes: Attributes,
}

/// The result of routing a frame of a charge point.
#[derive(Debug)]
pub struct Uplinked {
    pub publications: Vec<Publication>,
    /// Index of the publication that the mapping made of the frame, if any.
    pub mapped: Option<usize>,
    /// The answer of a transform to the charge point, if any.
    pub answer: Option<Answer>,
    /// A transform dropped the frame, so no back end can answer it.
    pub is_dropped: bool,
    /// What transforms dropped, rejected or failed at.
    pub incidents: Vec<TransformIncident>,
    /// What each stage made of it; empty if it was not traced.
    pub steps: Vec<TraceStep>,
}

/// The result of routing a message of a back end.
#[derive(Debug)]
pub struct Downlinked {
    pub frames: Vec<Frame<'static>>,
    /// Additional publications of transforms.
    pub publications: Vec<Publication>,
    /// Why the message was not mapped to a frame, if so.
    pub not_mapped: Option<NotMapped>,
    /// What transforms dropped, rejected or failed at.
    pub incidents: Vec<TransformIncident>,
    /// What each stage made of it; empty if it was not traced.
    pub steps: Vec<TraceStep>,
}

/// An incident of a message, for metrics, events and the log.
struct IncidentRecord<'a> {
    direction: Direction,
    fault: Fault,
    id: &'a str,
    action: &'a str,
    /// Name and version of the transform that caused it.
    transform: Option<(&'a str, &'a str)>,
    text: &'a dyn Display,
}

impl MessageRouter {
    /// The topics on which back ends reach `peer`, sorted by filter.
    pub fn subscriptions(&self, generation: &Generation, peer: &Peer) -> Result<Vec<(String, mqtt::QoS)>, Failure> {
        self.pipeline.subscriptions(generation, peer).map(filters)
    }

    /// The charge point that the mappings assign to this topic, whether it is connected or not, and the generation that
    /// has the topic: the newest, or an older one that is still in use. `None` if no mapping has the topic, or the
    /// topic contains no identity.
    pub fn recipient(&self, topic: &str) -> Option<(Generation, Peer)> {
        let expected = self.expected.load();
        self.pipeline.generations().into_iter().find_map(|generation| {
            let peer = expected.iter().find_map(|expected| self.recipient_in(&generation, topic, expected))?;
            // Another version may be on trial for it, on the same topics.
            let own = self.pipeline.newest_for(&peer.identity);
            Some((if self.has_topic(&own, &peer, topic) { own } else { generation }, peer))
        })
    }

    fn recipient_in(&self, generation: &Generation, topic: &str, expected: &ExpectedPeer) -> Option<Peer> {
        let ExpectedPeer { version, attributes } = expected;
        let peer = |name: &str| {
            let identity = Identity::new(name, usize::MAX).ok()?;
            Some(Peer { identity, version: *version, connection: u32::MAX, attributes: attributes.clone() })
        };
        let wanted = self.pipeline.subscriptions(generation, &peer(IDENTITY_PLACEHOLDER)?).ok()?;
        wanted.iter().filter_map(|pattern| identity_in(topic, &pattern.filter)).find_map(|name| {
            let peer = peer(name)?;
            self.has_topic(generation, &peer, topic).then_some(peer)
        })
    }

    /// The generation that reads a message for `peer` on this topic if the charge point is not connected: the newest
    /// that has the topic, or else the newest.
    pub fn reader(&self, peer: &Peer, topic: &str) -> Generation {
        let newest = self.pipeline.newest_for(&peer.identity);
        let others = self.pipeline.generations();
        if others.len() == 1 || self.has_topic(&newest, peer, topic) {
            return newest;
        }
        others.into_iter().find(|other| self.has_topic(other, peer, topic)).unwrap_or(newest)
    }

    fn has_topic(&self, generation: &Generation, peer: &Peer, topic: &str) -> bool {
        let wanted = self.pipeline.subscriptions(generation, peer);
        wanted.is_ok_and(|wanted| wanted.iter().any(|wanted| mqtt::topic_matches(topic, &wanted.filter)))
    }

    /// Routes a frame of `peer` through the transforms of one generation. `expires`, in the broker's time: when the
    /// CALL times out, so that an answer is of no use any more.
    pub fn uplink(
        &self,
        generation: &Generation,
        peer: &Peer,
        frame: &Frame<'_>,
        expires: Option<Instant>,
        tracing: Tracing,
    ) -> Uplinked {
        let kind = frame.kind.name();
        debug!(
            charge_point = %peer.identity,
            message_id = %frame.id,
            action = frame.action_name(),
            "{kind} from the charge point"
        );
        let UplinkOutcome { publishes, mapped, answer, is_dropped, incidents, steps } =
            self.pipeline.uplink_with(generation, peer, frame, tracing);
        self.metrics.message(Direction::Uplink, frame.kind);
        self.incidents(peer, Direction::Uplink, &frame.id, frame.action_name(), &incidents);
        let publications = publications(peer, publishes, kind, expires);
        Uplinked { publications, mapped, answer, is_dropped, incidents, steps }
    }

    /// Takes an MQTT message for `peer` through the transforms of one generation. `unanswered`: open CALLs of the
    /// charge point. The outcome has no effect until it is given to [`MessageRouter::downlinked`].
    pub fn read(
        &self,
        generation: &Generation,
        peer: &Peer,
        message: &mqtt::Message,
        unanswered: UnansweredCalls<'_>,
        tracing: Tracing,
    ) -> DownlinkOutcome {
        let mqtt::Message { topic, payload, qos, retain, .. } = message;
        trace!(charge_point = %peer.identity, topic, "from a back end: {}", String::from_utf8_lossy(payload));
        let message = pipeline::Message { topic, payload, qos: from_mqtt(*qos), retain: *retain };
        self.pipeline.downlink_with(generation, peer, &message, unanswered, tracing)
    }

    /// [`read`](Self::read) followed by [`downlinked`](Self::downlinked).
    pub fn downlink(
        &self,
        generation: &Generation,
        peer: &Peer,
        message: &mqtt::Message,
        unanswered: UnansweredCalls<'_>,
    ) -> Downlinked {
        self.downlinked(peer, self.read(generation, peer, message, unanswered, Tracing::Off))
    }

    /// Counts and logs the outcome of a message for `peer`.
    pub fn downlinked(&self, peer: &Peer, read: DownlinkOutcome) -> Downlinked {
        let DownlinkOutcome { frames, publishes, not_mapped, incidents, rejected, steps } = read;
        let sent = || frames.first().map(|frame| (&*frame.id, frame.action_name()));
        let rejected = rejected.as_ref().map(|(id, action)| (&**id, &**action));
        let (id, action) = rejected.or_else(sent).unwrap_or_default();
        self.incidents(peer, Direction::Downlink, id, action, &incidents);
        let publications = publications(peer, publishes, REPORT, None);
        self.echoes.record(&publications, Some(peer.identity.as_str()));
        Downlinked { publications, frames, not_mapped, incidents, steps }
    }

    /// Publications of the transforms when `peer` connects.
    pub fn connected(&self, generation: &Generation, peer: &Peer) -> Vec<Publication> {
        self.event(peer, self.pipeline.connected(generation, peer))
    }

    /// Publications of the transforms when `peer` disconnects.
    pub fn disconnected(&self, generation: &Generation, peer: &Peer, reason: &str) -> Vec<Publication> {
        self.event(peer, self.pipeline.disconnected(generation, peer, reason))
    }

    fn event(&self, peer: &Peer, UplinkOutcome { publishes, incidents, .. }: UplinkOutcome) -> Vec<Publication> {
        self.incidents(peer, Direction::Uplink, "", "", &incidents);
        publications(peer, publishes, "event", None)
    }

    /// Counts and logs incidents that transforms caused.
    fn incidents(&self, peer: &Peer, direction: Direction, id: &str, action: &str, incidents: &[TransformIncident]) {
        for incident in incidents {
            let fault = match &incident.cause {
                Cause::Dropped(_) => Fault::Dropped,
                Cause::Rejected(_) | Cause::Failed(Failure::Refused(_)) => Fault::Rejected,
                Cause::Invalid { fault, .. } => *fault,
                Cause::Failed(_) => Fault::Internal,
            };
            let level = match &incident.cause {
                // Logged: a refused message may lose a transaction, and one that passes is reported nowhere else.
                Cause::Invalid { .. } => Level::INFO,
                _ if fault == Fault::Internal => Level::WARN,
                // A transform may do this to every message, which would flood the log.
                _ => Level::DEBUG,
            };
            let transform = Some((&*incident.transform, &*incident.version));
            let text = &incident.cause;
            self.record(peer, level, &IncidentRecord { direction, fault, id, action, transform, text });
        }
    }

    /// Counts and logs that a message did not arrive.
    pub fn incident(&self, peer: &Peer, Incident { direction, fault, id, action, detail }: &Incident) {
        let level = match fault {
            // A charge point may cause these at any rate, which would flood the log.
            Fault::BadFrame
            | Fault::UnreadableFrame
            | Fault::UnknownMessageType
            | Fault::IdInUse
            | Fault::Duplicate => Level::DEBUG,
            _ => Level::INFO,
        };
        let (direction, fault) = (*direction, *fault);
        self.record(peer, level, &IncidentRecord { direction, fault, id, action, transform: None, text: detail });
    }

    fn record(&self, peer: &Peer, level: Level, record: &IncidentRecord<'_>) {
        let &IncidentRecord { direction, fault, id, action, transform, text } = record;
        self.metrics.incident(direction, fault);
        let (direction, cause) = (names::direction(direction), fault.name());
        self.events.incident(|| GatewayEvent::Incident {
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

    /// Maps an error frame of the gateway for back ends. If the mapping fails, that is only counted and logged.
    pub fn report(&self, generation: &Generation, peer: &Peer, frame: &Frame<'static>, tracing: Tracing) -> Uplinked {
        let UplinkOutcome { publishes, mapped, answer, is_dropped, incidents, steps } =
            self.pipeline.report(generation, peer, frame, tracing);
        self.incidents(peer, Direction::Uplink, &frame.id, frame.action_name(), &incidents);
        let publications = publications(peer, publishes, frame.kind.name(), None);
        self.echoes.record(&publications, None);
        Uplinked { publications, mapped, answer, is_dropped, incidents, steps }
    }
}

/// [`Publication::kind`] of publications that a message of a back end causes: additional publications of transforms,
/// and error reports.
pub const REPORT: &str = "report";

/// Stands for an identity in a topic pattern. No charge point has this identity.
const IDENTITY_PLACEHOLDER: &str = "ocpp-gateway any identity";

/// The part of `topic` where `pattern` has [`IDENTITY_PLACEHOLDER`].
fn identity_in<'a>(topic: &'a str, pattern: &str) -> Option<&'a str> {
    let (level, text) = pattern.split('/').enumerate().find(|(_, text)| text.contains(IDENTITY_PLACEHOLDER))?;
    let (before, after) = text.split_once(IDENTITY_PLACEHOLDER)?;
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

/// Publishes as soon as the publisher's queue has room.
pub async fn publish(publisher: Publisher, publication: Publication) {
    match publisher.reserve().await {
        // The publisher counts and logs what it refuses.
        Ok(permit) => drop(permit.send(publication)),
        // The process is about to end.
        Err(_) => publisher.count_loss(Loss::Abandoned, publication.kind),
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
    fn identity_is_found_in_a_topic() {
        for (topic, pattern, name) in [
            ("ocpp/cs/CP1", "ocpp/cs/*", Some("CP1")),
            ("ocpp/cs/CP1/dn", "ocpp/cs/*/+", Some("CP1")),
            ("cs-CP1-x/2", "cs-*-x/#", Some("CP1")),
            ("ocpp/cs", "ocpp/cs/*", None),
            ("ocpp/cs/", "ocpp/cs/*", None),
            ("cs-CP1-y", "cs-*-x", None),
            ("all", "all", None),
        ] {
            assert_eq!(identity_in(topic, &pattern.replace('*', IDENTITY_PLACEHOLDER)), name, "{topic} {pattern}");
        }
    }
}
