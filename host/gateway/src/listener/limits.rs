//! Limits on the connections of a listener: in total, per address, and per second.
//!
//! A handshake over a limit is answered with 503 or 429 and `Retry-After`, without effect on other connections. Far
//! over the limit, sockets are closed without a response.

use crate::config::Listener;
use crate::operations::address::counted_address;
use crate::operations::file_limit::OTHER_FILES;
use crate::operations::metrics::{Limit, Metrics};
use ocpp_gateway_core::rate::{Admission, AdmissionLimiter, Nanos, Rate};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
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

/// All limits on the connections of a listener.
pub(super) struct ConnectionLimits {
    /// Origin of all [`Nanos`].
    start: Instant,
    /// Handshakes per second. `None`: no limit.
    admission: Option<Mutex<AdmissionLimiter>>,
    /// Handshakes in progress.
    handshakes: Arc<AddressCounts>,
    sockets: Arc<Sockets>,
    metrics: Metrics,
}

impl ConnectionLimits {
    /// `sockets`: those of the listener, which may be open already.
    pub(super) fn new(listener: &Listener, sockets: Arc<Sockets>, metrics: Metrics) -> Self {
        sockets.set_limits(listener);
        let handshakes = (listener.max_connections / HANDSHAKE_SHARE).max(MIN_HANDSHAKES);
        ConnectionLimits {
            start: Instant::now(),
            admission: Rate::per_second(listener.accept_rate).map(|rate| Mutex::new(AdmissionLimiter::new(rate))),
            handshakes: Arc::new(AddressCounts::new(u32::try_from(handshakes).unwrap_or(u32::MAX), 0)),
            sockets,
            metrics,
        }
    }

    /// When the handshake of a new connection may begin. `None`: at once, as there is no limit.
    pub(super) fn admit(&self) -> Option<Admission> {
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(Nanos::MAX);
        self.admission.as_ref().map(|limiter| limiter.lock().admit(now))
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

/// Sockets for so many charge points.
fn max_sockets(max_connections: usize) -> usize {
    max_connections.saturating_add((max_connections / EXTRA_SHARE).max(MIN_EXTRA))
}

/// A number that has a limit.
#[derive(Debug)]
struct Limited {
    limit: AtomicUsize,
    number: AtomicUsize,
}

impl Limited {
    fn new(limit: usize) -> Self {
        Limited { limit: limit.into(), number: AtomicUsize::new(0) }
    }

    /// Counts one more. `false`: the limit is reached.
    fn add(&self) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let one_more = |number: usize| (number < limit).then_some(number + 1);
        self.number.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// Counts one more whatever the limit is.
    fn add_beyond(&self) -> bool {
        self.number.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn remove(&self) {
        self.number.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The open sockets of all listeners together.
#[derive(Debug)]
pub(super) struct AllSockets(Limited);

impl AllSockets {
    /// `max_files`: the limit on open files of the process. If it has few, some are left for the rest of the gateway.
    pub(super) fn new(max_connections: usize, max_files: usize) -> Self {
        AllSockets(Limited::new(max_sockets(max_connections).min(max_files.saturating_sub(OTHER_FILES).max(1))))
    }
}

/// The open sockets of one listener: those in a handshake, and those of charge points.
#[derive(Debug)]
pub(super) struct Sockets {
    all: Arc<AllSockets>,
    own: Limited,
    charge_points: Limited,
    addresses: AddressCounts,
}

impl Sockets {
    pub(super) fn new(all: Arc<AllSockets>) -> Self {
        let (own, charge_points) = (Limited::new(0), Limited::new(0));
        Sockets { all, own, charge_points, addresses: AddressCounts::new(0, GRACE_CONNECTIONS) }
    }

    fn set_limits(&self, listener: &Listener) {
        self.own.limit.store(max_sockets(listener.max_connections), Ordering::Relaxed);
        self.charge_points.limit.store(listener.max_connections, Ordering::Relaxed);
        let per_address = u32::try_from(listener.max_connections_per_address).unwrap_or(u32::MAX);
        self.addresses.limit.store(per_address, Ordering::Relaxed);
    }

    /// The number of charge points.
    pub(super) fn charge_points(&self) -> usize {
        self.charge_points.number.load(Ordering::Relaxed)
    }

    fn acquire(self: &Arc<Self>) -> Option<SocketPermit> {
        if !self.all.0.add() {
            return None;
        }
        if !self.own.add() {
            self.all.0.remove();
            return None;
        }
        Some(SocketPermit { sockets: Arc::clone(self), address: None, is_charge_point: false })
    }
}

/// Counts one socket until it is dropped.
#[derive(Debug)]
pub(super) struct SocketPermit {
    sockets: Arc<Sockets>,
    /// The address that it is counted for too.
    address: Option<IpAddr>,
    /// It is counted among the charge points too.
    is_charge_point: bool,
}

impl SocketPermit {
    fn claim_address(&mut self, address: IpAddr) -> AddressRoom {
        if self.address.is_some() || self.sockets.addresses.is_unlimited() {
            return AddressRoom::Free;
        }
        let address = counted_address(address);
        let room = self.sockets.addresses.add(address);
        if room != AddressRoom::Full {
            self.address = Some(address);
        }
        room
    }

    /// Counts the socket among the charge points of its listener, beyond the limit if it takes the place of another.
    /// `false`: the limit is reached.
    pub(super) fn claim_charge_point(&mut self, is_replacement: bool) -> bool {
        let charge_points = &self.sockets.charge_points;
        self.is_charge_point =
            self.is_charge_point || charge_points.add() || is_replacement && charge_points.add_beyond();
        self.is_charge_point
    }
}

impl Drop for SocketPermit {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            self.sockets.addresses.remove(address);
        }
        if self.is_charge_point {
            self.sockets.charge_points.remove();
        }
        self.sockets.own.remove();
        self.sockets.all.0.remove();
    }
}

/// Numbers of connections or handshakes per address.
#[derive(Debug)]
struct AddressCounts {
    /// 0 for sockets: no limit.
    limit: AtomicU32,
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
        AddressCounts { limit: limit.into(), grace, open: Mutex::default() }
    }

    fn is_unlimited(&self) -> bool {
        self.limit.load(Ordering::Relaxed) == 0
    }

    fn add(&self, address: IpAddr) -> AddressRoom {
        let limit = self.limit.load(Ordering::Relaxed);
        let mut open = self.open.lock();
        let count = open.entry(address).or_default();
        if *count >= limit.saturating_add(self.grace) {
            return AddressRoom::Full;
        }
        *count += 1;
        if *count > limit { AddressRoom::Over } else { AddressRoom::Free }
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

    fn limits(listener: Listener) -> ConnectionLimits {
        limits_of(&listener, &Arc::new(AllSockets::new(usize::MAX, usize::MAX)))
    }

    fn limits_of(listener: &Listener, all: &Arc<AllSockets>) -> ConnectionLimits {
        let sockets = Arc::new(Sockets::new(Arc::clone(all)));
        ConnectionLimits::new(listener, sockets, Metrics::new(&mut Registry::default()))
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
        let limits = limits(Listener { max_connections_per_address: 2, ..Listener::default() });
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
        let limits = limits(Listener { max_connections_per_address: 1, ..Listener::default() });
        let _first = claim_address(&limits, address("2001:db8::1"));
        assert_eq!(claim_address(&limits, address("2001:db8::ffff:2")).0, AddressRoom::Over);
        assert_eq!(claim_address(&limits, address("2001:db8:0:1::1")).0, AddressRoom::Free);
    }

    #[test]
    fn sockets_are_limited_and_leave_files_for_the_rest() {
        let limit =
            |max_connections, max_files| AllSockets::new(max_connections, max_files).0.limit.load(Ordering::Relaxed);
        assert_eq!(limit(100_000, usize::MAX), 106_250);
        assert_eq!(limit(2, usize::MAX), 66);
        assert_eq!(limit(100_000, 1024), 1024 - OTHER_FILES);
        let limits = limits(Listener { max_connections: 2, ..Listener::default() });
        let taken: Vec<_> = (0..66).map(|_| limits.socket().expect("room")).collect();
        assert!(limits.socket().is_none());
        drop(taken);
        assert!(limits.socket().is_some());
    }

    #[test]
    fn connections_are_not_counted_without_a_limit() {
        let limits = limits(Listener::default());
        assert_eq!(claim_address(&limits, address("10.0.0.1")).0, AddressRoom::Free);
        assert_eq!(limits.admit(), None);
    }

    #[test]
    fn listeners_have_limits_of_their_own_and_one_together() {
        let all = Arc::new(AllSockets::new(64, usize::MAX));
        let (small, large) = [1, 1000]
            .map(|max_connections| limits_of(&Listener { max_connections, ..Listener::default() }, &all))
            .into();
        let mut first = small.socket().expect("room");
        let mut second = small.socket().expect("room");
        assert!(first.claim_charge_point(false) && first.claim_charge_point(false));
        assert!(!second.claim_charge_point(false), "one charge point");
        assert!(second.claim_charge_point(true), "in the place of the first");
        drop(first);
        let mut third = small.socket().expect("room");
        assert!(!third.claim_charge_point(false), "the second is counted");
        drop(second);
        assert!(third.claim_charge_point(false));
        let taken: Vec<_> = std::iter::from_fn(|| large.socket()).collect();
        assert_eq!(taken.len(), 127, "128 for all of them");
        assert!(small.socket().is_none());
    }
}
