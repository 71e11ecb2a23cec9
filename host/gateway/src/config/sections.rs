//! The whole configuration, by its sections.

use super::admin::AdminConfig;
use super::drop_in::DropInConfig;
use super::log::LogConfig;
use super::mqtt::MqttConfig;
use super::ocpp::OcppConfig;
use super::presence::{EventsConfig, PresenceConfig};
use super::runtime::RuntimeConfig;
use super::transform::{TransformConfig, ValidationConfig};
use super::trust::TrustConfig;
use super::values::Span;
use ocpp_gateway_mqtt::ProtocolVersion;
use serde::{Deserialize, Serialize};

/// The effective configuration. `Config::default()` is what runs without a file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub ocpp: OcppConfig,
    pub mqtt: MqttConfig,
    pub admin: AdminConfig,
    pub log: LogConfig,
    pub validation: ValidationConfig,
    pub presence: PresenceConfig,
    pub events: EventsConfig,
    pub runtime: RuntimeConfig,
    pub shutdown: ShutdownConfig,
    pub drop_in: DropInConfig,
    pub trust: TrustConfig,
    pub transforms: Vec<TransformConfig>,
}

impl Config {
    /// The configuration as an equivalent file, without secrets. In the configuration of transforms, values whose names
    /// sound like a secret are hidden.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let mut table = toml::Table::try_from(self)?;
        if let Some(mqtt) = table.get_mut("mqtt").and_then(toml::Value::as_table_mut) {
            // With an external broker, the embedded one does not run.
            if self.mqtt.url.is_some() {
                mqtt.remove("embedded");
            }
            if self.mqtt.protocol_version() != Some(ProtocolVersion::V5) {
                mqtt.remove("session_expiry");
            }
        }
        let transforms = table.get_mut("transforms").and_then(toml::Value::as_array_mut);
        for transform in transforms.into_iter().flatten() {
            if let Some(config) = transform.get_mut("config") {
                hide_secrets(config);
            }
        }
        toml::to_string_pretty(&table)
    }
}

/// The endings of names of secrets.
const SECRETS: [&str; 5] = ["key", "secret", "token", "password", "passphrase"];

fn hide_secrets(value: &mut toml::Value) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let name = name.to_ascii_lowercase();
                let harmless = value.is_integer() || value.is_bool();
                if !harmless && SECRETS.iter().any(|secret| name.trim_end_matches('s').ends_with(secret)) {
                    *value = "(hidden)".into();
                } else {
                    hide_secrets(value);
                }
            }
        }
        toml::Value::Array(values) => values.iter_mut().for_each(hide_secrets),
        _ => {}
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct ShutdownConfig {
    /// How long open calls may take to finish when the gateway stops.
    pub grace: Span,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        ShutdownConfig { grace: Span::seconds(10) }
    }
}
