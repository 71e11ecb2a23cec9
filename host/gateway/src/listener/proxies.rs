//! Client addresses of connections that come through proxies.
//!
//! Only configured proxies are trusted: their PROXY header (versions 1 and 2 of HAProxy's PROXY protocol, before
//! everything else, including TLS), and their `X-Forwarded-For`.
//!
//! `proxy-header` parses the header, but its `ProxiedStream` is not used: it also reads data behind the header, so that
//! the connection would need that wrapper for all its life; and it accepts a version 2 header of any announced length
//! (up to 64 KiB), which this module refuses at once.

use crate::charge_point::ClientAddress;
use crate::config::Network;
use proxy_header::{ParseConfig, ProxyHeader, SslInfo, Tlv};
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Bytes of the longest header of version 1, including the line end.
const MAX_V1: usize = 107;
/// The signature of version 2.
const SIGNATURE_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of signature, command, family and length of version 2.
const HEAD_V2: usize = 16;
/// Limit in bytes on the rest of a header of version 2: addresses, and extensions about TLS and the proxy.
const MAX_V2: usize = 4096;

/// The trusted proxies.
#[derive(Debug)]
pub(super) struct Proxies(Vec<Network>);

/// What a proxy says of its client.
#[derive(Debug)]
pub(super) struct Proxied {
    pub(super) address: ClientAddress,
    pub(super) tls: ProxiedTls,
}

/// What a trusted proxy says of the TLS that ends there, in a header of version 2 (section 2.2.6 of the protocol).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProxiedTls {
    /// The connection does not come from a trusted proxy.
    NoProxy,
    NotReported,
    NoCertificate,
    /// The number is that of OpenSSL's `X509_V_ERR_…`.
    NotVerified(u32),
    /// The common name of a certificate that the proxy has verified.
    Verified(Option<String>),
}

impl ProxiedTls {
    fn read(header: &ProxyHeader<'_>) -> Result<Self, BadHeader> {
        let mut found = ProxiedTls::NotReported;
        for field in header.tlvs() {
            if let Tlv::Ssl(tls) = field.map_err(|_| BadHeader::Invalid)? {
                // A second one would contradict the first, or repeat it.
                if found != ProxiedTls::NotReported {
                    return Err(BadHeader::Invalid);
                }
                found = ProxiedTls::of(&tls)?;
            }
        }
        Ok(found)
    }

    fn of(tls: &SslInfo<'_>) -> Result<Self, BadHeader> {
        let mut names = Vec::new();
        for field in tls.tlvs() {
            if let Tlv::SslCn(name) = field.map_err(|_| BadHeader::Invalid)? {
                names.push(name.into_owned());
            }
        }
        // In a resumed session, the client has shown its certificate before.
        let has_certificate = tls.client_cert_conn() || tls.client_cert_sess();
        Ok(match (tls.client_ssl(), has_certificate, tls.verify()) {
            (false, ..) => ProxiedTls::NotReported,
            (true, false, _) => ProxiedTls::NoCertificate,
            (true, true, 0) if names.len() > 1 => return Err(BadHeader::Invalid),
            (true, true, 0) => ProxiedTls::Verified(names.pop()),
            (true, true, problem) => ProxiedTls::NotVerified(problem),
        })
    }

    /// The common name of the verified certificate; or why the charge point is not let in, where it needs one. `proxies`: the
    /// key that lists the trusted proxies.
    pub(super) fn verified_name(&self, proxies: &str) -> Result<&str, String> {
        let problem = match self {
            ProxiedTls::Verified(Some(name)) if !name.is_empty() => return Ok(name),
            ProxiedTls::Verified(_) => {
                "no client certificate: the proxy does not tell its common name; HAProxy does with send-proxy-v2-ssl-cn"
            }
            ProxiedTls::NoProxy => {
                return Err(format!("no client certificate: the connection does not come through one of {proxies}"));
            }
            ProxiedTls::NotReported => {
                "no client certificate: the proxy sends no PROXY header of version 2 with the TLS of its client; \
                 HAProxy does with send-proxy-v2-ssl-cn"
            }
            ProxiedTls::NoCertificate => "no client certificate: the charge point has shown none to the proxy",
            ProxiedTls::NotVerified(number) => {
                return Err(format!("the proxy has not verified the client certificate: error {number} of OpenSSL"));
            }
        };
        Err(problem.to_owned())
    }
}

/// Why a PROXY header cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadHeader {
    #[error("cannot read the PROXY header: {0}")]
    Io(#[from] io::Error),
    #[error("bad PROXY header: too long")]
    TooLong,
    #[error("bad PROXY header: neither version 1 nor version 2")]
    Invalid,
}

impl Proxies {
    pub(super) fn new(trusted: Vec<Network>) -> Self {
        Proxies(trusted)
    }

    pub(super) fn trusts(&self, address: ClientAddress) -> bool {
        self.0.iter().any(|network| network.contains(address.ip))
    }

    /// Reads the PROXY header of a connection from `peer`, if that is trusted and sends one, and returns what it says of
    /// the client. Reads nothing beyond the header: its first byte differs from those of HTTP and TLS.
    pub(super) async fn client(&self, stream: &mut TcpStream, peer: ClientAddress) -> Result<Proxied, BadHeader> {
        if !self.trusts(peer) {
            return Ok(Proxied { address: peer, tls: ProxiedTls::NoProxy });
        }
        let unknown = Proxied { address: peer, tls: ProxiedTls::NotReported };
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Ok(unknown);
        }
        let header = match first[0] {
            b'P' => read_v1(stream).await?,
            b'\r' => read_v2(stream).await?,
            _ => return Ok(unknown),
        };
        let (header, _) = ProxyHeader::parse(&header, ParseConfig::default()).map_err(|_| BadHeader::Invalid)?;
        // A health check of the proxy itself names no client.
        Ok(match header.proxied_address() {
            Some(proxied) => Proxied { address: proxied.source.into(), tls: ProxiedTls::read(&header)? },
            None => unknown,
        })
    }

    /// The client address according to `X-Forwarded-For` of a request from `from`: the right-most address that is not a
    /// trusted proxy. Entries further left are not trusted, as any client can send them. `lines`: the header lines in
    /// order.
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
            // `unknown` and other names: the last proxy is the only known address.
            let Some(address) = parse(entry.trim()) else { break };
            client = address;
        }
        client
    }
}

/// Parses an address as proxies write it: with or without a port, IPv6 with or without brackets.
fn parse(entry: &str) -> Option<ClientAddress> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let alone = || bare.parse().ok().map(|ip: IpAddr| ClientAddress { ip: ip.to_canonical(), port: None });
    entry.parse::<SocketAddr>().map(ClientAddress::from).ok().or_else(alone)
}

async fn read_v1(stream: &mut TcpStream) -> Result<Vec<u8>, BadHeader> {
    let mut line = Vec::with_capacity(MAX_V1);
    while line.len() < MAX_V1 {
        // One byte at a time, so that data behind the header stays in the socket.
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
    if rest > MAX_V2 {
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
    fn right_most_address_that_is_not_a_proxy_is_the_client() {
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
            // Entries from an untrusted address do not count.
            ("11.0.0.1:5000", &["203.0.113.7"], "11.0.0.1:5000"),
            ("[::ffff:10.0.0.1]:5000", &["203.0.113.7"], "203.0.113.7"),
        ] {
            let found = proxies().forwarded(from(peer), lines.iter().copied());
            assert_eq!(found.to_string(), client, "{peer} {lines:?}");
        }
    }
}
