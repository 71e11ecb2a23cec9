//! Who is connected.

use crate::config::OnDuplicate;
use crate::mailbox::Mailbox;
use ocpp_gateway_core::{Identity, Peer};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Why a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The same charge point connected again.
    Replaced,
    /// The gateway stops: when nothing waits for an answer any more, at the latest at this instant.
    Shutdown { by: Instant },
}

/// All connected charge points. Locked when one comes or goes, never for a message.
pub struct Registry {
    on_duplicate: OnDuplicate,
    book: Mutex<Book>,
    connections: AtomicU32,
}

#[derive(Default)]
struct Book {
    connected: HashMap<Identity, Entry>,
    /// Set once the gateway stops: whoever was still at the door then is told at once.
    stop: Option<Stop>,
}

struct Entry {
    connection: u32,
    mailbox: Mailbox,
    stop: oneshot::Sender<Stop>,
}

impl Registry {
    pub fn new(on_duplicate: OnDuplicate) -> Self {
        Registry { on_duplicate, book: Mutex::default(), connections: AtomicU32::default() }
    }

    /// A number that no other connection of this process has.
    pub fn next_connection(&self) -> u32 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    pub fn len(&self) -> usize {
        self.lock().connected.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn contains(&self, identity: &Identity) -> bool {
        self.lock().connected.contains_key(identity)
    }

    /// Whether a charge point is turned away because it is connected already.
    pub fn refuses(&self, identity: &Identity) -> bool {
        self.on_duplicate == OnDuplicate::Refuse && self.contains(identity)
    }

    /// Lets a charge point in, or answers `None`: it is connected already, and that is refused. Otherwise its earlier
    /// connection gets no more messages from now on and is told to end.
    pub fn enter(&self, peer: &Peer, mailbox: Mailbox) -> Option<oneshot::Receiver<Stop>> {
        let (stop, stopped) = oneshot::channel();
        let mut book = self.lock();
        if let Some(reason) = book.stop {
            tell(stop, reason);
            return Some(stopped);
        }
        // Asked at the door already; of two handshakes at the same time the second is turned away here.
        if self.on_duplicate == OnDuplicate::Refuse && book.connected.contains_key(&peer.identity) {
            return None;
        }
        let entry = Entry { connection: peer.connection, mailbox, stop };
        if let Some(old) = book.connected.insert(peer.identity.clone(), entry) {
            old.mailbox.close();
            tell(old.stop, Stop::Replaced);
        }
        Some(stopped)
    }

    /// Everybody who is connected now.
    pub fn peers(&self) -> Vec<Peer> {
        self.lock().connected.values().map(|entry| entry.mailbox.peer().clone()).collect()
    }

    /// A connection is over. One that was replaced must not take its successor with it.
    pub fn leave(&self, peer: &Peer) {
        let connected = &mut self.lock().connected;
        if connected.get(&peer.identity).is_some_and(|entry| entry.connection == peer.connection) {
            connected.remove(&peer.identity);
        }
    }

    /// Tells every connection to end, and every one to come.
    pub fn stop_all(&self, by: Instant) {
        let reason = Stop::Shutdown { by };
        let mut book = self.lock();
        book.stop = Some(reason);
        book.connected.drain().for_each(|(_, entry)| tell(entry.stop, reason));
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        // Whoever panicked while holding it left a book that is still whole.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(connection: oneshot::Sender<Stop>, reason: Stop) {
    // If nobody listens, the connection is on its way out already.
    let _ = connection.send(reason);
}
