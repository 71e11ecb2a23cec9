//! Limits on connections: in total, per address, and per second.
//!
//! A handshake over a limit is answered with 503 or 429 and `Retry-After`, without effect on other connections. Far
//! over the limit, sockets are closed without a response.

use crate::config::OcppConfig;
use crate::operations::address::counted_address;
use crate::operations::file_limit::OTHER_FILES;
use crate::operations::metrics::{Limit, Metrics};
use ocpp_gateway_core::rate::{AdmissionLimiter, Nanos, Rate};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Connections of one address beyond the limit that still get a response. Further ones are closed without one.
const GRACE_CONNECTIONS: u32 = 16;

/// Sockets beyond `max_connections`, as a share of it and at least: for charge points that replace their own
/// connections, and for refusals.
const EXTRA_SHARE: usize = 16;
const MIN_EXTRA: usize = 64;
/// Handshakes in progress per address, as a share of `max_connections` and at least.
const HANDSHAKE_SHARE: usize = 4;
const MIN_HANDSHAKES: usize = 64;

/// All limits on connections.
pub(super) struct ConnectionLimits {
    /// Origin of all [`Nanos`].
    start: Instant,
    accept_rate: Option<Rate>,
    /// Handshakes in progress.
    handshakes: Arc<AddressCounts>,
    sockets: Arc<Sockets>,
    metrics: Metrics,
}

impl ConnectionLimits {
    /// `max_files`: the limit on open files of the process.
    pub(super) fn new(ocpp: &OcppConfig, max_files: usize, metrics: Metrics) -> Self {
        let per_address = u32::try_from(ocpp.max_connections_per_address).unwrap_or(u32::MAX);
        let handshakes = (ocpp.max_connections / HANDSHAKE_SHARE).max(MIN_HANDSHAKES);
        ConnectionLimits {
            start: Instant::now(),
            accept_rate: Rate::per_second(ocpp.accept_rate),
            handshakes: Arc::new(AddressCounts::new(u32::try_from(handshakes).unwrap_or(u32::MAX), 0)),
            sockets: Arc::new(Sockets {
                limit: max_sockets(ocpp.max_connections, max_files),
                open: AtomicUsize::new(0),
                addresses: (per_address > 0).then(|| AddressCounts::new(per_address, GRACE_CONNECTIONS)),
            }),
            metrics,
        }
    }

    /// Converts an instant for the rates.
    pub(super) fn nanos(&self, now: Instant) -> Nanos {
        u64::try_from(now.duration_since(self.start).as_nanos()).unwrap_or(Nanos::MAX)
    }

    /// The limiter for `accept_rate`. `None`: no limit.
    pub(super) fn admission_limiter(&self) -> Option<AdmissionLimiter> {
        self.accept_rate.map(AdmissionLimiter::new)
    }

    /// A permit for one more socket, kept as long as the socket. Sockets in a handshake count like those of charge
    /// points. `None`: the limit is reached.
    pub(super) fn socket(&self) -> Option<SocketPermit> {
        let permit = self.sockets.acquire();
        if permit.is_none() {
            self.metrics.limited(Limit::Sockets);
        }
        permit
    }

    /// Counts a socket for `address` too, as long as it is open.
    pub(super) fn claim_address(&self, permit: &mut SocketPermit, address: IpAddr) -> AddressRoom {
        let room = permit.claim_address(address);
        if room != AddressRoom::Free {
            self.metrics.limited(Limit::ConnectionsPerAddress);
        }
        room
    }

    /// A permit for a handshake from `address`, kept until the handshake is over. `None`: the limit is reached, which
    /// keeps one address from using all sockets with silent connections.
    pub(super) fn handshake(&self, address: IpAddr) -> Option<AddressPermit> {
        let address = counted_address(address);
        if self.handshakes.add(address) != AddressRoom::Free {
            self.metrics.limited(Limit::Handshakes);
            return None;
        }
        Some(AddressPermit { addresses: Arc::clone(&self.handshakes), address })
    }
}

/// The limit on open sockets.
fn max_sockets(max_connections: usize, max_files: usize) -> usize {
    let wanted = max_connections.saturating_add((max_connections / EXTRA_SHARE).max(MIN_EXTRA));
    // If the process has few files, some are left for the rest of the gateway.
    wanted.min(max_files.saturating_sub(OTHER_FILES).max(1))
}

/// Numbers of open sockets, in total and per address.
#[derive(Debug)]
struct Sockets {
    limit: usize,
    open: AtomicUsize,
    /// `None`: no limit per address.
    addresses: Option<AddressCounts>,
}

impl Sockets {
    fn acquire(self: &Arc<Self>) -> Option<SocketPermit> {
        let one_more = |open: usize| (open < self.limit).then_some(open + 1);
        self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(SocketPermit { sockets: Arc::clone(self), address: None })
    }
}

/// Counts one socket until it is dropped.
#[derive(Debug)]
pub(super) struct SocketPermit {
    sockets: Arc<Sockets>,
    /// The address that it is counted for too.
    address: Option<IpAddr>,
}

impl SocketPermit {
    fn claim_address(&mut self, address: IpAddr) -> AddressRoom {
        let Some(addresses) = self.sockets.addresses.as_ref().filter(|_| self.address.is_none()) else {
            return AddressRoom::Free;
        };
        let address = counted_address(address);
        let room = addresses.add(address);
        if room != AddressRoom::Full {
            self.address = Some(address);
        }
        room
    }
}

impl Drop for SocketPermit {
    fn drop(&mut self) {
        if let (Some(addresses), Some(address)) = (&self.sockets.addresses, self.address) {
            addresses.remove(address);
        }
        self.sockets.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Numbers of connections or handshakes per address.
#[derive(Debug)]
struct AddressCounts {
    limit: u32,
    /// This many more still get a response.
    grace: u32,
    open: Mutex<HashMap<IpAddr, u32>>,
}

/// Whether an address has room for one more connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressRoom {
    Free,
    /// Over the limit. The connection counts while it gets its response, which bounds how many are answered.
    Over,
    /// Far over the limit.
    Full,
}

/// Counts one handshake until it is dropped.
#[derive(Debug)]
pub(super) struct AddressPermit {
    addresses: Arc<AddressCounts>,
    address: IpAddr,
}

impl AddressCounts {
    fn new(limit: u32, grace: u32) -> Self {
        AddressCounts { limit, grace, open: Mutex::default() }
    }

    fn add(&self, address: IpAddr) -> AddressRoom {
        let mut open = self.open.lock();
        let count = open.entry(address).or_default();
        if *count >= self.limit.saturating_add(self.grace) {
            return AddressRoom::Full;
        }
        *count += 1;
        if *count > self.limit { AddressRoom::Over } else { AddressRoom::Free }
    }

    fn remove(&self, address: IpAddr) {
        let mut open = self.open.lock();
        if let Some(count) = open.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&address);
            }
        }
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        self.addresses.remove(self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;

    fn limits(ocpp: OcppConfig) -> ConnectionLimits {
        ConnectionLimits::new(&ocpp, usize::MAX, Metrics::new(&mut Registry::default()))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// A socket from `address`.
    fn claim_address(limits: &ConnectionLimits, address: IpAddr) -> (AddressRoom, SocketPermit) {
        let mut permit = limits.socket().expect("room");
        (limits.claim_address(&mut permit, address), permit)
    }

    #[test]
    fn connections_of_an_address_are_limited_until_they_close() {
        let limits = limits(OcppConfig { max_connections_per_address: 2, ..OcppConfig::default() });
        let here = address("10.0.0.1");
        let mut taken = Vec::new();
        for number in 0..2 + GRACE_CONNECTIONS {
            let (room, permit) =
                claim_address(&limits, if number % 2 == 0 { here } else { address("::ffff:10.0.0.1") });
            assert_eq!(room, if number < 2 { AddressRoom::Free } else { AddressRoom::Over });
            taken.push(permit);
        }
        assert_eq!(claim_address(&limits, here).0, AddressRoom::Full);
        assert_eq!(claim_address(&limits, address("10.0.0.2")).0, AddressRoom::Free);
        drop(taken);
        assert_eq!(claim_address(&limits, here).0, AddressRoom::Free);
        assert_eq!(limits.metrics.times_limited(Limit::ConnectionsPerAddress), u64::from(GRACE_CONNECTIONS) + 1);
    }

    #[test]
    fn ipv6_network_counts_as_one_address() {
        let limits = limits(OcppConfig { max_connections_per_address: 1, ..OcppConfig::default() });
        let _first = claim_address(&limits, address("2001:db8::1"));
        assert_eq!(claim_address(&limits, address("2001:db8::ffff:2")).0, AddressRoom::Over);
        assert_eq!(claim_address(&limits, address("2001:db8:0:1::1")).0, AddressRoom::Free);
    }

    #[test]
    fn sockets_are_limited_and_leave_files_for_the_rest() {
        assert_eq!(max_sockets(100_000, usize::MAX), 106_250);
        assert_eq!(max_sockets(2, usize::MAX), 66);
        assert_eq!(max_sockets(100_000, 1024), 1024 - OTHER_FILES);
        let limits = limits(OcppConfig { max_connections: 2, ..OcppConfig::default() });
        let taken: Vec<_> = (0..66).map(|_| limits.socket().expect("room")).collect();
        assert!(limits.socket().is_none());
        drop(taken);
        assert!(limits.socket().is_some());
    }

    #[test]
    fn connections_are_not_counted_without_a_limit() {
        let limits = limits(OcppConfig::default());
        assert_eq!(claim_address(&limits, address("10.0.0.1")).0, AddressRoom::Free);
        assert!(limits.admission_limiter().is_none());
    }
}
