//! Listeners for charge points: that of `[ocpp]`, and those of `[[listeners]]`.

use super::access::{AccessRule, covered};
use super::deflate::DeflateConfig;
use super::network::Network;
use super::ocpp::OcppConfig;
use super::origin::Origin;
use super::security::{AuthConfig, TlsConfig};
use super::values::{DefaultVersion, Identities, Span};
use super::versions;
use ocpp_gateway_core::Version;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// The name of the listener that `[ocpp]` describes.
pub const DEFAULT_LISTENER: &str = "default";

/// The topic prefix of a listener in bytes, at most: what is left of a topic has to have room for the rest.
const MAX_MOUNTPOINT: usize = 1024;

/// One more listener, as it is written. What decides who may connect is its own; of the other keys, those that are absent are as in
/// `[ocpp]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct ListenerConfig {
    pub name: String,
    /// Required.
    pub listen: Option<SocketAddr>,
    /// Charge points connect to `{path}/{identity}`.
    pub path: String,
    pub access: Vec<AccessRule>,
    /// See [`OcppConfig::mountpoint`].
    pub mountpoint: String,
    pub identities: Option<Identities>,
    #[serde(with = "versions::optional")]
    pub versions: Option<Vec<Version>>,
    pub default_version: Option<DefaultVersion>,
    pub origins: Option<Vec<Origin>>,
    pub trusted_proxies: Option<Vec<Network>>,
    pub handshake_timeout: Option<Span>,
    /// In bytes.
    pub max_message_size: Option<usize>,
    /// In characters.
    pub max_identity_length: Option<usize>,
    pub max_connections: Option<usize>,
    pub max_connections_per_address: Option<usize>,
    pub max_header_size: Option<usize>,
    pub accept_rate: Option<u32>,
    /// Absent: plain WebSocket.
    pub tls: Option<TlsConfig>,
    pub auth: AuthConfig,
    pub deflate: Option<DeflateConfig>,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        ListenerConfig {
            name: String::new(),
            listen: None,
            path: OcppConfig::default().path,
            access: Vec::new(),
            mountpoint: String::new(),
            identities: None,
            versions: None,
            default_version: None,
            origins: None,
            trusted_proxies: None,
            handshake_timeout: None,
            max_message_size: None,
            max_identity_length: None,
            max_connections: None,
            max_connections_per_address: None,
            max_header_size: None,
            accept_rate: None,
            tls: None,
            auth: AuthConfig::default(),
            deflate: None,
        }
    }
}

/// All settings of one listener.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// The section that describes it, for texts: see `section`.
    pub section: String,
    pub name: String,
    pub listen: SocketAddr,
    pub path: String,
    pub access: Vec<AccessRule>,
    pub mountpoint: String,
    pub identities: Option<Identities>,
    pub versions: Vec<Version>,
    pub default_version: DefaultVersion,
    pub origins: Vec<Origin>,
    pub trusted_proxies: Vec<Network>,
    pub handshake_timeout: Duration,
    pub max_message_size: usize,
    pub max_identity_length: usize,
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    pub max_header_size: usize,
    pub accept_rate: u32,
    pub tls: Option<TlsConfig>,
    pub auth: AuthConfig,
    pub deflate: DeflateConfig,
}

impl Default for Listener {
    fn default() -> Self {
        Listener::default_of(&OcppConfig::default()).expect("it listens by default")
    }
}

impl Listener {
    /// The key of one of its settings, for texts: `ocpp.tls`, or `listeners.depot.tls`.
    pub fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.section)
    }

    /// All listeners, that of `[ocpp]` first.
    pub(super) fn all(ocpp: &OcppConfig, more: &[ListenerConfig]) -> Vec<Self> {
        let more = more.iter().enumerate().filter_map(|(index, own)| Listener::of(index, own, ocpp));
        Listener::default_of(ocpp).into_iter().chain(more).collect()
    }

    /// That of `[ocpp]`; `None`: it does not listen.
    pub fn default_of(ocpp: &OcppConfig) -> Option<Self> {
        Some(Listener {
            section: "ocpp".into(),
            name: DEFAULT_LISTENER.into(),
            listen: ocpp.listen?,
            path: ocpp.path.clone(),
            access: ocpp.access.clone(),
            mountpoint: ocpp.mountpoint.clone(),
            identities: ocpp.identities.clone(),
            versions: ocpp.versions.clone(),
            default_version: ocpp.default_version,
            origins: ocpp.origins.clone(),
            trusted_proxies: ocpp.trusted_proxies.clone(),
            handshake_timeout: ocpp.handshake_timeout.get(),
            max_message_size: ocpp.max_message_size,
            max_identity_length: ocpp.max_identity_length,
            max_connections: ocpp.max_connections,
            max_connections_per_address: ocpp.max_connections_per_address,
            max_header_size: ocpp.max_header_size,
            accept_rate: ocpp.accept_rate,
            tls: ocpp.tls.clone(),
            auth: ocpp.auth.clone(),
            deflate: ocpp.deflate.clone(),
        })
    }

    /// `None`: it has no address, which is a fault of the configuration.
    fn of(index: usize, own: &ListenerConfig, ocpp: &OcppConfig) -> Option<Self> {
        let own = own.clone();
        Some(Listener {
            section: section(index, &own.name),
            name: own.name,
            listen: own.listen?,
            path: own.path,
            access: own.access,
            mountpoint: own.mountpoint,
            identities: own.identities,
            versions: own.versions.unwrap_or_else(|| ocpp.versions.clone()),
            default_version: own.default_version.unwrap_or(ocpp.default_version),
            origins: own.origins.unwrap_or_else(|| ocpp.origins.clone()),
            trusted_proxies: own.trusted_proxies.unwrap_or_else(|| ocpp.trusted_proxies.clone()),
            handshake_timeout: own.handshake_timeout.unwrap_or(ocpp.handshake_timeout).get(),
            max_message_size: own.max_message_size.unwrap_or(ocpp.max_message_size).min(ocpp.max_message_size),
            max_identity_length: own.max_identity_length.unwrap_or(ocpp.max_identity_length),
            max_connections: own.max_connections.unwrap_or(ocpp.max_connections),
            max_connections_per_address: own.max_connections_per_address.unwrap_or(ocpp.max_connections_per_address),
            max_header_size: own.max_header_size.unwrap_or(ocpp.max_header_size),
            accept_rate: own.accept_rate.unwrap_or(ocpp.accept_rate),
            tls: own.tls,
            auth: own.auth,
            deflate: own.deflate.unwrap_or_else(|| ocpp.deflate.clone()),
        })
    }

    /// Settings that are most likely mistakes.
    pub fn warnings(&self) -> Vec<String> {
        let access = self.key("access");
        let warning = |(place, earlier): (usize, usize)| {
            let [rule, first] = [place, earlier].map(|place| self.access[place]);
            let effect = format!("{:?} has no effect: {:?} before it", rule.to_string(), first.to_string());
            format!(
                "{access}[{place}]: {effect} decides about all of its addresses. Put it before that one, or remove it"
            )
        };
        covered(&self.access).into_iter().map(warning).collect()
    }

    /// What is wrong with the settings of one listener: the key, and the problem.
    pub(super) fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut refuse = |is_wrong: bool, name: &str, problem: String| {
            if is_wrong {
                faults.push((self.key(name), problem));
            }
        };
        refuse(self.versions.is_empty(), "versions", "at least one version is needed".into());
        if let DefaultVersion::Use(version) = self.default_version {
            let versions = self.key("versions");
            let problem = format!("{version} is not among {versions}; name one that is, or \"refuse\"");
            refuse(!self.versions.contains(&version), "default_version", problem);
        }
        refuse(!self.path.starts_with('/'), "path", "has to start with /".into());
        refuse(self.handshake_timeout.is_zero(), "handshake_timeout", "has to be longer than 0s".into());
        for (name, number) in [
            ("max_message_size", self.max_message_size),
            ("max_identity_length", self.max_identity_length),
            ("max_connections", self.max_connections),
            ("max_header_size", self.max_header_size),
        ] {
            refuse(number == 0, name, "has to be at least 1".into());
        }
        let problem = mountpoint_fault(&self.mountpoint);
        refuse(problem.is_some(), "mountpoint", problem.unwrap_or_default().into());
        let behind = self.access.iter().position(|rule| rule.is_last()).filter(|place| place + 1 < self.access.len());
        refuse(behind.is_some(), "access", "the rules behind the one for all have no effect".into());
        let denies = self.access.iter().any(|rule| !rule.allows());
        let problem = "refuses no address: end it with \"deny all\"";
        refuse(!self.access.is_empty() && !denies, "access", problem.into());
        refuse(!(1..=9).contains(&self.deflate.level), "deflate.level", "has to be 1 (fastest) to 9 (smallest)".into());
        let (requires_password, has_users) = (self.auth.mode.is_basic(), self.auth.users.is_some());
        let problem = "missing: mode = \"basic\" requires it";
        refuse(requires_password && !has_users, "auth.users", problem.into());
        let mode = self.key("auth.mode");
        let problem = format!("contradicts {mode}: no password is asked for");
        refuse(!requires_password && has_users, "auth.users", problem);
        let proxied = self.auth.proxy_certificate;
        let problem = format!("needs {}: the proxies whose word counts", self.key("trusted_proxies"));
        refuse(proxied && self.trusted_proxies.is_empty(), "auth.proxy_certificate", problem);
        let client_ca = self.key("tls.client_ca");
        let problem = format!("contradicts {client_ca}: charge points show their certificate to one of the two");
        let asks_itself = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        refuse(proxied && asks_itself, "auth.proxy_certificate", problem);
        let problem = format!("is of no use without {}", self.key("auth.proxy_certificate"));
        refuse(!proxied && !self.auth.proxy_identities.is_empty(), "auth.proxy_identities", problem);
        faults.extend(self.tls.iter().flat_map(|tls| tls.faults(&self.key("tls"))));
        faults
    }
}

/// How texts call an entry of `[[listeners]]`: `listeners.depot`, as its place may change while it runs. Without a
/// name: `listeners[0]`.
pub(super) fn section(index: usize, name: &str) -> String {
    if name.is_empty() { format!("listeners[{index}]") } else { format!("listeners.{name}") }
}

/// Why this text cannot be the beginning of topics.
fn mountpoint_fault(text: &str) -> Option<&'static str> {
    if text.contains(['+', '#']) {
        return Some("is the beginning of topics: wildcards (+ and #) cannot be in it");
    }
    if text.starts_with('$') {
        return Some("must not begin with $: such topics are the broker's own");
    }
    if text.chars().any(char::is_control) {
        return Some("must have no control characters");
    }
    (text.len() > MAX_MOUNTPOINT).then_some("is too long: 1024 bytes at most")
}
