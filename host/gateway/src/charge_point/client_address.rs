//! The network address of a charge point.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Address of the client, as far as the gateway knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress {
    /// Canonical: an IPv4-mapped IPv6 address is stored as IPv4.
    pub ip: IpAddr,
    /// `None` if the address comes from `X-Forwarded-For` without a port.
    pub port: Option<u16>,
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
