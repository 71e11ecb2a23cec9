//! The configuration: its sections and keys, with their defaults.
//!
//! [`load`] reads it from a TOML file and the environment; `keys` lists all keys. Files that a configuration names,
//! such as keys and certificates, are not read here.

mod access;
mod admin;
mod check;
mod deflate;
#[cfg(test)]
mod documented;
mod drop_in;
mod fault;
mod json;
mod keys;
mod listener;
mod load;
mod log;
mod mqtt;
mod network;
mod ocpp;
mod origin;
mod paths;
mod presence;
mod runtime;
mod sections;
mod security;
mod storage;
mod topic;
mod transform;
mod transform_file;
mod trust;
mod values;
mod versions;

pub use access::{AccessRule, may_connect};
pub use admin::{AdminConfig, AdminTokens};
pub use deflate::DeflateConfig;
pub use drop_in::DropInConfig;
pub use fault::{ConfigFault, ConfigFaults, lines};
pub use json::to_json;
pub(crate) use keys::nearest_name;
pub use listener::{DEFAULT_LISTENER, Listener, ListenerConfig};
pub use load::{LoadedConfig, load, read, variables};
pub use log::{LogConfig, LogFormat, LogLevel};
pub use mqtt::{EmbeddedConfig, MqttConfig};
pub use network::Network;
pub use ocpp::OcppConfig;
pub use origin::Origin;
pub use presence::{EventsConfig, PresenceConfig};
pub use runtime::RuntimeConfig;
pub use sections::{Config, ShutdownConfig};
pub use security::{AdminTlsConfig, AuthConfig, AuthMode, CertificateConfig, ExpiredCrl, MqttTlsConfig, TlsConfig};
pub use storage::StorageConfig;
pub use topic::TopicTemplate;
pub use transform::{
    HIDDEN, JQ, LimitsConfig, MatchConfig, RESERVED_NAMES, TransformConfig, ValidationConfig, hide_secrets, is_remote,
    without_secrets,
};
pub use transform_file::{read_transform, transform_of};
pub use trust::{KeyId, PublicKey, TrustConfig};
pub use values::{Bytes, DefaultVersion, Identities, OnDuplicate, Span, ValidationMode};
