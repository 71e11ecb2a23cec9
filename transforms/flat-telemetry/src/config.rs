//! The settings, `[transforms.config]` of the gateway's configuration, as JSON.

use ocpp_transform::qos;
use serde::Deserialize;

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The topic of a sample. `${cid}`: the charge point; `${connector}`, `${evse}`, `${measurand}`, `${phase}`,
    /// `${unit}`, `${context}`: of the sample, `-` if not known.
    pub topic: String,
    /// The topic of an array with all samples of a frame. `${cid}`, `${connector}` and `${evse}` only.
    pub batch_topic: String,
    /// The most samples of one frame that are published one by one; of a frame with more, all go as one array. 0:
    /// always an array. Set it one below the `actions` that the gateway allows this transform per call, as the frame
    /// itself takes one.
    pub max_messages: usize,
    /// The most bytes of JSON text for one frame; samples beyond them are left out. Set it a little below what the
    /// gateway allows this transform per call, as topics count too.
    pub max_bytes: usize,
    /// 0 to 2.
    #[serde(deserialize_with = "qos")]
    pub qos: u8,
    pub retain: bool,
    pub then: Then,
}

/// How the frame itself is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// It passes to the back end.
    #[default]
    Pass,
    /// A MeterValues is answered by the transform if all its samples are published and none of them is signed.
    /// Everything else passes.
    Reply,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            topic: "telemetry/${cid}/${measurand}".into(),
            batch_topic: "telemetry/${cid}".into(),
            max_messages: 15,
            max_bytes: 240 << 10,
            qos: 1,
            retain: false,
            then: Then::default(),
        }
    }
}
