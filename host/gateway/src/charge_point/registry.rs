//! Who is connected.

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

/// Why a charge point that had come past the door was not let in after all: of many handshakes at the same time, others
/// were faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotEntered {
    /// It is connected already.
    Duplicate,
    /// There are as many as there may be.
    Full,
}

/// All connected charge points. Locked when one comes or goes, never for a message.
pub struct Registry {
    on_duplicate: OnDuplicate,
    max_connections: usize,
    /// Whether charge points are let in: once the broker has been reached for the first time.
    is_open: AtomicBool,
    book: Mutex<RegistryState>,
    connections: AtomicU32,
}

struct RegistryState {
    connected: HashMap<Identity, Connected>,
    /// The heartbeat intervals that charge points were told, connected or not.
    intervals: LruCache<Identity, Duration>,
    /// Of each charge point the latest connection that is over, until its last message is with the publisher.
    leaving: HashMap<Identity, Mailbox>,
    /// Set once the gateway stops, and while the broker is away for long: whoever was still at the door then is told at
    /// once.
    stop: Option<Stop>,
}

/// What a connection has to know once it is let in.
pub struct Entered<T> {
    pub claim: T,
    /// The connection before of the same charge point. What the new one publishes comes after what that one does.
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
        // One with a capacity would take the memory for all of them at once.
        let intervals = LruCache::unbounded();
        let book = RegistryState { connected: HashMap::new(), intervals, leaving: HashMap::new(), stop: None };
        let (is_open, connections) = (AtomicBool::new(false), AtomicU32::default());
        Registry { on_duplicate, max_connections, is_open, book: Mutex::new(book), connections }
    }

    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Lets charge points in from now on, or none.
    pub fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Relaxed);
    }

    /// A number that no other connection of this process has.
    pub fn next_connection(&self) -> u32 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    pub fn len(&self) -> usize {
        self.book.lock().connected.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The heartbeat interval that this charge point was told, on this connection or an earlier one.
    pub fn interval(&self, identity: &Identity) -> Option<Duration> {
        self.book.lock().intervals.get(identity).copied()
    }

    /// `None`: it was told none. Of more charge points than may be connected, those are forgotten that were heard of first.
    pub fn remember_interval(&self, identity: &Identity, interval: Option<Duration>) {
        let intervals = &mut self.book.lock().intervals;
        match interval {
            Some(interval) => drop(intervals.put(identity.clone(), interval)),
            None => drop(intervals.pop(identity)),
        }
        if intervals.len() > self.max_connections {
            intervals.pop_lru();
        }
    }

    /// Whether a charge point would be turned away now.
    pub fn refuses(&self, identity: &Identity) -> Option<NotEntered> {
        self.refusal(&self.book.lock(), identity)
    }

    fn refusal(&self, book: &RegistryState, identity: &Identity) -> Option<NotEntered> {
        let connected = book.connected.contains_key(identity);
        match self.on_duplicate {
            OnDuplicate::Refuse if connected => Some(NotEntered::Duplicate),
            // One that takes its own place needs no other.
            _ if book.connected.len() >= self.max_connections && !connected => Some(NotEntered::Full),
            _ => None,
        }
    }

    /// Lets a charge point in. Its earlier connection gets no more messages from now on and is told to end. `claim` is
    /// called before anybody else may come in, so that others are told of them in the same order.
    pub fn enter<T>(
        &self,
        peer: &Peer,
        address: ClientAddress,
        mailbox: Mailbox,
        claim: impl FnOnce() -> T,
    ) -> Result<Entered<T>, NotEntered> {
        let mut book = self.book.lock();
        match &book.stop {
            Some(reason) => mailbox.stop(reason.clone()),
            // Asked at the door already; of two handshakes at the same time the second is turned away here.
            None => self.refusal(&book, &peer.identity).map_or(Ok(()), Err)?,
        }
        let leaving = book.leaving.get(&peer.identity).cloned();
        let connected = Connected { mailbox, address, since: SystemTime::now() };
        let replaced = book.connected.insert(peer.identity.clone(), connected).map(|old| old.mailbox);
        if let Some(old) = &replaced {
            old.close();
            old.stop(Stop::Replaced);
        }
        Ok(Entered { claim: claim(), predecessor: replaced.or(leaving) })
    }

    /// Everybody who is connected now, in no order.
    pub fn connected(&self) -> Vec<Connected> {
        self.book.lock().connected.values().cloned().collect()
    }

    pub fn find(&self, identity: &str) -> Option<Connected> {
        self.book.lock().connected.get(identity).cloned()
    }

    /// Tells the connection of this charge point to end. It stays in the book until it has. `false`: there is none.
    pub fn kick(&self, identity: &str) -> bool {
        self.book.lock().connected.get(identity).map(|entry| entry.mailbox.stop(Stop::Kicked)).is_some()
    }

    /// A connection is over. One that was replaced must not take its successor with it.
    pub fn leave(&self, peer: &Peer) {
        self.book.lock().disconnect(peer.identity.as_str(), peer.connection);
    }

    /// The last message of a connection is with the publisher.
    pub fn left(&self, peer: &Peer) {
        let leaving = &mut self.book.lock().leaving;
        if leaving.get(&peer.identity).is_some_and(|mailbox| mailbox.peer().connection == peer.connection) {
            leaving.remove(&peer.identity);
        }
    }

    /// Tells every connection to end, and every one to come.
    pub fn stop_all(&self, by: Instant) {
        let reason = Stop::Shutdown { by };
        let mut book = self.book.lock();
        book.stop = Some(reason.clone());
        book.connected.drain().for_each(|(_, entry)| entry.mailbox.stop(reason.clone()));
    }

    /// Tells every connection to end because the broker is away, and every one to come until it is back. Answers how
    /// many there are.
    pub fn begin_outage(&self) -> usize {
        let mut book = self.book.lock();
        book.stop.get_or_insert(Stop::BrokerAway);
        book.connected.values().for_each(|entry| entry.mailbox.stop(Stop::BrokerAway));
        book.connected.len()
    }

    /// The broker is back.
    pub fn end_outage(&self) {
        self.book.lock().stop.take_if(|stop| *stop == Stop::BrokerAway);
    }
}

impl Connections for Registry {
    fn yield_to_other(&self, identity: &str, connection: u32) {
        if let Some(old) = self.book.lock().disconnect(identity, connection) {
            old.leave_to_other();
            old.stop(Stop::TakenOver);
        }
    }
}

impl RegistryState {
    /// Takes this connection from those that are connected, if it is still the one of its charge point.
    fn disconnect(&mut self, identity: &str, connection: u32) -> Option<Mailbox> {
        if self.connected.get(identity)?.mailbox.peer().connection != connection {
            return None;
        }
        let (identity, Connected { mailbox, .. }) = self.connected.remove_entry(identity)?;
        self.leaving.insert(identity, mailbox.clone());
        Some(mailbox)
    }
}
