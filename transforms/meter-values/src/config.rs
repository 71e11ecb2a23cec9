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
}

impl Default for Config {
    fn default() -> Self {
        Config { energy: Energy::Wh, power: Power::W, fill_defaults: true }
    }
}

impl Config {
    pub(crate) fn targets(&self) -> Targets {
        Targets { energy: self.energy, power: self.power }
    }
}
