//! What the gateway can be told: the sections and keys of the configuration, with their defaults.
//!
//! [`load`] reads them from a TOML file and the environment; `keys` says which there are. What the files say that a
//! configuration names, such as keys and certificates, is not looked at here.

mod admin;
mod check;
mod fault;
mod json;
mod keys;
mod load;
mod log;
mod mqtt;
mod network;
mod ocpp;
mod origin;
mod presence;
mod runtime;
mod sections;
mod security;
mod topic;
mod transform;
mod values;
mod versions;

pub use admin::AdminConfig;
pub use fault::{ConfigFault, ConfigFaults, lines};
pub use json::to_json;
pub use load::{Reading, load, read};
pub use log::{LogConfig, LogFormat, LogLevel};
pub use mqtt::{EmbeddedConfig, MqttConfig};
pub use network::Network;
pub use ocpp::OcppConfig;
pub use origin::Origin;
pub use presence::{EventsConfig, PresenceConfig};
pub use runtime::RuntimeConfig;
pub use sections::{Config, ShutdownConfig};
pub use security::{AuthConfig, AuthMode, MqttTlsConfig, TlsConfig};
pub use topic::TopicTemplate;
pub use transform::{LimitsConfig, MatchConfig, TransformConfig, ValidationConfig};
pub use values::{Bytes, DefaultVersion, Identities, OnDuplicate, Span, ValidationMode};
