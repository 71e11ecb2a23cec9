//! Network addresses, as limits count them.

use std::net::{IpAddr, Ipv6Addr};

/// The address that limits count: of IPv6, the /64 network, because one subscriber has a whole one (RFC 6177).
pub(crate) fn counted_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}
