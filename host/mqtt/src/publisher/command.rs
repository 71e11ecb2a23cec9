//! Commands from callers to the connection's task, besides publications.

use tokio::{sync::oneshot, time::Instant};

pub(super) enum PublisherCommand {
    Drain(Drain),
    /// Answered with how many were withdrawn; with `None` if the broker can be reached.
    Withdraw(oneshot::Sender<Option<usize>>),
}

pub(super) struct Drain {
    pub(super) deadline: Instant,
    pub(super) done: oneshot::Sender<usize>,
}
