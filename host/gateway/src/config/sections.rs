//! The whole configuration, by its sections.

use super::admin::AdminConfig;
use super::drop_in::DropInConfig;
use super::json::json;
use super::listener::{Listener, ListenerConfig};
use super::log::LogConfig;
use super::mqtt::MqttConfig;
use super::ocpp::OcppConfig;
use super::presence::{EventsConfig, PresenceConfig};
use super::runtime::RuntimeConfig;
use super::storage::StorageConfig;
use super::transform::{TransformConfig, ValidationConfig, hide_secrets};
use super::trust::TrustConfig;
use super::values::Span;
use ocpp_gateway_mqtt::ProtocolVersion;
use serde::{Deserialize, Serialize};

/// The effective configuration. `Config::default()` is what runs without a file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub ocpp: OcppConfig,
    pub listeners: Vec<ListenerConfig>,
    pub mqtt: MqttConfig,
    pub admin: AdminConfig,
    pub log: LogConfig,
    pub validation: ValidationConfig,
    pub presence: PresenceConfig,
    pub events: EventsConfig,
    pub runtime: RuntimeConfig,
    pub shutdown: ShutdownConfig,
    pub drop_in: DropInConfig,
    pub storage: StorageConfig,
    pub trust: TrustConfig,
    pub transforms: Vec<TransformConfig>,
}

impl Config {
    /// All listeners for charge points, that of `[ocpp]` first.
    pub fn all_listeners(&self) -> Vec<Listener> {
        Listener::all(&self.ocpp, &self.listeners)
    }

    /// The configuration as an equivalent file, without secrets. In the configuration of transforms, values whose names
    /// sound like a secret are hidden.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(&self.shown()?)
    }

    /// The same as JSON: sections with their keys.
    pub fn to_json(&self) -> Result<serde_json::Value, toml::ser::Error> {
        Ok(json(&toml::Value::Table(self.shown()?)))
    }

    /// What is printed, without secrets.
    fn shown(&self) -> Result<toml::Table, toml::ser::Error> {
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
            if let Some(transform) = transform.as_table_mut() {
                hide_secrets(transform);
            }
        }
        Ok(table)
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
