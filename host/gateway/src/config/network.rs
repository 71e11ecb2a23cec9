//! Addresses and networks.

use super::values::written_as_text;
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address such as `10.0.0.1`, or a network such as `10.0.0.0/8` or `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

/// The text is neither an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address such as \"10.0.0.1\" nor a network such as \"10.0.0.0/8\"")]
pub struct BadNetwork(String);

impl Network {
    /// `address` has to be canonical: an IPv4-mapped IPv6 address is in no network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// Whether all addresses of `other` are in this network.
    pub fn covers(&self, other: &Network) -> bool {
        self.0.contains(&other.0)
    }
}

impl FromStr for Network {
    type Err = BadNetwork;
    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let address = || text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        text.parse().or_else(|_| address()).map(Network).map_err(|_| BadNetwork(text.to_owned()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

written_as_text!(Network, "an address or network such as \"10.0.0.0/8\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_covers_itself_and_its_parts() {
        for (wide, narrow, covers) in [
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "10.0.0.0/8", true),
            ("10.1.0.0/16", "10.0.0.0/8", false),
            ("10.0.0.0/8", "11.0.0.0/16", false),
            ("fd00::/8", "fd12::/16", true),
            ("fd12::/16", "fd00::/8", false),
            ("::/0", "10.0.0.0/8", false),
            ("0.0.0.0/0", "fd00::/8", false),
        ] {
            let [one, other] = [wide, narrow].map(|text| text.parse::<Network>().expect(text));
            assert_eq!(one.covers(&other), covers, "{wide} {narrow}");
        }
    }

    #[test]
    fn addresses_and_networks_are_read_and_written() {
        for (text, inside, outside) in [
            ("10.0.0.1", "10.0.0.1", "10.0.0.2"),
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.1"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("::1", "::1", "127.0.0.1"),
        ] {
            let network: Network = text.parse().expect(text);
            assert_eq!(network.to_string(), text);
            assert!(network.contains(inside.parse().expect("an address")), "{text}");
            assert!(!network.contains(outside.parse().expect("an address")), "{text}");
        }
        for text in ["", "10.0.0.0/33", "10.0.0", "localhost"] {
            assert_eq!(text.parse::<Network>(), Err(BadNetwork(text.into())));
        }
    }
}
