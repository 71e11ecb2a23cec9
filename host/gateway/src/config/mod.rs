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

pub use admin::Admin;
pub use fault::{Fault, Faults, lines};
pub use json::to_json;
pub use load::{Reading, load, read};
pub use log::{Log, LogFormat};
pub use mqtt::{Embedded, Mqtt};
pub use network::Network;
pub use ocpp::Ocpp;
pub use origin::Origin;
pub use presence::{Events, Presence};
pub use runtime::Runtime;
pub use sections::{Config, Shutdown};
pub use security::{Auth, AuthMode, MqttTls, Tls};
pub use topic::TopicTemplate;
pub use transform::{Limits, Match, Transform, Validation};
pub use values::{Bytes, DefaultVersion, Identities, OnDuplicate, Span, ValidationMode};
