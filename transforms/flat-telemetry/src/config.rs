//! The settings, `[transforms.config]` of the gateway's configuration, as JSON.

use ocpp_transform::qos;
use serde::Deserialize;

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where a sample goes. `${cid}`: the charge point; `${connector}`, `${evse}`, `${measurand}`, `${phase}`,
    /// `${unit}`, `${context}`: of the sample, `-` if not known.
    pub topic: String,
    /// Where the samples of a frame go as one array. `${cid}`, `${connector}` and `${evse}` only.
    pub batch_topic: String,
    /// Samples of one frame that go out one by one; of a frame with more, all go as one array. 0: always an array. One
    /// less than the `actions` that the gateway allows this transform per call, as the frame itself takes one.
    pub max_messages: usize,
    /// All JSON text that one frame is turned into; samples beyond it are left out. To be a little less than what the
    /// gateway allows this transform per call, as topics count too.
    pub max_bytes: usize,
    /// 0 to 2.
    #[serde(deserialize_with = "qos")]
    pub qos: u8,
    pub retain: bool,
    pub then: Then,
}

/// What becomes of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// It goes on to the back end.
    #[default]
    Pass,
    /// A MeterValues all of whose samples are published, and none of them signed, is answered here. Everything else
    /// passes.
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
