//! The registry of charge points: those that are connected, and what is known of those that were.

use super::client_address::Arrival;
use super::delivery::Stop;
use super::disconnect_reason::DisconnectReason;
use super::facts::Facts;
use super::faulted::{Faulted, FaultedChargePoints};
use super::mailbox::Mailbox;
use super::moment::Moment;
use crate::cluster::Connections;
use crate::config::OnDuplicate;
use lru::LruCache;
use ocpp_gateway_core::{Identity, Peer, Version};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Charge points that are not connected and known all the same: the list of them is read under the lock.
const MAX_AWAY: usize = 10_000;

/// Why the registry refuses a charge point. Checked during the handshake, and again after it, as another handshake may
/// have finished first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryRefusal {
    /// It is connected already, and `on_duplicate` is `refuse`.
    Duplicate,
    /// `max_connections` are connected.
    Full,
}

/// All connected charge points. Locked when one connects or disconnects, and when the number of its faulted connectors
/// changes: for no other message.
pub struct Registry {
    on_duplicate: OnDuplicate,
    max_connections: usize,
    /// Whether new charge points are accepted: once the broker was reached for the first time.
    is_open: AtomicBool,
    state: Mutex<RegistryState>,
    connections: AtomicU32,
}

struct RegistryState {
    /// Sorted, so that a page of the list costs no more than its size.
    connected: BTreeMap<Identity, Connected>,
    /// Charge points that were connected and are not, by their last disconnect. At most [`MAX_AWAY`].
    away: LruCache<Identity, Away>,
    /// The heartbeat intervals of those that are no longer among them: after an outage, charge points come back without
    /// a BootNotification. At most `max_connections`.
    intervals: LruCache<Identity, Duration>,
    /// Those of the connected charge points that have faulted connectors.
    faulted: FaultedChargePoints,
    /// The latest closed connection of each charge point, until the publisher has its last message.
    leaving: HashMap<Identity, Mailbox>,
    /// Set once the gateway stops, and during an outage of the broker. Connections that register then are stopped at
    /// once.
    stop: Option<Stop>,
}

/// A successful registration.
pub struct Registered<T> {
    pub claim: T,
    /// The previous connection of the same charge point. The new one publishes only after that one has published
    /// everything.
    pub predecessor: Option<Mailbox>,
}

/// A connected charge point.
#[derive(Clone)]
pub struct Connected {
    pub mailbox: Mailbox,
    pub arrival: Arrival,
    pub since: SystemTime,
}

/// A charge point that is not connected, but was.
#[derive(Clone)]
pub struct Away {
    pub identity: Identity,
    pub version: Version,
    /// Of the last connection, as the two below.
    pub arrival: Arrival,
    pub since: SystemTime,
    pub last_message: Option<Moment>,
    pub facts: Arc<Facts>,
}

impl Registry {
    pub fn new(on_duplicate: OnDuplicate, max_connections: usize) -> Self {
        // A bounded cache would allocate memory for its whole capacity at once.
        let (away, intervals) = (LruCache::unbounded(), LruCache::unbounded());
        let (connected, leaving) = (BTreeMap::new(), HashMap::new());
        let faulted = FaultedChargePoints::default();
        let state = RegistryState { connected, away, intervals, faulted, leaving, stop: None };
        let (is_open, connections) = (AtomicBool::new(false), AtomicU32::default());
        Registry { on_duplicate, max_connections, is_open, state: Mutex::new(state), connections }
    }

    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Sets whether new charge points are accepted.
    pub fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Relaxed);
    }

    /// A new connection number, unique within this process.
    pub fn next_connection(&self) -> u32 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    pub fn len(&self) -> usize {
        self.state.lock().connected.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is known of a charge point that connects, from earlier connections.
    pub fn facts(&self, identity: &Identity) -> Arc<Facts> {
        let state = self.state.lock();
        let connected = state.connected.get(identity).map(|it| it.mailbox.facts());
        let known = connected.or_else(|| state.away.peek(identity).map(|away| &away.facts)).cloned();
        known.unwrap_or_else(|| {
            let facts = Arc::<Facts>::default();
            facts.set_interval(state.intervals.peek(identity).copied());
            facts
        })
    }

    /// Why [`register`](Self::register) would refuse this charge point now, if it would.
    pub fn refusal(&self, identity: &Identity) -> Option<RegistryRefusal> {
        self.refusal_in(&self.state.lock(), identity)
    }

    fn refusal_in(&self, state: &RegistryState, identity: &Identity) -> Option<RegistryRefusal> {
        let connected = state.connected.contains_key(identity);
        match self.on_duplicate {
            OnDuplicate::Refuse if connected => Some(RegistryRefusal::Duplicate),
            // A replaced connection frees its slot.
            _ if state.connected.len() >= self.max_connections && !connected => Some(RegistryRefusal::Full),
            _ => None,
        }
    }

    /// Registers a charge point. Its earlier connection gets no more messages and is told to end. `claim` is called
    /// under the lock, so that other gateways receive claims in the order of registrations.
    pub fn register<T>(
        &self,
        peer: &Peer,
        arrival: Arrival,
        mailbox: Mailbox,
        claim: impl FnOnce() -> T,
    ) -> Result<Registered<T>, RegistryRefusal> {
        let mut state = self.state.lock();
        match &state.stop {
            Some(reason) => mailbox.stop(reason.clone()),
            // Checked during the handshake already; of two handshakes at the same time, the second is refused here.
            None => self.refusal_in(&state, &peer.identity).map_or(Ok(()), Err)?,
        }
        let leaving = state.leaving.get(&peer.identity).cloned();
        state.continue_previous(&mailbox);
        // What is known outlasts a connection.
        state.faulted.set(&peer.identity, mailbox.facts().faulted());
        let connected = Connected { mailbox, arrival, since: SystemTime::now() };
        let replaced = state.connected.insert(peer.identity.clone(), connected).map(|old| old.mailbox);
        if let Some(old) = &replaced {
            old.facts().set_disconnected(DisconnectReason::Replaced.name(), Instant::now());
            old.return_messages();
            old.stop(Stop::Replaced);
        }
        Ok(Registered { claim: claim(), predecessor: replaced.or(leaving) })
    }

    /// To be called when the number of faulted connectors of a charge point has changed.
    pub(super) fn faulted_changed(&self, identity: &Identity) {
        let mut state = self.state.lock();
        // Read under the lock: of two connections, the facts are the same.
        let Some(faulted) = state.connected.get(identity).map(|it| it.mailbox.facts().faulted()) else { return };
        state.faulted.set(identity, faulted);
    }

    /// The faulted connectors of connected charge points, with the first identities, at most `names`. `None`: there are
    /// none.
    pub fn faulted(&self, names: usize) -> Option<Faulted> {
        self.state.lock().faulted.summary(names)
    }

    /// All connected charge points, by identity.
    pub fn connected(&self) -> Vec<Connected> {
        self.state.lock().connected.values().cloned().collect()
    }

    pub fn find(&self, identity: &str) -> Option<Connected> {
        self.state.lock().connected.get(identity).cloned()
    }

    /// Some of the connected charge points, by identity: those after `after`, without the first `skip` of them, and at
    /// most `limit`.
    pub fn page(&self, after: Option<&str>, skip: usize, limit: usize) -> Vec<Connected> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state.lock();
        let rest = state.connected.range::<str, _>((start, Bound::Unbounded));
        rest.skip(skip).take(limit).map(|(_, entry)| entry.clone()).collect()
    }

    /// Like [`page`](Self::page), from the last identity on.
    pub fn page_from_the_end(&self, skip: usize, limit: usize) -> Vec<Connected> {
        self.state.lock().connected.values().rev().skip(skip).take(limit).cloned().collect()
    }

    /// All charge points that are not connected, but were, in no order.
    pub fn away(&self) -> Vec<Away> {
        self.state.lock().away.iter().map(|(_, away)| away.clone()).collect()
    }

    pub fn find_away(&self, identity: &str) -> Option<Away> {
        self.state.lock().away.peek(identity).cloned()
    }

    /// Tells the connection of this charge point to end. It stays registered until it has ended. `false`: not
    /// connected.
    pub fn kick(&self, identity: &str) -> bool {
        self.state.lock().connected.get(identity).map(|entry| entry.mailbox.stop(Stop::Kicked)).is_some()
    }

    /// Tells this connection to end, as its listener has.
    pub fn kick_late(&self, peer: &Peer) {
        let state = self.state.lock();
        let current = state.connected.get(&peer.identity).map(|entry| &entry.mailbox);
        let current = current.filter(|mailbox| mailbox.peer().connection == peer.connection);
        current.into_iter().for_each(|mailbox| mailbox.stop(Stop::ListenerRemoved));
    }

    /// Tells all connections to this listener to end.
    pub fn kick_from(&self, listener: &str) {
        let state = self.state.lock();
        let connected = state.connected.values().filter(|entry| &*entry.arrival.listener == listener);
        connected.for_each(|entry| entry.mailbox.stop(Stop::ListenerRemoved));
    }

    /// Removes a connection that is over, for this reason, as in the metric `closed`. The successor of a replaced
    /// connection stays registered.
    pub fn unregister(&self, peer: &Peer, reason: &'static str) {
        self.disconnect(peer.identity.as_str(), peer.connection, reason);
    }

    /// Moves this connection to those that leave, if it is still the current one of its charge point.
    fn disconnect(&self, identity: &str, connection: u32, reason: &'static str) -> Option<Mailbox> {
        let mut state = self.state.lock();
        let mailbox = state.disconnect(identity, connection, reason);
        state.limit_away(self.max_connections);
        mailbox
    }

    /// Forgets a connection whose last message the publisher has.
    pub fn forget_leaving(&self, peer: &Peer) {
        let leaving = &mut self.state.lock().leaving;
        if leaving.get(&peer.identity).is_some_and(|mailbox| mailbox.peer().connection == peer.connection) {
            leaving.remove(&peer.identity);
        }
    }

    /// Tells all connections to end, present and future.
    pub fn stop_all(&self, by: Instant) {
        let reason = Stop::Shutdown { by };
        let mut state = self.state.lock();
        state.stop = Some(reason.clone());
        state.faulted = FaultedChargePoints::default();
        std::mem::take(&mut state.connected).into_values().for_each(|entry| entry.mailbox.stop(reason.clone()));
    }

    /// Tells all connections to end because the broker is away, and new ones until [`end_outage`](Self::end_outage).
    /// Returns how many are connected.
    pub fn begin_outage(&self) -> usize {
        let mut state = self.state.lock();
        state.stop.get_or_insert(Stop::BrokerAway);
        state.connected.values().for_each(|entry| entry.mailbox.stop(Stop::BrokerAway));
        state.connected.len()
    }

    /// The broker is back.
    pub fn end_outage(&self) {
        self.state.lock().stop.take_if(|stop| *stop == Stop::BrokerAway);
    }
}

impl Connections for Registry {
    fn yield_to_other(&self, identity: &str, connection: u32) {
        if let Some(old) = self.disconnect(identity, connection, DisconnectReason::TakenOver.name()) {
            old.discard_messages();
            old.stop(Stop::TakenOver);
        }
    }
}

impl RegistryState {
    /// Of the charge point that has been away for the longest time, only the heartbeat interval stays known if there are
    /// too many.
    fn limit_away(&mut self, max_connections: usize) {
        if self.away.len() <= max_connections.min(MAX_AWAY) {
            return;
        }
        let Some((identity, away)) = self.away.pop_lru() else { return };
        let Some(interval) = away.facts.interval() else { return };
        self.intervals.put(identity, interval);
        if self.intervals.len() > max_connections {
            self.intervals.pop_lru();
        }
    }

    /// Takes over what the mailbox of a charge point that connects has to know of its previous connection.
    fn continue_previous(&mut self, mailbox: &Mailbox) {
        let peer = mailbox.peer();
        self.intervals.pop(&peer.identity);
        let away = self.away.pop(&peer.identity).map(|away| (away.version, away.last_message));
        let replaced = self.connected.get(&peer.identity).map(|it| &it.mailbox);
        let replaced = replaced.map(|old| (old.peer().version, old.activity().last_message()));
        let Some((version, last_message)) = replaced.or(away) else { return };
        if version != peer.version {
            mailbox.facts().forget_connectors();
        }
        mailbox.activity().continue_from(last_message);
    }

    /// Moves this connection from `connected` to `leaving`, if it is still the current one of its charge point.
    fn disconnect(&mut self, identity: &str, connection: u32, reason: &'static str) -> Option<Mailbox> {
        if self.connected.get(identity)?.mailbox.peer().connection != connection {
            return None;
        }
        let (identity, Connected { mailbox, arrival, since }) = self.connected.remove_entry(identity)?;
        self.faulted.set(&identity, 0);
        let facts = Arc::clone(mailbox.facts());
        facts.set_disconnected(reason, Instant::now());
        let (version, last_message) = (mailbox.peer().version, mailbox.activity().last_message());
        let away = Away { identity: identity.clone(), version, arrival, since, last_message, facts };
        self.away.put(identity.clone(), away);
        self.leaving.insert(identity, mailbox.clone());
        Some(mailbox)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(60);

    fn identity(number: u32) -> Identity {
        Identity::new(&format!("CP{number}"), 48).expect("an identity")
    }

    /// The charge point of this number has disconnected, and was given this heartbeat interval.
    fn disconnected(registry: &Registry, number: u32, interval: Option<Duration>) {
        let facts = Arc::<Facts>::default();
        facts.set_interval(interval);
        let identity = identity(number);
        let address = std::net::SocketAddr::from(([192, 0, 2, 1], 4711)).into();
        let (version, since) = (Version::V1_6, SystemTime::now());
        let away = Away {
            identity: identity.clone(),
            version,
            arrival: Arrival { address, listener: "default".into() },
            since,
            last_message: None,
            facts,
        };
        let mut state = registry.state.lock();
        state.away.put(identity, away);
        state.limit_away(registry.max_connections);
    }

    fn interval(registry: &Registry, number: u32) -> Option<Duration> {
        registry.facts(&identity(number)).interval()
    }

    #[test]
    fn heartbeat_interval_of_a_charge_point_that_is_away_for_long_stays_known() {
        let registry = Registry::new(OnDuplicate::Replace, 2 * MAX_AWAY);
        let number = |number: usize| u32::try_from(number).expect("small");
        for one in 0..=number(MAX_AWAY) {
            disconnected(&registry, one, Some(INTERVAL * (one + 1)));
        }
        assert!(registry.find_away("CP0").is_none() && registry.find_away("CP1").is_some());
        assert_eq!(registry.away().len(), MAX_AWAY);
        assert_eq!([0, 1].map(|one| interval(&registry, one)), [Some(INTERVAL), Some(INTERVAL * 2)]);
    }

    #[test]
    fn heartbeat_intervals_are_kept_for_as_many_as_may_connect() {
        let registry = Registry::new(OnDuplicate::Replace, 2);
        disconnected(&registry, 0, None);
        for one in 1..=5 {
            disconnected(&registry, one, Some(INTERVAL * one));
        }
        let away = registry.away().into_iter().map(|it| it.identity.to_string()).collect::<Vec<_>>();
        assert_eq!(away, ["CP5", "CP4"]);
        let known = [0, 1, 2, 3, 4, 5, 6].map(|one| interval(&registry, one).map(|it| it.as_secs() / 60));
        assert_eq!(known, [None, None, Some(2), Some(3), Some(4), Some(5), None]);
    }
}
