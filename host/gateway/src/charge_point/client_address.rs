//! Where a charge point is.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The other end, as far as the gateway can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress {
    /// In its shortest form: IPv4 where it is one.
    pub ip: IpAddr,
    /// `X-Forwarded-For` does not tell.
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
