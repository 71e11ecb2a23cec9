//! Where a charge point comes from: its network address, and the listener that it connected to.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Address of the client, as far as the gateway knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress {
    /// Canonical: an IPv4-mapped IPv6 address is stored as IPv4.
    pub ip: IpAddr,
    /// `None` if the address comes from `X-Forwarded-For` without a port.
    pub port: Option<u16>,
}

/// Where a charge point comes from.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub address: ClientAddress,
    /// The name of the listener that it connected to.
    pub listener: Arc<str>,
}

impl From<SocketAddr> for ClientAddress {
    fn from(address: SocketAddr) -> Self {
        ClientAddress { ip: address.ip().to_canonical(), port: Some(address.port()) }
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}
