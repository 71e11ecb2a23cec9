//! The registry of connected charge points.

use super::client_address::ClientAddress;
use super::delivery::Stop;
use super::mailbox::Mailbox;
use crate::cluster::Connections;
use crate::config::OnDuplicate;
use lru::LruCache;
use ocpp_gateway_core::{Identity, Peer};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Why the registry refuses a charge point. Checked during the handshake, and again after it, as another handshake may
/// have finished first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryRefusal {
    /// It is connected already, and `on_duplicate` is `refuse`.
    Duplicate,
    /// `max_connections` are connected.
    Full,
}

/// All connected charge points. Locked when one connects or disconnects, never for a message.
pub struct Registry {
    on_duplicate: OnDuplicate,
    max_connections: usize,
    /// Whether new charge points are accepted: once the broker was reached for the first time.
    is_open: AtomicBool,
    state: Mutex<RegistryState>,
    connections: AtomicU32,
}

struct RegistryState {
    connected: HashMap<Identity, Connected>,
    /// Heartbeat intervals that back ends gave to charge points, connected or not.
    intervals: LruCache<Identity, Duration>,
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
    pub address: ClientAddress,
    pub since: SystemTime,
}

impl Registry {
    pub fn new(on_duplicate: OnDuplicate, max_connections: usize) -> Self {
        // A bounded cache would allocate memory for its whole capacity at once.
        let intervals = LruCache::unbounded();
        let state = RegistryState { connected: HashMap::new(), intervals, leaving: HashMap::new(), stop: None };
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

    /// The heartbeat interval that this charge point was given, on this connection or an earlier one.
    pub fn interval(&self, identity: &Identity) -> Option<Duration> {
        self.state.lock().intervals.get(identity).copied()
    }

    /// Stores the heartbeat interval; `None` removes it. At most `max_connections` are stored; the least recently used
    /// is dropped.
    pub fn remember_interval(&self, identity: &Identity, interval: Option<Duration>) {
        let intervals = &mut self.state.lock().intervals;
        match interval {
            Some(interval) => drop(intervals.put(identity.clone(), interval)),
            None => drop(intervals.pop(identity)),
        }
        if intervals.len() > self.max_connections {
            intervals.pop_lru();
        }
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
        address: ClientAddress,
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
        let connected = Connected { mailbox, address, since: SystemTime::now() };
        let replaced = state.connected.insert(peer.identity.clone(), connected).map(|old| old.mailbox);
        if let Some(old) = &replaced {
            old.return_messages();
            old.stop(Stop::Replaced);
        }
        Ok(Registered { claim: claim(), predecessor: replaced.or(leaving) })
    }

    /// All connected charge points, in no order.
    pub fn connected(&self) -> Vec<Connected> {
        self.state.lock().connected.values().cloned().collect()
    }

    pub fn find(&self, identity: &str) -> Option<Connected> {
        self.state.lock().connected.get(identity).cloned()
    }

    /// Tells the connection of this charge point to end. It stays registered until it has ended. `false`: not
    /// connected.
    pub fn kick(&self, identity: &str) -> bool {
        self.state.lock().connected.get(identity).map(|entry| entry.mailbox.stop(Stop::Kicked)).is_some()
    }

    /// Removes a connection that is over. The successor of a replaced connection stays registered.
    pub fn unregister(&self, peer: &Peer) {
        self.state.lock().disconnect(peer.identity.as_str(), peer.connection);
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
        state.connected.drain().for_each(|(_, entry)| entry.mailbox.stop(reason.clone()));
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
        if let Some(old) = self.state.lock().disconnect(identity, connection) {
            old.discard_messages();
            old.stop(Stop::TakenOver);
        }
    }
}

impl RegistryState {
    /// Moves this connection from `connected` to `leaving`, if it is still the current one of its charge point.
    fn disconnect(&mut self, identity: &str, connection: u32) -> Option<Mailbox> {
        if self.connected.get(identity)?.mailbox.peer().connection != connection {
            return None;
        }
        let (identity, Connected { mailbox, .. }) = self.connected.remove_entry(identity)?;
        self.leaving.insert(identity, mailbox.clone());
        Some(mailbox)
    }
}
