//! The settings, `[transforms.config]` of the gateway's configuration, as JSON.

use ocpp_transform::qos;
use serde::Deserialize;
use std::collections::BTreeMap;

/// All settings. An absent setting has the value of the [contract](crate).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The prefix of every topic, used as it is: end it with a slash. Before it stands that of the listener of a charge point
    /// (attribute `mountpoint`), unless a template has `${mountpoint}` elsewhere.
    pub mountpoint: String,
    pub uplink: Uplink,
    pub downlink: Downlink,
}

/// Topics of messages from charge points. `${cid}`, `${clientid}`: the charge point; `${action}`: the action; `${id}`:
/// the message id; `${type}`: the number of the message type; `${mountpoint}`: the mount point of the listener.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Uplink {
    /// CALL and SEND.
    pub topic: String,
    /// CALLRESULT.
    pub reply_topic: String,
    /// CALLERROR and CALLRESULTERROR.
    pub error_topic: String,
    /// Topics by action, used instead of `topic`.
    pub topic_overrides: BTreeMap<String, String>,
    /// 0 to 2.
    #[serde(deserialize_with = "qos")]
    pub qos: u8,
    pub retain: bool,
}

/// The topic of messages to a charge point. It is subscribed to without wildcards, so that only the charge point may
/// occur in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Downlink {
    pub topic: String,
    /// 0 to 2.
    #[serde(deserialize_with = "qos")]
    pub qos: u8,
}

impl Default for Config {
    fn default() -> Self {
        Config { mountpoint: "ocpp/".into(), uplink: Uplink::default(), downlink: Downlink::default() }
    }
}

impl Default for Uplink {
    fn default() -> Self {
        Uplink {
            topic: "cp/${cid}".into(),
            reply_topic: "cp/${cid}/Reply".into(),
            error_topic: "cp/${cid}/Reply".into(),
            topic_overrides: BTreeMap::new(),
            qos: 1,
            retain: false,
        }
    }
}

impl Default for Downlink {
    fn default() -> Self {
        Downlink { topic: "cs/${cid}".into(), qos: 1 }
    }
}
