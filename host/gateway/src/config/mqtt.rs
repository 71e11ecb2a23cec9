//! The side of the back ends.

use super::security::MqttTlsConfig;
use super::topic::TopicTemplate;
use super::values::{Bytes, Span, read_to_string};
use ocpp_gateway_mqtt::{ProtocolVersion, TlsFiles};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The side of the back ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct MqttConfig {
    /// `mqtt://host:port` or `mqtts://host:port`. Absent: the embedded broker.
    pub url: Option<String>,
    /// With `${host}` and `${port}`: see [`full_client_id`](Self::full_client_id).
    pub client_id: String,
    /// How long the broker keeps what is subscribed and what is under way when a connection has ended. With MQTT 5 only.
    pub session_expiry: Span,
    pub username: Option<String>,
    #[serde(skip_serializing)]
    pub password: Option<String>,
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
    pub status_topic: Option<TopicTemplate>,
    pub tls: Option<MqttTlsConfig>,
    pub embedded: EmbeddedConfig,
}

impl Default for MqttConfig {
    fn default() -> Self {
        MqttConfig {
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
            embedded: EmbeddedConfig::default(),
        }
    }
}

/// Placeholders of `mqtt.client_id`.
const HOST: &str = "${host}";
const PORT: &str = "${port}";

impl MqttConfig {
    /// What the broker knows this gateway by: stable, so that it keeps the session over a restart, and different for each
    /// gateway. `port` is the one that charge points connect to. The two connections add `-pub` and `-sub`.
    pub fn full_client_id(&self, host: &str, port: u16) -> String {
        // A host's name can hold anything; a client id is a level of topics, and some brokers make a file's name of it.
        let host = host.replace(['/', '\\', '+', '#'], "-");
        self.client_id.replace(HOST, &host).replace(PORT, &port.to_string())
    }

    /// What is wrong with `client_id`, if anything.
    pub(super) fn client_id_fault(&self) -> Option<String> {
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
        let MqttTlsConfig { ca, cert, key } = self.tls.clone().unwrap_or_default();
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

/// The broker inside the gateway, for when there is no other.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct EmbeddedConfig {
    pub listen: SocketAddr,
    /// Messages that it retains.
    pub max_retained: usize,
    /// What they may take.
    pub retained_memory: Bytes,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        EmbeddedConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            max_retained: 100_000,
            retained_memory: Bytes::mebibytes(64),
        }
    }
}
