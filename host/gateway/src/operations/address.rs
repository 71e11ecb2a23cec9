//! Addresses of the network, as limits count them.

use std::net::{IpAddr, Ipv6Addr};

/// Who has an address: of IPv6, one subscriber has a whole /64 network (RFC 6177).
pub(crate) fn owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}
