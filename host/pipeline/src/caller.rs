//! The caller of a transform.

use foldhash::quality::RandomState;
use ocpp_gateway_core::Offer;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;

/// The charge point for which a call is made, as breakers and quotas count it. Hashes under a key of this process, so
/// that outsiders cannot choose two callers with the same hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Caller {
    /// The key under which failures are counted and a hook is stopped.
    pub(crate) individual: u64,
    /// The key under which it counts as one caller among all, and in quotas.
    pub(crate) group: u64,
}

impl Caller {
    pub(crate) fn charge_point(identity: &str) -> Self {
        let hash = hash(identity);
        Caller { individual: hash, group: hash }
    }

    /// A charge point before its admission. One client may name a hundred identities, so all from one address count as
    /// one. A hook is still stopped for one identity only, as many charge points may share an address.
    pub(crate) fn offer(offer: &Offer) -> Self {
        let network = network(&offer.remote_address);
        Caller { individual: hash((network.as_str(), offer.identity.as_str())), group: hash(network) }
    }
}

/// All bits are equally random: counting distinct values needs that, and a hash for tables alone does not provide it.
pub(crate) fn hash(of: impl std::hash::Hash) -> u64 {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    KEY.get_or_init(RandomState::default).hash_one(of)
}

/// The network of an address with or without a port: of IPv6 the first half, as one customer gets all the rest.
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
    fn network_of_an_address_is_read_with_and_without_a_port() {
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
