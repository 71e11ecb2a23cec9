//! Client addresses of connections that come through proxies.
//!
//! Only configured proxies are trusted: their PROXY header (versions 1 and 2 of HAProxy's PROXY protocol, before
//! everything else, including TLS), and their `X-Forwarded-For`.
//!
//! `proxy-header` parses the header, but its `ProxiedStream` is not used: it also reads data behind the header, so that
//! the connection would need that wrapper for all its life; and it accepts a version 2 header of any announced length
//! (up to 64 KiB), which this module refuses at once. It reads the checksum of a header, but does not check it.

use crate::charge_point::ClientAddress;
use crate::config::Network;
use proxy_header::{ParseConfig, ProxyHeader, SslInfo, Tlv};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
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

/// The field with the checksum of a header (`PP2_TYPE_CRC32C`, section 2.2.3).
const CHECKSUM: u8 = 0x03;

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

    /// The common name of the verified certificate; or why the charge point is not let in, where it needs one.
    /// `proxies`: the key that lists the trusted proxies.
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
    #[error("bad PROXY header: its checksum (CRC32c) is wrong")]
    Checksum,
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
    if has_right_checksum(&header) { Ok(header) } else { Err(BadHeader::Checksum) }
}

/// Whether a header of version 2 has no checksum, or the right one: that of the header with zeros in its place.
fn has_right_checksum(header: &[u8]) -> bool {
    let Some(place) = checksum_place(header) else { return true };
    let (before, after) = (&header[..place.start], &header[place.end..]);
    let computed = [&[0; 4][..], after].into_iter().fold(crc32c::crc32c(before), crc32c::crc32c_append);
    header[place] == computed.to_be_bytes()
}

/// Where the four bytes of the first checksum are.
fn checksum_place(header: &[u8]) -> Option<Range<usize>> {
    let addresses = match header.get(HEAD_V2 - 3)? >> 4 {
        1 => 12,
        2 => 36,
        // Of Unix sockets.
        3 => 216,
        _ => 0,
    };
    let mut fields = HEAD_V2 + addresses;
    loop {
        let &[kind, high, low, ..] = header.get(fields..)? else { return None };
        let value = fields + 3..fields + 3 + usize::from(u16::from_be_bytes([high, low]));
        if kind == CHECKSUM {
            return Some(value).filter(|value| value.len() == 4 && value.end <= header.len());
        }
        fields = value.end;
    }
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

    /// A header for a client at 203.0.113.7 with these fields behind the addresses.
    fn header(fields: &[u8]) -> Vec<u8> {
        let addresses = [203, 0, 113, 7, 192, 0, 2, 1, 0x04, 0xD2, 0x81, 0x09];
        let length = u8::try_from(addresses.len() + fields.len()).expect("short");
        [SIGNATURE_V2, &[0x21, 0x11, 0, length], &addresses, fields].concat()
    }

    #[test]
    fn checksum_of_a_header_has_to_be_right() {
        // Computed bit by bit with the polynomial of RFC 3720.
        let (first, last) = ([3, 0, 4, 0x81, 0xC1, 0x8D, 0x34], [3, 0, 4, 0x71, 0x91, 0xA7, 0x77]);
        let other = [4, 0, 1, 0];
        let with = |fields: &[&[u8]]| header(&fields.concat());
        for right in [with(&[]), with(&[&other]), with(&[&first, &other]), with(&[&other, &last])] {
            assert!(has_right_checksum(&right), "{right:02X?}");
        }
        let local = [SIGNATURE_V2, &[0x20, 0x00, 0, 7, 3, 0, 4, 0xA9, 0xB8, 0x7E, 0x8F]].concat();
        assert!(has_right_checksum(&local));
        let mut other_client = with(&[&first, &other]);
        other_client[HEAD_V2] += 1;
        let mut other_field = with(&[&other, &last]);
        other_field[HEAD_V2 + 12 + 3] += 1;
        for wrong in
            [with(&[&last, &other]), with(&[&other, &first]), with(&[&[3, 0, 4], &[0; 4]]), other_client, other_field]
        {
            assert!(!has_right_checksum(&wrong), "{wrong:02X?}");
        }
    }

    #[test]
    fn checksum_that_is_cut_off_is_none() {
        for fields in [&[3][..], &[3, 0], &[3, 0, 4], &[3, 0, 4, 0, 0, 0], &[3, 0, 5, 0, 0, 0, 0, 0], &[4, 0xFF, 0xFF]]
        {
            assert_eq!(checksum_place(&header(fields)), None, "{fields:?}");
        }
        assert_eq!(checksum_place(&header(&[])[..HEAD_V2]), None);
    }
}
