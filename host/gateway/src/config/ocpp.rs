//! `[ocpp]`: the listener `default`, what other listeners take over from it, and the sessions of charge points.

use super::access::AccessRule;
use super::deflate::DeflateConfig;
use super::network::Network;
use super::origin::Origin;
use super::security::{AuthConfig, TlsConfig};
use super::values::{Bytes, DefaultVersion, Identities, OnDuplicate, Span};
use super::versions;
use ocpp_gateway_core::Version;
use ocpp_gateway_core::session::{self, Unmatched};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The listener `default`, and the sessions of all charge points.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct OcppConfig {
    /// `None`: there are other listeners, and this one was not written.
    pub listen: Option<SocketAddr>,
    /// Charge points connect to `{path}/{identity}`.
    pub path: String,
    /// The first rule that names the address of a client decides.
    pub access: Vec<AccessRule>,
    /// The attribute `mountpoint` of its charge points, which the standard mapping puts before its topics.
    pub mountpoint: String,
    #[serde(with = "versions")]
    pub versions: Vec<Version>,
    /// For a client that offers no subprotocol.
    pub default_version: DefaultVersion,
    pub call_timeout: Span,
    /// The most open CALLs from one charge point. While they are open, nothing more is read from it.
    pub open_calls: usize,
    /// The most CALLs that wait for one charge point.
    pub queue: usize,
    /// The memory for queued messages of one charge point, half of it in each direction.
    pub queue_memory: Bytes,
    pub unmatched_responses: Unmatched,
    pub on_duplicate: OnDuplicate,
    pub ping_interval: Span,
    pub heartbeat_interval: Span,
    /// Absent: twice the heartbeat interval in force.
    pub idle_timeout: Option<Span>,
    pub handshake_timeout: Span,
    /// In bytes.
    pub max_message_size: usize,
    /// In characters.
    pub max_identity_length: usize,
    pub max_connections: usize,
    /// From one address, or from one /64 network of IPv6. 0: no limit.
    pub max_connections_per_address: usize,
    /// The size of a handshake request, in bytes.
    pub max_header_size: usize,
    /// Handshakes per second. 0: no limit.
    pub accept_rate: u32,
    /// Messages per second from one charge point. 0: no limit.
    pub message_rate: u32,
    /// Messages per second from all of them together. 0: no limit.
    pub total_message_rate: u32,
    /// Proxies whose `X-Forwarded-For` and PROXY header are trusted.
    pub trusted_proxies: Vec<Network>,
    /// Origins whose pages may connect, besides the gateway's own, if charge points show no credentials.
    pub origins: Vec<Origin>,
    /// Identities that may connect. Absent: any.
    pub identities: Option<Identities>,
    /// Absent: plain WebSocket.
    pub tls: Option<TlsConfig>,
    pub auth: AuthConfig,
    pub deflate: DeflateConfig,
}

impl Default for OcppConfig {
    fn default() -> Self {
        OcppConfig {
            listen: Some(SocketAddr::from(([0, 0, 0, 0], 33033))),
            path: "/ocpp".into(),
            access: Vec::new(),
            mountpoint: String::new(),
            versions: vec![Version::V2_1, Version::V2_0_1, Version::V1_6],
            default_version: DefaultVersion::Use(Version::V1_6),
            call_timeout: Span::seconds(30),
            open_calls: 16,
            queue: 100,
            queue_memory: Bytes::mebibytes(4),
            unmatched_responses: Unmatched::Drop,
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
            auth: AuthConfig::default(),
            deflate: DeflateConfig::default(),
        }
    }
}

impl OcppConfig {
    /// These settings, with the listener that `other` describes. The rest is in force until the gateway stops.
    pub fn with_listener_of(&self, other: &OcppConfig) -> Self {
        let other = other.clone();
        OcppConfig {
            listen: other.listen,
            path: other.path,
            access: other.access,
            mountpoint: other.mountpoint,
            versions: other.versions,
            default_version: other.default_version,
            handshake_timeout: other.handshake_timeout,
            max_identity_length: other.max_identity_length,
            max_connections_per_address: other.max_connections_per_address,
            max_header_size: other.max_header_size,
            accept_rate: other.accept_rate,
            trusted_proxies: other.trusted_proxies,
            origins: other.origins,
            identities: other.identities,
            tls: other.tls,
            auth: other.auth,
            deflate: other.deflate,
            ..self.clone()
        }
    }

    /// The settings of a session.
    pub fn session_settings(&self) -> session::Settings {
        session::Settings {
            call_timeout: self.call_timeout.get(),
            open_calls: self.open_calls,
            queue: self.queue,
            unmatched_responses: self.unmatched_responses,
            ping_interval: self.ping_interval.get(),
            heartbeat_interval: self.heartbeat_interval.get(),
            idle_timeout: self.idle_timeout.map(Span::get),
        }
    }
}
