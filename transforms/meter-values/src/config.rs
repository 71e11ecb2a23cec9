//! The settings, `[transforms.config]` of the gateway's configuration, as JSON.

use crate::unit::{Energy, Power, Targets};
use serde::Deserialize;

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The unit to which energy is converted.
    pub energy: Energy,
    /// The unit to which power is converted.
    pub power: Power,
    /// Whether the defaults of the specification are written out.
    pub fill_defaults: bool,
    /// The most bytes of a mended payload, or twice its original size, which the gateway always allows. Set it a little
    /// below the `output` that the gateway allows this transform per call, as the rest of the frame counts too.
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
