//! Options of the connections to the broker.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use crate::{message::Publication, tls::TlsFiles};

/// The default port of `mqtt://`, and of `mqtts://`.
const DEFAULT_PORT: u16 = 1883;
const DEFAULT_TLS_PORT: u16 = 8883;

/// The version of MQTT spoken with the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProtocolVersion {
    /// MQTT 3.1.1, whose protocol level is 4.
    #[default]
    V4,
    /// MQTT 5.
    V5,
}

/// How both connections reach the broker, and how much they may hold.
#[derive(Debug, Clone)]
pub struct Options {
    pub broker: BrokerUrl,
    pub version: ProtocolVersion,
    /// The connections have the client ids `{client_id}-pub` and `{client_id}-sub`. Sessions persist under these names,
    /// so they must be stable over restarts and unique on the broker.
    pub client_id: String,
    /// How long the broker keeps the sessions after their connections have ended, in whole seconds, rounded up. For
    /// MQTT 5: with 3.1.1 the broker decides.
    pub session_expiry: Duration,
    pub credentials: Option<Credentials>,
    /// For a broker that is reached over TLS.
    pub tls: TlsFiles,
    /// The topic that shows whether the publisher is connected.
    pub status: Option<Status>,
    /// The longest silence on a connection, unless the broker requests a shorter one. The connection is given up when
    /// the broker is silent for one and a half times this long, or earlier.
    pub keep_alive: Duration,
    /// How long connecting may take, up to and including the broker's CONNACK.
    pub connect_timeout: Duration,
    /// The first pause after a lost connection; doubles up to `reconnect_max`.
    pub reconnect_min: Duration,
    pub reconnect_max: Duration,
    /// The largest MQTT packet in bytes, in either direction. A broker of MQTT 5 may take less.
    pub max_packet_size: usize,
    /// QoS 1 and 2 publishes that may wait for their acknowledgement. A broker of MQTT 5 may take fewer.
    pub in_flight: u16,
    /// Publications between the callers and the publisher. Callers wait while the queue is full.
    pub queue: usize,
    /// Limits of what is kept while the broker is away: messages, and bytes of topic and payload.
    pub backlog_messages: usize,
    pub backlog_bytes: usize,
    /// For a broker whose subscribers can be looked up before publishing.
    pub subscribers: Option<SubscriberLookup>,
}

impl Options {
    pub fn new(broker: BrokerUrl, client_id: impl Into<String>) -> Self {
        Options {
            broker,
            version: ProtocolVersion::default(),
            client_id: client_id.into(),
            session_expiry: Duration::from_secs(3600),
            credentials: None,
            tls: TlsFiles::default(),
            status: None,
            keep_alive: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            reconnect_min: Duration::from_millis(100),
            reconnect_max: Duration::from_secs(10),
            // An OCPP message of 1 MiB, its envelope and its topic.
            max_packet_size: (1 << 20) + (64 << 10),
            in_flight: 200,
            queue: 1024,
            backlog_messages: 10_000,
            backlog_bytes: 16 << 20,
            subscribers: None,
        }
    }

    /// [`keep_alive`](Self::keep_alive) as sent in CONNECT: in seconds, rounded up.
    pub(crate) fn keep_alive_seconds(&self) -> u16 {
        self.keep_alive.as_millis().div_ceil(1000).try_into().unwrap_or(u16::MAX)
    }
}

/// Looks up whether a topic has subscribers. Called on the publisher's own task, so it must return at once.
#[derive(Clone)]
pub struct SubscriberLookup(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl SubscriberLookup {
    pub fn new(lookup: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        SubscriberLookup(Arc::new(lookup))
    }

    pub(crate) fn has_subscriber(&self, topic: &str) -> bool {
        (self.0)(topic)
    }
}

impl fmt::Debug for SubscriberLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriberLookup").finish_non_exhaustive()
    }
}

/// A topic that shows whether the publisher is connected: retained, with QoS 1. The publisher sends `offline` as its
/// last publication when it stops, and the broker sends it when the connection breaks (the will, MQTT 3.1.1 section
/// 3.1.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub topic: String,
    pub online: String,
    pub offline: String,
}

impl Status {
    pub(crate) fn online_publication(&self) -> Publication {
        self.publication(&self.online)
    }

    pub(crate) fn will(&self) -> Publication {
        self.publication(&self.offline)
    }

    fn publication(&self, text: &str) -> Publication {
        Publication { retain: true, ..Publication::new(self.topic.clone(), text.to_owned(), "status") }
    }
}

/// User name and password for CONNECT. `Debug` hides the password.
#[derive(Clone)]
pub struct Credentials {
    pub username: String,
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// `mqtt://host[:port]` or `mqtts://host[:port]`. The host is a name, an IPv4 address or an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    pub tls: bool,
    pub host: String,
    pub port: u16,
}

/// Why a text is not a [`BrokerUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerUrlError {
    #[error("`{0}` is not a URL; expected mqtt://host:port")]
    NoScheme(String),
    #[error("scheme `{0}://` is not supported; expected mqtt:// or mqtts://")]
    UnsupportedScheme(String),
    #[error("user name and password do not belong in the broker's URL")]
    Credentials,
    #[error("a broker's URL ends after the port; unexpected `{0}`")]
    Path(String),
    #[error("no host in the broker's URL; expected mqtt://host:port")]
    NoHost,
    #[error("`{0}` is not a port; expected 1 to 65535")]
    BadPort(String),
}

impl FromStr for BrokerUrl {
    type Err = BrokerUrlError;

    fn from_str(url: &str) -> Result<Self, BrokerUrlError> {
        // Checked first: the other errors quote the URL, which may hold a password.
        if url.contains('@') {
            return Err(BrokerUrlError::Credentials);
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(|| BrokerUrlError::NoScheme(url.to_owned()))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" => false,
            "mqtts" => true,
            _ => return Err(BrokerUrlError::UnsupportedScheme(scheme.to_owned())),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(path) = rest.find(['/', '?', '#']) {
            return Err(BrokerUrlError::Path(rest[path..].to_owned()));
        }
        let (host, port) = split_port(rest)?;
        if host.is_empty() {
            return Err(BrokerUrlError::NoHost);
        }
        let port = match port {
            None if tls => DEFAULT_TLS_PORT,
            None => DEFAULT_PORT,
            Some(text) => {
                text.parse().ok().filter(|port| *port != 0).ok_or_else(|| BrokerUrlError::BadPort(text.to_owned()))?
            }
        };
        Ok(BrokerUrl { tls, host: host.to_owned(), port })
    }
}

/// Host without brackets, and the text after the colon that follows it.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), BrokerUrlError> {
    if let Some(rest) = authority.strip_prefix('[')
        && let Some((host, after)) = rest.split_once(']')
    {
        return match after.strip_prefix(':') {
            None if !after.is_empty() => Err(BrokerUrlError::BadPort(after.to_owned())),
            port => Ok((host, port)),
        };
    }
    Ok(match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    })
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tls, host, port } = self;
        let scheme = if *tls { "mqtts" } else { "mqtt" };
        if host.contains(':') { write!(f, "{scheme}://[{host}]:{port}") } else { write!(f, "{scheme}://{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_urls_are_parsed() {
        for (text, shown) in [
            ("mqtt://broker:1884", "mqtt://broker:1884"),
            ("MQTT://broker", "mqtt://broker:1883"),
            ("mqtt://127.0.0.1:1/", "mqtt://127.0.0.1:1"),
            ("mqtts://broker", "mqtts://broker:8883"),
            ("mqtts://broker:8884", "mqtts://broker:8884"),
            ("mqtt://[::1]:1885", "mqtt://[::1]:1885"),
            ("mqtt://[::1]", "mqtt://[::1]:1883"),
        ] {
            assert_eq!(text.parse::<BrokerUrl>().expect(text).to_string(), shown);
        }
    }

    #[test]
    fn invalid_urls_are_refused_with_a_reason() {
        use BrokerUrlError::*;
        for (text, error) in [
            ("broker:1883", NoScheme("broker:1883".into())),
            ("wss://broker", UnsupportedScheme("wss".into())),
            ("mqtt://u:p@broker", Credentials),
            ("mqtt://u:p/w@broker", Credentials),
            ("u:p@broker", Credentials),
            ("mqtt://[::1]1885", BadPort("1885".into())),
            ("mqtt://broker/path", Path("/path".into())),
            ("mqtt://:1883", NoHost),
            ("mqtt://broker:http", BadPort("http".into())),
            ("mqtt://broker:0", BadPort("0".into())),
            ("mqtt://broker:65536", BadPort("65536".into())),
        ] {
            assert_eq!(text.parse::<BrokerUrl>(), Err(error), "{text}");
        }
    }

    #[test]
    fn debug_hides_the_password() {
        let credentials = Credentials { username: "gateway".into(), password: "hunter2".into() };
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
