//! What charge points may ask of the gateway, beyond the sizes and times that handshake and session watch over.
//!
//! Over the limit nothing is lost and nobody else is harmed: a handshake is answered 503 or 429 with `Retry-After`, and
//! from a charge point that sends too fast nothing is read until it is its turn again, so that it feels it.

use crate::config::Ocpp;
use crate::file_limit::OTHER_FILES;
use ocpp_gateway_core::pace::{Nanos, Rate, Turnstile};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Connections from one address beyond the limit that are still told so. More are closed without a word.
const TOLD: u32 = 16;

/// Sockets beyond `max_connections`, as a share of it, and at least: of charge points that come back for their own place,
/// and of those that are told that there is none.
const EXTRA_SHARE: usize = 16;
const MIN_EXTRA: usize = 64;
/// Handshakes that one address may have under way, as a share of `max_connections`, and at least.
const HANDSHAKE_SHARE: usize = 4;
const MIN_HANDSHAKES: usize = 64;

/// What may be limited. The sizes of a request and of a message, the time of a handshake and silence are counted as what
/// they end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Connections,
    ConnectionsPerAddress,
    AcceptRate,
    MessageRate,
    TotalMessageRate,
    OpenCalls,
    QueueMemory,
    Sockets,
    Handshakes,
}

impl Limit {
    const ALL: [Limit; 9] = [
        Limit::Connections,
        Limit::ConnectionsPerAddress,
        Limit::AcceptRate,
        Limit::MessageRate,
        Limit::TotalMessageRate,
        Limit::OpenCalls,
        Limit::QueueMemory,
        Limit::Sockets,
        Limit::Handshakes,
    ];

    fn name(self) -> &'static str {
        match self {
            Limit::Connections => "max_connections",
            Limit::ConnectionsPerAddress => "max_connections_per_address",
            Limit::AcceptRate => "accept_rate",
            Limit::MessageRate => "message_rate",
            Limit::TotalMessageRate => "total_message_rate",
            Limit::OpenCalls => "open_calls",
            Limit::QueueMemory => "queue_memory",
            Limit::Sockets => "sockets",
            Limit::Handshakes => "handshakes_per_address",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    limit: &'static str,
}

/// All limits, and how often each was in force.
pub struct Limits {
    /// Moments are counted from here.
    start: Instant,
    accept_rate: Option<Rate>,
    message_rate: Option<Rate>,
    total_message_rate: Option<Rate>,
    total_booked: AtomicU64,
    /// Handshakes under way.
    handshakes: Arc<Addresses>,
    sockets: Arc<Sockets>,
    limited: [Counter; Limit::ALL.len()],
}

/// Where one charge point stands with the limits on messages.
#[derive(Debug, Default)]
pub struct Pace {
    booked: Nanos,
    /// Nothing is read from it before.
    held_until: Option<Instant>,
}

impl Pace {
    pub fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    pub fn release(&mut self, now: Instant) {
        self.held_until = self.held_until.filter(|until| *until > now);
    }
}

impl Limits {
    /// `max_files`: that the process may have open.
    pub fn new(ocpp: &Ocpp, max_files: usize, registry: &mut Registry) -> Self {
        let family = Family::<Labels, Counter>::default();
        let limited = Limit::ALL.map(|limit| family.get_or_create(&Labels { limit: limit.name() }).clone());
        registry.register("limited", "How often a limit was in force, by limit", family);
        let per_address = u32::try_from(ocpp.max_connections_per_address).unwrap_or(u32::MAX);
        let handshakes = (ocpp.max_connections / HANDSHAKE_SHARE).max(MIN_HANDSHAKES);
        Limits {
            start: Instant::now(),
            accept_rate: Rate::per_second(ocpp.accept_rate),
            message_rate: Rate::per_second(ocpp.message_rate),
            total_message_rate: Rate::per_second(ocpp.total_message_rate),
            total_booked: AtomicU64::new(0),
            handshakes: Arc::new(Addresses::new(u32::try_from(handshakes).unwrap_or(u32::MAX), 0)),
            sockets: Arc::new(Sockets {
                limit: max_sockets(ocpp.max_connections, max_files),
                open: AtomicUsize::new(0),
                addresses: (per_address > 0).then(|| Addresses::new(per_address, TOLD)),
            }),
            limited,
        }
    }

    /// Counts that a limit was in force.
    pub fn hit(&self, limit: Limit) {
        self.limited[limit as usize].inc();
    }

    /// A moment as the rates count it.
    pub fn moment(&self, now: Instant) -> Nanos {
        u64::try_from(now.duration_since(self.start).as_nanos()).unwrap_or(Nanos::MAX)
    }

    /// For whoever accepts connections.
    pub fn turnstile(&self) -> Option<Turnstile> {
        self.accept_rate.map(Turnstile::new)
    }

    /// Room for one more socket, to be kept as long as the socket: those that only sit in a handshake count like those of
    /// charge points. `None`: there is none.
    pub fn socket(&self) -> Option<Place> {
        let place = self.sockets.enter();
        if place.is_none() {
            self.hit(Limit::Sockets);
        }
        place
    }

    /// Counts a socket among those from `address` too, as long as it is open.
    pub fn seat(&self, place: &mut Place, address: IpAddr) -> Seating {
        let seating = place.sit(address);
        if seating != Seating::Free {
            self.hit(Limit::ConnectionsPerAddress);
        }
        seating
    }

    /// A place among the handshakes from `address`, to be kept until the handshake is over. `None`: there is none, so that
    /// one address cannot have the room of all others with sockets that say nothing.
    pub fn handshake(&self, address: IpAddr) -> Option<Seat> {
        let address = owner(address);
        if self.handshakes.enter(address) != Seating::Free {
            self.hit(Limit::Handshakes);
            return None;
        }
        Some(Seat { addresses: Arc::clone(&self.handshakes), address })
    }

    /// A message has come from a charge point, and goes its way. If it was too early, `pace` says until when no other may
    /// be read.
    pub fn message(&self, pace: &mut Pace) {
        if self.message_rate.is_none() && self.total_message_rate.is_none() {
            return;
        }
        let now = self.moment(Instant::now());
        let mut due = now;
        if let Some(rate) = self.message_rate {
            let (booked, at) = rate.book(pace.booked, now);
            pace.booked = booked;
            due = self.later(due, at, now, Limit::MessageRate);
        }
        if let Some(rate) = self.total_message_rate {
            let mut at = now;
            let book = |booked| {
                let (booked, place) = rate.book(booked, now);
                at = place;
                Some(booked)
            };
            let _ = self.total_booked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, book);
            due = self.later(due, at, now, Limit::TotalMessageRate);
        }
        pace.held_until = (due > now).then(|| self.start + Duration::from_nanos(due));
    }

    fn later(&self, due: Nanos, at: Nanos, now: Nanos, limit: Limit) -> Nanos {
        if at > now {
            self.hit(limit);
        }
        due.max(at)
    }
}

/// Sockets that may be open at a time.
fn max_sockets(max_connections: usize, max_files: usize) -> usize {
    let wanted = max_connections.saturating_add((max_connections / EXTRA_SHARE).max(MIN_EXTRA));
    // Where there are fewer files than connections, the rest of the gateway has to go on all the same.
    wanted.min(max_files.saturating_sub(OTHER_FILES).max(1))
}

/// How many sockets are open, and from where.
#[derive(Debug)]
struct Sockets {
    limit: usize,
    open: AtomicUsize,
    /// `None`: addresses have no limit.
    addresses: Option<Addresses>,
}

impl Sockets {
    fn enter(self: &Arc<Self>) -> Option<Place> {
        let one_more = |open: usize| (open < self.limit).then_some(open + 1);
        self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Place { sockets: Arc::clone(self), address: None })
    }
}

/// One socket's place, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    sockets: Arc<Sockets>,
    /// Whose place it is as well.
    address: Option<IpAddr>,
}

impl Place {
    fn sit(&mut self, address: IpAddr) -> Seating {
        let Some(addresses) = self.sockets.addresses.as_ref().filter(|_| self.address.is_none()) else {
            return Seating::Free;
        };
        let address = owner(address);
        let seating = addresses.enter(address);
        if seating != Seating::Full {
            self.address = Some(address);
        }
        seating
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let (Some(addresses), Some(address)) = (&self.sockets.addresses, self.address) {
            addresses.leave(address);
        }
        self.sockets.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many there are from each address.
#[derive(Debug)]
struct Addresses {
    limit: u32,
    /// So many more are still told that they are too many.
    told: u32,
    open: Mutex<HashMap<IpAddr, u32>>,
}

/// Whether there is a place for one more connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seating {
    Free,
    /// One too many, which counts while it is told so: that keeps more from coming.
    Over,
    /// Far too many.
    Full,
}

/// One handshake's place, given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    fn new(limit: u32, told: u32) -> Self {
        Addresses { limit, told, open: Mutex::default() }
    }

    fn enter(&self, address: IpAddr) -> Seating {
        let mut open = self.lock();
        let count = open.entry(address).or_default();
        if *count >= self.limit.saturating_add(self.told) {
            return Seating::Full;
        }
        *count += 1;
        if *count > self.limit { Seating::Over } else { Seating::Free }
    }

    fn leave(&self, address: IpAddr) {
        let mut open = self.lock();
        if let Some(count) = open.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&address);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.addresses.leave(self.address);
    }
}

/// Who has an address: of IPv6, one subscriber has a whole /64 network (RFC 6177).
pub fn owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(ocpp: Ocpp) -> Limits {
        Limits::new(&ocpp, usize::MAX, &mut Registry::default())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// A socket from `address`.
    fn sit(limits: &Limits, address: IpAddr) -> (Seating, Place) {
        let mut place = limits.socket().expect("room");
        (limits.seat(&mut place, address), place)
    }

    #[test]
    fn each_address_has_its_places_and_gets_them_back() {
        let limits = limits(Ocpp { max_connections_per_address: 2, ..Ocpp::default() });
        let here = address("10.0.0.1");
        let mut taken = Vec::new();
        for number in 0..2 + TOLD {
            let (seating, place) = sit(&limits, if number % 2 == 0 { here } else { address("::ffff:10.0.0.1") });
            assert_eq!(seating, if number < 2 { Seating::Free } else { Seating::Over });
            taken.push(place);
        }
        assert_eq!(sit(&limits, here).0, Seating::Full);
        assert_eq!(sit(&limits, address("10.0.0.2")).0, Seating::Free);
        drop(taken);
        assert_eq!(sit(&limits, here).0, Seating::Free);
        assert_eq!(limits.limited[Limit::ConnectionsPerAddress as usize].get(), u64::from(TOLD) + 1);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let limits = limits(Ocpp { max_connections_per_address: 1, ..Ocpp::default() });
        let _first = sit(&limits, address("2001:db8::1"));
        assert_eq!(sit(&limits, address("2001:db8::ffff:2")).0, Seating::Over);
        assert_eq!(sit(&limits, address("2001:db8:0:1::1")).0, Seating::Free);
    }

    #[test]
    fn sockets_are_bounded_and_leave_files_for_the_rest() {
        assert_eq!(max_sockets(100_000, usize::MAX), 106_250);
        assert_eq!(max_sockets(2, usize::MAX), 66);
        assert_eq!(max_sockets(100_000, 1024), 1024 - OTHER_FILES);
        let limits = limits(Ocpp { max_connections: 2, ..Ocpp::default() });
        let taken: Vec<_> = (0..66).map(|_| limits.socket().expect("room")).collect();
        assert!(limits.socket().is_none());
        drop(taken);
        assert!(limits.socket().is_some());
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let limits = limits(Ocpp::default());
        assert_eq!(sit(&limits, address("10.0.0.1")).0, Seating::Free);
        assert!(limits.turnstile().is_none());
        let mut pace = Pace::default();
        (0..1000).for_each(|_| limits.message(&mut pace));
        assert_eq!(pace.held_until(), None);
    }

    #[test]
    fn who_sends_too_fast_is_held_and_the_others_are_not() {
        let limits = limits(Ocpp { message_rate: 10, ..Ocpp::default() });
        let (mut fast, mut slow) = (Pace::default(), Pace::default());
        (0..12).for_each(|_| limits.message(&mut fast));
        limits.message(&mut slow);
        assert_eq!(slow.held_until(), None);
        let until = fast.held_until().expect("held");
        fast.release(until - Duration::from_millis(1));
        assert_eq!(fast.held_until(), Some(until));
        fast.release(until);
        assert_eq!(fast.held_until(), None);
    }

    #[test]
    fn all_together_have_a_limit_of_their_own() {
        let limits = limits(Ocpp { total_message_rate: 10, ..Ocpp::default() });
        let mut paces: Vec<Pace> = (0..30).map(|_| Pace::default()).collect();
        paces.iter_mut().for_each(|pace| limits.message(pace));
        let held: Vec<Instant> = paces.iter().filter_map(Pace::held_until).collect();
        assert!((19..=20).contains(&held.len()), "{}", held.len());
        assert!(held.is_sorted() && held[0] < held[held.len() - 1], "each has a place of its own in the row");
    }
}
