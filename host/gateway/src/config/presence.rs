//! `[presence]` and `[events]`: claims for other gateways, and connection events for back ends.

use super::topic::TopicTemplate;
use serde::{Deserialize, Serialize};

/// Several gateways on one broker.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PresenceConfig {
    /// The topic on which gateways claim charge points; the same for all gateways. Absent: there are no other gateways.
    pub claims: Option<TopicTemplate>,
}

/// Connection events for back ends. An absent topic: no such events.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct EventsConfig {
    pub connected: Option<TopicTemplate>,
    pub disconnected: Option<TopicTemplate>,
    /// 0, 1 or 2.
    pub qos: u8,
    pub retain: bool,
}

impl Default for EventsConfig {
    fn default() -> Self {
        EventsConfig { connected: None, disconnected: None, qos: 1, retain: false }
    }
}
