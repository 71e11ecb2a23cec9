//! For whom a call of a transform is made.

use foldhash::quality::RandomState;
use ocpp_gateway_core::Offer;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;

/// For whom a call is made, as breakers and quotas count. Hashes under a key of this process, so that nobody outside can
/// choose two that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Caller {
    /// Has failures of its own.
    pub(crate) own: u64,
    /// Counts as one among all.
    pub(crate) party: u64,
}

impl Caller {
    pub(crate) fn charge_point(identity: &str) -> Self {
        let hash = hash(identity);
        Caller { own: hash, party: hash }
    }

    /// A stranger, who may say to be a hundred charge points: all from one address count as one. What fails is still
    /// stopped for one identity only, as many charge points may share an address.
    pub(crate) fn stranger(offer: &Offer) -> Self {
        let network = network(&offer.remote_address);
        Caller { own: hash((network.as_str(), offer.identity.as_str())), party: hash(network) }
    }
}

/// Every bit of it is as random as another: what counts how many are different needs that, and a hash for tables alone lacks it.
pub(crate) fn hash(of: impl std::hash::Hash) -> u64 {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    KEY.get_or_init(RandomState::default).hash_one(of)
}

/// Of an address with or without a port; of IPv6 the first half, as one customer gets all the rest.
fn network(address: &str) -> String {
    let parsed = address.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| address.parse::<IpAddr>());
    match parsed.map(|address| address.to_canonical()) {
        Ok(IpAddr::V6(address)) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).to_string(),
        Ok(address) => address.to_string(),
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_with_and_without_a_port() {
        for (address, known) in [
            ("192.0.2.1:5000", "192.0.2.1"),
            ("192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
            ("[2001:db8:1:2:3::4]:80", "2001:db8:1:2::"),
            ("somewhere", "somewhere"),
        ] {
            assert_eq!(network(address), known);
        }
    }
}
