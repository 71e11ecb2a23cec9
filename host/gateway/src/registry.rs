//! Who is connected.

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
#[derive(Default)]
pub struct Registry {
    connected: Mutex<HashMap<Identity, Entry>>,
    connections: AtomicU32,
}

struct Entry {
    connection: u32,
    mailbox: Mailbox,
    stop: oneshot::Sender<Stop>,
}

impl Registry {
    /// A number that no other connection of this process has.
    pub fn next_connection(&self) -> u32 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn contains(&self, identity: &Identity) -> bool {
        self.lock().contains_key(identity)
    }

    /// Lets a charge point in. Its earlier connection, if there is one, gets no more messages from now on and is told
    /// to end.
    pub fn enter(&self, peer: &Peer, mailbox: Mailbox) -> oneshot::Receiver<Stop> {
        let (stop, stopped) = oneshot::channel();
        let entry = Entry { connection: peer.connection, mailbox, stop };
        if let Some(old) = self.lock().insert(peer.identity.clone(), entry) {
            old.mailbox.close();
            // If nobody listens, the old connection is on its way out already.
            let _ = old.stop.send(Stop::Replaced);
        }
        stopped
    }

    /// A connection is over. One that was replaced must not take its successor with it.
    pub fn leave(&self, peer: &Peer) {
        let mut connected = self.lock();
        if connected.get(&peer.identity).is_some_and(|entry| entry.connection == peer.connection) {
            connected.remove(&peer.identity);
        }
    }

    /// Tells every connection to end.
    pub fn stop_all(&self, by: Instant) {
        for (_, entry) in self.lock().drain() {
            let _ = entry.stop.send(Stop::Shutdown { by });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identity, Entry>> {
        // Whoever panicked while holding it left a map that is still whole.
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
