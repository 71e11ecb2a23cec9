//! What others are told about who is connected where.

use super::topic::TopicTemplate;
use serde::{Deserialize, Serialize};

/// Several gateways on one broker.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PresenceConfig {
    /// Where gateways claim charge points; the same for all of them. Absent: this one knows of no others.
    pub claims: Option<TopicTemplate>,
}

/// Connection events for back ends. A topic that is absent: none.
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
