//! What others are told about who is connected where.

use super::{Config, OnDuplicate, TopicTemplate};
use serde::{Deserialize, Serialize};

/// Several gateways on one broker.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Presence {
    /// Where gateways claim charge points; the same for all of them. Absent: this one knows of no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<TopicTemplate>,
}

/// Connection events for back ends. A topic that is absent: none.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Events {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<TopicTemplate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnected: Option<TopicTemplate>,
    /// 0, 1 or 2.
    pub qos: u8,
    pub retain: bool,
}

impl Default for Events {
    fn default() -> Self {
        Events { connected: None, disconnected: None, qos: 1, retain: false }
    }
}

/// What is wrong with these sections, by key.
pub(super) fn faults(config: &Config) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    let mut fault = |key, problem: &str| faults.push((key, problem.to_owned()));
    if config.events.qos > 2 {
        fault("events.qos", "has to be 0, 1 or 2");
    }
    if config.mqtt.status_topic.as_ref().is_some_and(TopicTemplate::names_charge_point) {
        fault("mqtt.status_topic", "is one topic for the whole gateway: there is no ${cid} in it");
    }
    if let Some(claims) = &config.presence.claims {
        if claims.filter().is_none() {
            fault("presence.claims", "${cid} has to be one whole level of it, such as in ocpp/claims/${cid}");
        }
        if claims.names_gateway() {
            fault("presence.claims", "has to be the same topic for all gateways: there is no ${gateway} in it");
        }
        if config.ocpp.on_duplicate == OnDuplicate::Refuse {
            fault("presence.claims", "contradicts ocpp.on_duplicate = \"refuse\": the newest claim wins");
        }
    }
    faults
}
