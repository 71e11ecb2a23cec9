//! The settings, `[transforms.config]` of the gateway's configuration, as JSON.

pub use crate::levels::Types;
use ocpp_transform::qos;
use serde::Deserialize;

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The prefix of every topic, used as it is: end it with a slash.
    pub mountpoint: String,
    /// How topics name the type of a message, in both directions.
    pub types: Types,
    pub uplink: Uplink,
    pub downlink: Downlink,
}

/// Messages from charge points.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Uplink {
    /// 0 to 2.
    #[serde(deserialize_with = "qos")]
    pub qos: u8,
    pub retain: bool,
}

/// Messages to charge points.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Downlink {
    /// QoS of the subscription, 0 to 2.
    #[serde(deserialize_with = "qos")]
    pub qos: u8,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            mountpoint: "ocpp/".into(),
            types: Types::default(),
            uplink: Uplink::default(),
            downlink: Downlink::default(),
        }
    }
}

impl Default for Uplink {
    fn default() -> Self {
        Uplink { qos: 1, retain: false }
    }
}

impl Default for Downlink {
    fn default() -> Self {
        Downlink { qos: 1 }
    }
}
