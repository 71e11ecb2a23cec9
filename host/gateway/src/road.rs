//! The road that a message takes between a charge point and the broker, without either end.
//!
//! Uplink: frame, mapping, topic. Downlink: message, mapping, frame. And the way of those that do not arrive: an error
//! frame of the gateway's own, which travels through the mapping like any other.

use crate::metrics::{self, Metrics};
use ocpp_gateway_core::session::{Direction, Incident};
use ocpp_gateway_core::{CallError, Fault, Frame, Peer, Publish, QoS};
use ocpp_gateway_mqtt::{self as mqtt, Publication, Publisher};
use ocpp_gateway_pipeline::{self as pipeline, Failure, OnError, Pipeline};
use std::time::Instant;
use tracing::{debug, info, warn};

/// All that charge points and back ends learn of a failure inside; the rest is for the log.
const NOT_MAPPED: &str = "the gateway could not map this message";

/// What every message needs, whosever it is.
pub struct Road {
    pub pipeline: Pipeline,
    pub publisher: Publisher,
    pub metrics: Metrics,
}

/// A message for a charge point that the mapping did not take.
#[derive(Debug)]
pub struct NotMapped {
    pub fault: Fault,
    /// The message id; empty where it could not be read.
    pub id: String,
    pub text: String,
}

impl Road {
    /// The topics on which back ends reach `peer`.
    pub fn subscriptions(&self, peer: &Peer) -> Result<Vec<(String, mqtt::QoS)>, Failure> {
        let filters = self.pipeline.subscriptions(peer)?;
        Ok(filters.into_iter().map(|wanted| (wanted.filter, to_mqtt(wanted.qos))).collect())
    }

    /// Maps a frame of `peer`. `expires` is when back ends have no use for it any more, because the charge point will
    /// have been told that nobody answered.
    pub fn uplink(
        &self,
        peer: &Peer,
        frame: &Frame<'_>,
        expires: Option<Instant>,
    ) -> Result<Vec<Publication>, CallError> {
        let mapped = match self.pipeline.to_mqtt(peer, frame) {
            Ok(mapped) => mapped,
            Err(failure) => return self.not_published(peer, frame, failure),
        };
        let kind = frame.kind.name();
        debug!(charge_point = %peer.identity, message_id = %frame.id, action = frame.action_name(), "{kind} from the charge point");
        self.metrics.message(Direction::Uplink, frame.kind);
        Ok(mapped.into_iter().map(|publish| publication(publish, kind, expires)).collect())
    }

    /// Maps an MQTT message for `peer`; an error says what to report to whoever sent it.
    pub fn downlink(&self, peer: &Peer, message: &mqtt::Message) -> Result<Vec<Frame<'static>>, NotMapped> {
        let mqtt::Message { topic, payload, qos, retain, .. } = message;
        let message = pipeline::Message { topic, payload, qos: from_mqtt(*qos), retain: *retain };
        match self.pipeline.from_mqtt(peer, &message) {
            Ok(frames) => Ok(frames),
            Err(Failure::Refused(refusal)) => {
                let id = refusal.message_id().unwrap_or_default();
                Err(NotMapped { fault: Fault::NotUnderstood, id, text: refusal.description })
            }
            Err(failure) => {
                warn!(charge_point = %peer.identity, topic, "a message could not be mapped: {failure}");
                Err(NotMapped { fault: Fault::Internal, id: String::new(), text: NOT_MAPPED.into() })
            }
        }
    }

    /// Counts and logs that a message took another road than it should have.
    pub fn incident(&self, peer: &Peer, incident: &Incident) {
        let Incident { direction, fault, id, action, detail } = incident;
        self.metrics.incident(*direction, *fault);
        macro_rules! log {
            ($level:ident) => {
                $level!(
                    charge_point = %peer.identity,
                    message_id = %id,
                    action = %action,
                    direction = metrics::name(*direction),
                    cause = fault.name(),
                    "{detail}"
                )
            };
        }
        match fault {
            // What a charge point can do as often as it likes must not fill the log.
            Fault::BadFrame
            | Fault::UnreadableFrame
            | Fault::UnknownMessageType
            | Fault::CallAlreadyOpen
            | Fault::IdInUse => log!(debug),
            _ => log!(info),
        }
    }

    /// Maps an error frame that the gateway made for back ends. If even that cannot be mapped, the log is all that is left.
    pub fn report(&self, peer: &Peer, frame: &Frame<'static>) -> Vec<Publication> {
        self.uplink(peer, frame, None).unwrap_or_else(|error| {
            warn!(charge_point = %peer.identity, message_id = %frame.id, "a report is lost: {}", error.description);
            self.metrics.incident(Direction::Uplink, Fault::Internal);
            Vec::new()
        })
    }

    fn not_published(&self, peer: &Peer, frame: &Frame<'_>, failure: Failure) -> Result<Vec<Publication>, CallError> {
        if let Failure::Refused(refusal) = failure {
            let details = if refusal.details.starts_with('{') { refusal.details } else { "{}".into() };
            return Err(CallError {
                code: refusal.code.into(),
                description: refusal.description.into(),
                details: details.into(),
            });
        }
        let (id, action) = (&*frame.id, frame.action_name());
        warn!(charge_point = %peer.identity, message_id = id, action, "a message could not be mapped: {failure}");
        match self.pipeline.on_error() {
            OnError::Drop => {
                self.metrics.incident(Direction::Uplink, Fault::Internal);
                Ok(Vec::new())
            }
            OnError::Reject | OnError::Bypass => Err(Fault::Internal.error(peer.version, NOT_MAPPED)),
        }
    }
}

fn publication(publish: Publish, kind: &'static str, expires: Option<Instant>) -> Publication {
    let Publish { topic, payload, qos, retain, .. } = publish;
    Publication { topic, payload: payload.into(), qos: to_mqtt(qos), retain, expires, kind }
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
