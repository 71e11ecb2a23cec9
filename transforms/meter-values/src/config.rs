//! The settings, `[transforms.config]` of the gateway's configuration, as JSON.

use crate::unit::{Energy, Power, Targets};
use serde::Deserialize;

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What energy is converted to.
    pub energy: Energy,
    /// What power is converted to.
    pub power: Power,
    /// Whether what the specification takes for granted is written out.
    pub fill_defaults: bool,
    /// How large a payload may become; or twice its size, which the gateway always allows. To be a little less than the
    /// `output` that it allows this transform per call, as the rest of the frame counts too.
    pub max_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config { energy: Energy::Wh, power: Power::W, fill_defaults: true, max_bytes: 240 << 10 }
    }
}

impl Config {
    pub(crate) fn targets(&self) -> Targets {
        Targets { energy: self.energy, power: self.power }
    }
}
