//! What the gateway can be told: the sections and keys of the configuration, with their defaults.
//!
//! [`load`] reads them from a TOML file and the environment; `keys` says which there are.

mod admin;
mod keys;
mod load;
mod network;
mod origin;
mod presence;
mod security;
mod topic;
mod values;

pub use admin::{Admin, Log, LogFormat};
pub use load::{Fault, Faults, load, read};
pub use network::Network;
pub use origin::Origin;
pub use presence::{Events, Presence};
pub use security::{Auth, AuthMode, MqttTls, Tls};
pub use topic::TopicTemplate;
pub use values::{
    Bytes, DefaultVersion, Direction, Identities, OnDuplicate, OnError, OnViolation, Span, UnknownActions,
    UnmatchedResponses, ValidationMode, ValidationPoint,
};

use crate::compile_process::Budget;
use ocpp_gateway_core::Version;
use ocpp_gateway_core::session;
use ocpp_gateway_mqtt::{ProtocolVersion, TlsFiles};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The effective configuration. `Config::default()` is what runs without a file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub ocpp: Ocpp,
    pub mqtt: Mqtt,
    pub admin: Admin,
    pub log: Log,
    pub validation: Validation,
    pub presence: Presence,
    pub events: Events,
    pub runtime: Runtime,
    pub shutdown: Shutdown,
    pub transforms: Vec<Transform>,
}

impl Config {
    /// The configuration as a file that says the same, without secrets: what transforms have under names that sound like
    /// one is hidden.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let mut table = toml::Table::try_from(self)?;
        if let Some(mqtt) = table.get_mut("mqtt").and_then(toml::Value::as_table_mut) {
            // With a broker of one's own there is no embedded one to configure.
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

/// How names of secrets end.
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

/// The side of the charge points.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Ocpp {
    pub listen: SocketAddr,
    /// Charge points connect to `{path}/{identity}`.
    pub path: String,
    #[serde(with = "values::versions")]
    pub versions: Vec<Version>,
    /// For a client that offers no subprotocol.
    pub default_version: DefaultVersion,
    pub call_timeout: Span,
    /// CALLs of one charge point that may be open. While as many are, no more is read from it.
    pub open_calls: usize,
    /// CALLs that may wait for one charge point.
    pub queue: usize,
    /// What queued messages of one charge point may take, half of it in each direction.
    pub queue_memory: Bytes,
    pub unmatched_responses: UnmatchedResponses,
    pub on_duplicate: OnDuplicate,
    pub ping_interval: Span,
    pub heartbeat_interval: Span,
    /// Absent: twice the heartbeat interval in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Span>,
    pub handshake_timeout: Span,
    /// Bytes.
    pub max_message_size: usize,
    /// Characters.
    pub max_identity_length: usize,
    pub max_connections: usize,
    /// From one address, or from one /64 network of IPv6. 0: no limit.
    pub max_connections_per_address: usize,
    /// Bytes of a handshake's request.
    pub max_header_size: usize,
    /// Handshakes per second. 0: no limit.
    pub accept_rate: u32,
    /// Messages per second from one charge point. 0: no limit.
    pub message_rate: u32,
    /// Messages per second from all of them together. 0: no limit.
    pub total_message_rate: u32,
    /// Whose `X-Forwarded-For` and PROXY header count.
    pub trusted_proxies: Vec<Network>,
    /// Whose pages in browsers may connect beside the gateway's own, where charge points show no credentials.
    pub origins: Vec<Origin>,
    /// Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identities: Option<Identities>,
    /// Absent: plain WebSocket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    pub auth: Auth,
}

impl Default for Ocpp {
    fn default() -> Self {
        Ocpp {
            listen: SocketAddr::from(([0, 0, 0, 0], 33033)),
            path: "/ocpp".into(),
            versions: vec![Version::V2_1, Version::V2_0_1, Version::V1_6],
            default_version: DefaultVersion::Use(Version::V1_6),
            call_timeout: Span::seconds(30),
            open_calls: 16,
            queue: 100,
            queue_memory: Bytes::mebibytes(4),
            unmatched_responses: UnmatchedResponses::Drop,
            on_duplicate: OnDuplicate::Replace,
            ping_interval: Span::seconds(60),
            heartbeat_interval: Span::seconds(300),
            idle_timeout: None,
            handshake_timeout: Span::seconds(10),
            max_message_size: 1 << 20,
            max_identity_length: 48,
            max_connections: 100_000,
            max_connections_per_address: 0,
            max_header_size: 8 << 10,
            accept_rate: 0,
            message_rate: 0,
            total_message_rate: 0,
            trusted_proxies: Vec::new(),
            origins: Vec::new(),
            identities: None,
            tls: None,
            auth: Auth::default(),
        }
    }
}

impl Ocpp {
    /// The part of it that a session goes by.
    pub fn session_settings(&self) -> session::Settings {
        session::Settings {
            call_timeout: self.call_timeout.get(),
            open_calls: self.open_calls,
            queue: self.queue,
            unmatched_responses: match self.unmatched_responses {
                UnmatchedResponses::Drop => session::Unmatched::Drop,
                UnmatchedResponses::Forward => session::Unmatched::Forward,
            },
            ping_interval: self.ping_interval.get(),
            heartbeat_interval: self.heartbeat_interval.get(),
            idle_timeout: self.idle_timeout.map(Span::get),
        }
    }
}

/// The side of the back ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Mqtt {
    /// `mqtt://host:port` or `mqtts://host:port`. Absent: the embedded broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// With `${host}` and `${port}`: see [`full_client_id`](Self::full_client_id).
    pub client_id: String,
    /// How long the broker keeps what is subscribed and what is under way when a connection has ended. With MQTT 5 only.
    pub session_expiry: Span,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing)]
    pub password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// 4 or 5: see [`protocol_version`](Self::protocol_version).
    pub version: u8,
    /// The longest silence on a connection. A broker is given up that stays silent for one and a half times this long, if
    /// not before.
    pub keep_alive: Span,
    /// A broker that is away for so long: charge points are disconnected until it is back.
    pub outage_after: Span,
    /// How long a CALL that nobody subscribes to is published again. Zero: not at all.
    pub wait_for_back_end: Span,
    /// Where back ends see whether this gateway is there: `online` or `offline`, retained. Absent: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_topic: Option<TopicTemplate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<MqttTls>,
    pub embedded: Embedded,
}

impl Default for Mqtt {
    fn default() -> Self {
        Mqtt {
            url: None,
            client_id: format!("ocpp-gateway-{HOST}-{PORT}"),
            session_expiry: Span::seconds(3600),
            username: None,
            password: None,
            password_file: None,
            version: 4,
            keep_alive: Span::seconds(30),
            outage_after: Span::seconds(20),
            wait_for_back_end: Span::seconds(5),
            status_topic: None,
            tls: None,
            embedded: Embedded::default(),
        }
    }
}

/// Placeholders of `mqtt.client_id`.
const HOST: &str = "${host}";
const PORT: &str = "${port}";

impl Mqtt {
    /// What the broker knows this gateway by: stable, so that it keeps the session over a restart, and different for each
    /// gateway. `port` is the one that charge points connect to. The two connections add `-pub` and `-sub`.
    pub fn full_client_id(&self, host: &str, port: u16) -> String {
        // A host's name can hold anything; a client id is a level of topics, and some brokers make a file's name of it.
        let host = host.replace(['/', '\\', '+', '#'], "-");
        self.client_id.replace(HOST, &host).replace(PORT, &port.to_string())
    }

    /// What is wrong with `client_id`, if anything.
    fn client_id_fault(&self) -> Option<String> {
        let rest = self.client_id.replace(HOST, "").replace(PORT, "");
        if self.client_id.is_empty() || rest.contains(['/', '+', '#']) || rest.contains(char::is_control) {
            return Some("must not be empty, nor contain / + # or control characters".into());
        }
        let start = rest.find("${")?;
        let end = rest[start..].find('}').map_or(rest.len(), |end| start + end + 1);
        Some(format!("{:?} is no placeholder: there are {HOST} and {PORT}", &rest[start..end]))
    }

    /// What is spoken with the broker. `None` where `version` is a number of no version.
    pub fn protocol_version(&self) -> Option<ProtocolVersion> {
        match self.version {
            4 => Some(ProtocolVersion::V4),
            5 => Some(ProtocolVersion::V5),
            _ => None,
        }
    }

    /// What TLS towards the broker is made of, for a URL that asks for it.
    pub fn tls_files(&self) -> TlsFiles {
        let MqttTls { ca, cert, key } = self.tls.clone().unwrap_or_default();
        TlsFiles { ca, cert, key }
    }

    /// The password, from wherever it is kept.
    pub fn resolve_password(&self) -> io::Result<Option<String>> {
        match &self.password_file {
            None => Ok(self.password.clone()),
            Some(path) => read_to_string(path).map(|text| Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        }
    }
}

/// Reads a file that the configuration names; the error names it too.
pub(crate) fn read_to_string(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// The broker inside the gateway, for when there is no other.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Embedded {
    pub listen: SocketAddr,
    /// Messages that it retains.
    pub max_retained: usize,
    /// What they may take.
    pub retained_memory: Bytes,
}

impl Default for Embedded {
    fn default() -> Self {
        Embedded {
            listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            max_retained: 100_000,
            retained_memory: Bytes::mebibytes(64),
        }
    }
}

/// Rules for payloads.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Validation {
    /// Which messages are held against the published schemas. The rules of transforms are in force with each.
    pub mode: ValidationMode,
    /// For the rules of transforms too.
    pub at: ValidationPoint,
    pub on_violation: OnViolation,
    /// For messages that are held against the published schemas, and have none.
    pub unknown_actions: UnknownActions,
}

/// What it may use of the machine.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(default)]
pub struct Runtime {
    /// Threads that serve sockets and run transforms.
    pub threads: usize,
    /// How long a busy thread lets messages gather before it is woken for them, if it is the only one: see
    /// [`coalescing`](crate::coalescing).
    pub coalesce: Span,
    /// What queued messages of all charge points may take, half of it in each direction.
    pub queue_memory: Bytes,
    /// Of a processor, for one component.
    pub compile_time: Span,
    /// Of the process that compiles one component.
    pub compile_memory: Bytes,
    /// Functions of one component.
    pub compile_functions: usize,
}

impl Default for Runtime {
    /// Half of the processors. The broker wants some too; and threads that take tasks from each other wake each other
    /// for each message, which costs more than they gain as long as fewer of them are not fully busy.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Runtime {
            threads: (processors / 2).max(1),
            coalesce: Span::microseconds(50),
            queue_memory: Bytes::mebibytes(256),
            compile_time: Span::seconds(60),
            compile_memory: Bytes::mebibytes(2048),
            compile_functions: ocpp_gateway_pipeline::MAX_FUNCTIONS,
        }
    }
}

impl Runtime {
    /// What one component may take to be compiled. A second is the least that can be limited.
    pub fn compile_budget(&self) -> Budget {
        let seconds = self.compile_time.get().as_secs_f64().ceil();
        Budget { seconds: (seconds as u64).max(1), memory: self.compile_memory.get() as u64 }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Shutdown {
    /// How long open calls may take to finish once the gateway was asked to stop.
    pub grace: Span,
}

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown { grace: Span::seconds(10) }
    }
}

/// One stage of the chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Transform {
    pub name: String,
    /// `builtin:standard`, or the path of a component.
    pub component: String,
    #[serde(default)]
    pub on_error: values::OnError,
    #[serde(default, rename = "match")]
    pub matching: Match,
    #[serde(default)]
    pub limits: Limits,
    /// A folder of fixtures that a version has to pass before it goes live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<PathBuf>,
    /// Handed to the component as JSON.
    #[serde(default)]
    pub config: toml::Table,
}

/// Which messages a transform is for. What is empty is no condition.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Match {
    /// Globs, with `*` and `?`.
    pub charge_points: Vec<String>,
    #[serde(with = "values::versions")]
    pub versions: Vec<Version>,
    pub actions: Vec<String>,
    pub directions: Vec<Direction>,
}

/// What one transform may use.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// For one call. Absent: 20 ms, and none for a transform that ships with the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Span>,
    /// Of one instance; each worker thread has one.
    pub memory: values::Bytes,
    /// Actions, messages or frames that one call may answer with.
    pub actions: usize,
    /// What one call may answer with, all in all.
    pub output: values::Bytes,
    /// Per second.
    pub log_lines: u32,
    /// Values that the gateway keeps for it.
    pub state_keys: usize,
    /// All of them together.
    pub state: values::Bytes,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            time: None,
            memory: values::Bytes::mebibytes(16),
            actions: 16,
            output: values::Bytes::kibibytes(256),
            log_lines: 100,
            state_keys: 10_000,
            state: values::Bytes::mebibytes(4),
        }
    }
}
