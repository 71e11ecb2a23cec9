//! `[mqtt]`: the broker.

use super::security::MqttTlsConfig;
use super::topic::TopicTemplate;
use super::values::{Bytes, Span, read_to_string};
use ocpp_gateway_mqtt::{ProtocolVersion, TlsFiles};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The broker, and the connections to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct MqttConfig {
    /// `mqtt://host:port` or `mqtts://host:port`. Absent: the embedded broker.
    pub url: Option<String>,
    /// May contain `${host}` and `${port}`: see [`full_client_id`](Self::full_client_id).
    pub client_id: String,
    /// How long the broker keeps subscriptions and messages in flight after a connection has ended. With MQTT 5 only.
    pub session_expiry: Span,
    pub username: Option<String>,
    #[serde(skip_serializing)]
    pub password: Option<String>,
    pub password_file: Option<PathBuf>,
    /// 4 or 5: see [`protocol_version`](Self::protocol_version).
    pub version: u8,
    /// The longest silence on a connection. A broker that is silent for one and a half times as long counts as
    /// unreachable, if not before.
    pub keep_alive: Span,
    /// If the broker is unreachable for this long, charge points are disconnected until it is back.
    pub outage_after: Span,
    /// How long a CALL without a subscriber is published again. Zero: not at all.
    pub wait_for_back_end: Span,
    /// The topic of the retained status of this gateway, `online` or `offline`. Absent: no status is published.
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
    /// The client id with its placeholders filled in. It is stable, so that the broker keeps the session over a
    /// restart, and different for each gateway. `port`: the one that charge points connect to. The two connections add
    /// `-pub` and `-sub`.
    pub fn full_client_id(&self, host: &str, port: u16) -> String {
        // A host name can contain any character. A client id is a topic level, and in some brokers a file name.
        let host = host.replace(['/', '\\', '+', '#'], "-");
        self.client_id.replace(HOST, &host).replace(PORT, &port.to_string())
    }

    /// The fault of `client_id`, if it has one.
    pub(super) fn client_id_fault(&self) -> Option<String> {
        let rest = self.client_id.replace(HOST, "").replace(PORT, "");
        if self.client_id.is_empty() || rest.contains(['/', '+', '#']) || rest.contains(char::is_control) {
            return Some("must not be empty, nor contain / + # or control characters".into());
        }
        let start = rest.find("${")?;
        let end = rest[start..].find('}').map_or(rest.len(), |end| start + end + 1);
        Some(format!("{:?} is no placeholder: there are {HOST} and {PORT}", &rest[start..end]))
    }

    /// The version of MQTT. `None`: `version` is neither 4 nor 5.
    pub fn protocol_version(&self) -> Option<ProtocolVersion> {
        match self.version {
            4 => Some(ProtocolVersion::V4),
            5 => Some(ProtocolVersion::V5),
            _ => None,
        }
    }

    /// The files for TLS towards the broker, for an `mqtts://` URL.
    pub fn tls_files(&self) -> TlsFiles {
        let MqttTlsConfig { ca, cert, key } = self.tls.clone().unwrap_or_default();
        TlsFiles { ca, cert, key }
    }

    /// The password, from the file if one is configured.
    pub fn resolve_password(&self) -> io::Result<Option<String>> {
        match &self.password_file {
            None => Ok(self.password.clone()),
            Some(path) => read_to_string(path).map(|text| Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        }
    }
}

/// The embedded broker, which runs if there is no `url`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct EmbeddedConfig {
    pub listen: SocketAddr,
    /// The most messages that it retains.
    pub max_retained: usize,
    /// The memory that they may use.
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
