//! What happens at a listener, in numbers. They stay when its settings change.

use super::limits::{AllSockets, Sockets};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The numbers of one listener.
#[derive(Debug)]
pub(super) struct ListenerCounts {
    /// Those that are open now.
    pub(super) sockets: Arc<Sockets>,
    /// Handshakes that have succeeded.
    pub(super) accepted: AtomicU64,
    /// Connections that were refused.
    pub(super) refused: AtomicU64,
}

impl ListenerCounts {
    pub(super) fn new(all: Arc<AllSockets>) -> Self {
        ListenerCounts { sockets: Arc::new(Sockets::new(all)), accepted: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }
}
