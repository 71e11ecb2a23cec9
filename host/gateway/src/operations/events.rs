//! Live events of the gateway.

use super::names;
use ocpp_gateway_pipeline::{SwapReport, TransformChange, TrialStatus};
use serde::Serialize;
use std::time::SystemTime;
use strum::{EnumCount, EnumDiscriminants, EnumString, IntoStaticStr, VariantArray};

/// The longest text in an event that comes from a charge point, a back end or a transform, in bytes. With the number of
/// events that may wait, it limits their memory.
pub(super) const MAX_TEXT_LENGTH: usize = 1024;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, EnumDiscriminants)]
#[serde(tag = "event", rename_all = "snake_case")]
#[strum_discriminants(name(EventKind), derive(EnumCount, EnumString, IntoStaticStr, VariantArray))]
#[strum_discriminants(strum(serialize_all = "snake_case"), doc = "The kind of an event. As text: its name.")]
pub enum GatewayEvent {
    /// A charge point has connected.
    Connected { charge_point: String, version: &'static str, address: String, listener: String },
    /// A connection has ended.
    Disconnected {
        charge_point: String,
        /// As in the metric `closed`.
        reason: &'static str,
        text: String,
    },
    /// A connection was refused before it was that of a charge point.
    Refused {
        address: String,
        /// The name of the listener.
        listener: String,
        /// The identity in the request, if it was read: it is not verified.
        #[serde(skip_serializing_if = "Option::is_none")]
        identity: Option<String>,
        /// The subject of the client's certificate, if it sent one.
        #[serde(skip_serializing_if = "Option::is_none")]
        certificate: Option<String>,
        /// As in the metrics `refused` and `closed`.
        reason: &'static str,
        text: String,
    },
    /// A message was dropped, was refused or failed.
    Incident {
        charge_point: String,
        /// The direction of the message: `uplink` or `downlink`.
        direction: &'static str,
        /// As in the metric `incidents`.
        cause: &'static str,
        message_id: String,
        action: String,
        /// The transform that was involved.
        #[serde(skip_serializing_if = "Option::is_none")]
        transform: Option<String>,
        /// The version that this transform gives itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        transform_version: Option<String>,
        text: String,
    },
    /// Transforms were replaced, or the attempt failed.
    Swap {
        /// As in the metric `transform_swaps`.
        outcome: &'static str,
        /// Why the swap failed, or why a version was rolled back automatically.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The transforms that changed; after a failure, those that were to change, as they run.
        transforms: Vec<TransformChange>,
    },
    /// A trial has started or ended.
    Trial {
        transform: String,
        /// `shadow` or `canary`.
        mode: &'static str,
        /// `started`, `promoted`, `ended` or `failed`.
        outcome: &'static str,
        /// Why it has ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

impl From<&TrialStatus> for GatewayEvent {
    fn from(TrialStatus { name, mode, end, .. }: &TrialStatus) -> Self {
        let (transform, mode) = (name.clone(), names::trial_mode(*mode));
        let outcome = end.as_ref().map_or("started", |end| names::trial_ending(end.how));
        GatewayEvent::Trial { transform, mode, outcome, reason: end.as_ref().map(|end| end.reason.clone()) }
    }
}

impl From<&SwapReport> for GatewayEvent {
    fn from(report: &SwapReport) -> Self {
        let SwapReport { outcome, transforms, reason } = report.clone();
        GatewayEvent::Swap { outcome: names::outcome(outcome), reason, transforms }
    }
}

/// An event with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimedEvent {
    /// RFC 3339, in UTC, with milliseconds.
    pub time: String,
    #[serde(flatten)]
    pub event: GatewayEvent,
}

impl GatewayEvent {
    pub fn kind(&self) -> EventKind {
        self.into()
    }

    pub fn name(&self) -> &'static str {
        self.kind().into()
    }

    /// The charge point that it is about. That of a refused connection is not verified.
    pub fn identity(&self) -> Option<&str> {
        match self {
            GatewayEvent::Connected { charge_point, .. }
            | GatewayEvent::Disconnected { charge_point, .. }
            | GatewayEvent::Incident { charge_point, .. } => Some(charge_point),
            GatewayEvent::Refused { identity, .. } => identity.as_deref(),
            GatewayEvent::Swap { .. } | GatewayEvent::Trial { .. } => None,
        }
    }

    /// Cuts texts that are too long.
    pub(super) fn cut(&mut self) {
        match self {
            // An identity has a limit of its own.
            GatewayEvent::Connected { .. } => {}
            GatewayEvent::Disconnected { text, .. } => cut(text),
            GatewayEvent::Refused { certificate, text, .. } => certificate.iter_mut().chain([text]).for_each(cut),
            GatewayEvent::Incident { message_id, action, text, .. } => {
                [message_id, action, text].into_iter().for_each(cut)
            }
            GatewayEvent::Swap { reason, .. } | GatewayEvent::Trial { reason, .. } => reason.iter_mut().for_each(cut),
        }
    }
}

fn cut(text: &mut String) {
    if text.len() > MAX_TEXT_LENGTH {
        text.truncate(text.floor_char_boundary(MAX_TEXT_LENGTH));
        text.push('…');
        // Frees the memory of the rest.
        text.shrink_to_fit();
    }
}

/// A moment as the API writes it.
pub fn rfc3339(moment: SystemTime) -> String {
    humantime::format_rfc3339_millis(moment).to_string()
}

/// A moment as recordings have it.
pub fn rfc3339_micros(moment: SystemTime) -> String {
    humantime::format_rfc3339_micros(moment).to_string()
}
