//! The settings, `[transforms.config]` of the gateway's configuration, as JSON.

use crate::Standard;
use crate::facts::{Fact, Template};
use ocpp_transform::{qos, topic};
use serde::Deserialize;
use std::collections::BTreeMap;

/// All settings. Whatever is absent has the value of the [contract](crate).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Stands before every topic, as it is: end it with a slash.
    pub mountpoint: String,
    pub uplink: Uplink,
    pub downlink: Downlink,
}

/// Topics for what comes from charge points. `${cid}`, `${clientid}`: the charge point; `${action}`: the action;
/// `${id}`: the message id; `${type}`: the number of the message type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Uplink {
    /// CALL and SEND.
    pub topic: String,
    /// CALLRESULT.
    pub reply_topic: String,
    /// CALLERROR and CALLRESULTERROR.
    pub error_topic: String,
    /// Instead of `topic`, by action.
    pub topic_overrides: BTreeMap<String, String>,
    /// 0 to 2.
    #[serde(deserialize_with = "qos")]
    pub qos: u8,
    pub retain: bool,
}

/// The topic for what goes to a charge point: exact, so only the charge point may occur in it.
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

impl Config {
    /// Compiles the templates. The error names the key.
    pub(crate) fn compile(&self) -> Result<Standard, String> {
        let template = |key: &str, text: &str| {
            Template::parse(&format!("{}{text}", self.mountpoint)).map_err(|fault| format!("{key}: {fault}"))
        };
        topic::check(&self.mountpoint).map_err(|fault| format!("mountpoint: {fault}"))?;
        let commands = template("downlink.topic", &self.downlink.topic)?;
        if commands.placeholders().any(|fact| fact != Fact::ChargePoint) {
            return Err("downlink.topic: only ${cid} and ${clientid} are known when the gateway subscribes".into());
        }
        let calls_by_action = self.uplink.topic_overrides.iter().map(|(action, text)| {
            let key = format!("uplink.topic_overrides.{action}");
            Ok((action.clone(), template(&key, text)?))
        });
        Ok(Standard {
            calls: template("uplink.topic", &self.uplink.topic)?,
            calls_by_action: calls_by_action.collect::<Result<_, String>>()?,
            replies: template("uplink.reply_topic", &self.uplink.reply_topic)?,
            errors: template("uplink.error_topic", &self.uplink.error_topic)?,
            commands,
            uplink_qos: self.uplink.qos,
            downlink_qos: self.downlink.qos,
            retain: self.uplink.retain,
        })
    }
}
