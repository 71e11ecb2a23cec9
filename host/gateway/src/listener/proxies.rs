//! Where a charge point is, if there are proxies between it and the gateway.
//!
//! Only what a configured proxy says counts: its PROXY header (versions 1 and 2 of HAProxy's PROXY protocol, before
//! everything else, TLS included), and its `X-Forwarded-For`.
//!
//! `proxy-header` parses the header. Its `ProxiedStream` does not read it: it takes what follows the header out of the
//! socket, which leaves a layer on the connection for as long as that lasts; and it waits for a header of version 2 of
//! any announced length (up to 64 KiB), where this module refuses at once.

use crate::charge_point::ClientAddress;
use crate::config::Network;
use proxy_header::{ParseConfig, ProxyHeader};
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// The longest header of version 1, line end included.
const LONGEST_V1: usize = 107;
/// How version 2 begins.
const SIGNATURE_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, command, family and length of version 2.
const HEAD_V2: usize = 16;
/// The longest rest of a header of version 2: addresses, and what a proxy may add about TLS and itself.
const LONGEST_V2: usize = 4096;

/// The proxies that are believed.
#[derive(Debug)]
pub(super) struct Proxies(Vec<Network>);

/// Why a PROXY header cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadHeader {
    #[error("no PROXY header: {0}")]
    Io(#[from] io::Error),
    #[error("no PROXY header: longer than any")]
    TooLong,
    #[error("no PROXY header: not one of version 1 or 2")]
    Invalid,
}

impl Proxies {
    pub(super) fn new(trusted: Vec<Network>) -> Self {
        Proxies(trusted)
    }

    pub(super) fn trusts(&self, address: ClientAddress) -> bool {
        self.0.iter().any(|network| network.contains(address.ip))
    }

    /// Takes the PROXY header off the front of a connection that comes from `peer`, if that is trusted and sends one.
    /// Not a byte more is read: neither HTTP nor TLS begins like one.
    pub(super) async fn client(&self, stream: &mut TcpStream, peer: ClientAddress) -> Result<ClientAddress, BadHeader> {
        if !self.trusts(peer) {
            return Ok(peer);
        }
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Ok(peer);
        }
        let header = match first[0] {
            b'P' => read_v1(stream).await?,
            b'\r' => read_v2(stream).await?,
            _ => return Ok(peer),
        };
        let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
        let (header, _) = ProxyHeader::parse(&header, config).map_err(|_| BadHeader::Invalid)?;
        // A proxy that speaks for itself, to see whether we are alive, names nobody.
        Ok(header.proxied_address().map_or(peer, |proxied| proxied.source.into()))
    }

    /// The address that trusted proxies have put into `X-Forwarded-For`, whose lines are `lines` in their order, of a
    /// request from `from`: the right-most that is not one of theirs. What stands further left anybody may have written.
    pub(super) fn forwarded<'a>(
        &self,
        from: ClientAddress,
        lines: impl DoubleEndedIterator<Item = &'a str>,
    ) -> ClientAddress {
        let mut client = from;
        for entry in lines.rev().flat_map(|line| line.rsplit(',')) {
            if !self.trusts(client) {
                break;
            }
            // `unknown` and made-up names: the proxy before is all that is known.
            let Some(address) = parse(entry.trim()) else { break };
            client = address;
        }
        client
    }
}

/// An address as proxies write it: with or without a port, IPv6 with or without brackets.
fn parse(entry: &str) -> Option<ClientAddress> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let alone = || bare.parse().ok().map(|ip: IpAddr| ClientAddress { ip: ip.to_canonical(), port: None });
    entry.parse::<SocketAddr>().map(ClientAddress::from).ok().or_else(alone)
}

async fn read_v1(stream: &mut TcpStream) -> Result<Vec<u8>, BadHeader> {
    let mut line = Vec::with_capacity(LONGEST_V1);
    while line.len() < LONGEST_V1 {
        // A byte at a time, so that what follows stays where it is.
        line.push(stream.read_u8().await?);
        if line.ends_with(b"\n") {
            return Ok(line);
        }
    }
    Err(BadHeader::TooLong)
}

async fn read_v2(stream: &mut TcpStream) -> Result<Vec<u8>, BadHeader> {
    let mut header = vec![0; HEAD_V2];
    stream.read_exact(&mut header).await?;
    if !header.starts_with(SIGNATURE_V2) {
        return Err(BadHeader::Invalid);
    }
    let rest = usize::from(u16::from_be_bytes([header[HEAD_V2 - 2], header[HEAD_V2 - 1]]));
    if rest > LONGEST_V2 {
        return Err(BadHeader::TooLong);
    }
    header.resize(HEAD_V2 + rest, 0);
    stream.read_exact(&mut header[HEAD_V2..]).await?;
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> Proxies {
        Proxies::new(vec!["10.0.0.0/8".parse().expect("a network"), "fd00::1".parse().expect("an address")])
    }

    fn from(address: &str) -> ClientAddress {
        parse(address).expect("an address")
    }

    #[test]
    fn the_right_most_address_that_is_no_proxys_counts() {
        for (peer, lines, client) in [
            ("10.0.0.1:5000", &["203.0.113.7"][..], "203.0.113.7"),
            ("10.0.0.1:5000", &["1.2.3.4, 203.0.113.7, 10.9.9.9"], "203.0.113.7"),
            ("10.0.0.1:5000", &["1.2.3.4", "203.0.113.7", "10.9.9.9,10.1.1.1"], "203.0.113.7"),
            ("10.0.0.1:5000", &["10.2.2.2,10.3.3.3"], "10.2.2.2"),
            ("10.0.0.1:5000", &["203.0.113.7:1234"], "203.0.113.7:1234"),
            ("10.0.0.1:5000", &["[2001:db8::1]:1234"], "[2001:db8::1]:1234"),
            ("10.0.0.1:5000", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1:5000", &["2001:db8::1, fd00::1"], "2001:db8::1"),
            ("10.0.0.1:5000", &["203.0.113.7, unknown"], "10.0.0.1:5000"),
            ("10.0.0.1:5000", &["203.0.113.7, unknown, 10.1.1.1"], "10.1.1.1"),
            ("10.0.0.1:5000", &[""], "10.0.0.1:5000"),
            ("10.0.0.1:5000", &[], "10.0.0.1:5000"),
            // Whoever is no proxy may write what it likes.
            ("11.0.0.1:5000", &["203.0.113.7"], "11.0.0.1:5000"),
            ("[::ffff:10.0.0.1]:5000", &["203.0.113.7"], "203.0.113.7"),
        ] {
            let found = proxies().forwarded(from(peer), lines.iter().copied());
            assert_eq!(found.to_string(), client, "{peer} {lines:?}");
        }
    }
}
