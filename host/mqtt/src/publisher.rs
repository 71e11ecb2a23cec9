//! The publishing connection.

mod answers;
mod backlog;
mod command;
mod qos0_tracker;
mod sending;
mod state;
mod task;
mod window;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use self::{
    command::{Drain, PublisherCommand},
    state::{PublisherShared, PublisherTask},
};
use crate::{
    availability::{self, Availability},
    message::{Publication, Unpublishable},
    options::Options,
    stats::{Loss, PublisherStats},
};

/// Publishes over one connection on behalf of many tasks. Clones share it.
///
/// An accepted publication is sent until the broker has acknowledged it, across any number of reconnects, unless it
/// expires or is evicted from a full backlog. Both are counted. Publications keep their order.
#[derive(Clone)]
pub struct Publisher {
    queue: mpsc::Sender<Publication>,
    commands: mpsc::Sender<PublisherCommand>,
    max_packet_size: usize,
    availability: Arc<Availability>,
    stats: Arc<PublisherStats>,
}

/// Why a publication was not accepted. It is returned with the error, unless it cannot be published at all.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("the broker does not take messages as fast as they come")]
    Full(Publication),
    #[error("the publisher has stopped")]
    Stopped(Publication),
    #[error(transparent)]
    Unpublishable(#[from] Unpublishable),
}

/// The publisher has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the publisher has stopped")]
pub struct Stopped;

/// A reserved place in the publisher's queue.
pub struct Permit<'a> {
    permit: mpsc::Permit<'a, Publication>,
    publisher: &'a Publisher,
}

impl Publisher {
    /// Starts the connection's task; it connects, and reconnects, on its own. Needs a tokio runtime.
    ///
    /// While `current` is false nothing is sent: see [`Subscriber::current`](crate::Subscriber::current).
    pub fn start(options: Arc<Options>, current: watch::Receiver<bool>) -> Self {
        let stats = Arc::new(PublisherStats::default());
        let availability = Arc::new(Availability::new(std::time::Instant::now()));
        let (queue, publications) = mpsc::channel(options.queue);
        let (commands, requests) = mpsc::channel(1);
        let max_packet_size = options.max_packet_size;
        let connected = watch::channel(false).0;
        tokio::spawn(availability::follow(Arc::clone(&availability), connected.subscribe(), current.clone()));
        let shared =
            PublisherShared { connected, current, availability: Arc::clone(&availability), stats: Arc::clone(&stats) };
        tokio::spawn(PublisherTask::new(&options, publications, requests, shared).run(options));
        Publisher { queue, commands, max_packet_size, availability, stats }
    }

    /// Accepts the publication if there is room.
    ///
    /// [`PublishError::Full`] is the broker's back-pressure: stop reading from the sender, then
    /// [`reserve`](Self::reserve).
    #[expect(clippy::result_large_err, reason = "a box would be an allocation for each message, not for each error")]
    pub fn try_publish(&self, publication: Publication) -> Result<(), PublishError> {
        self.check(&publication)?;
        self.queue.try_send(publication).map_err(|error| match error {
            mpsc::error::TrySendError::Full(publication) => PublishError::Full(publication),
            mpsc::error::TrySendError::Closed(publication) => PublishError::Stopped(publication),
        })
    }

    /// Waits for room. Dropping the future loses nothing, so it can be used in a `select!`.
    pub async fn reserve(&self) -> Result<Permit<'_>, Stopped> {
        let permit = self.queue.reserve().await.map_err(|_| Stopped)?;
        Ok(Permit { permit, publisher: self })
    }

    /// Stops: accepts no more publications, sends those that wait, waits for the acknowledgements no longer than the
    /// grace time, and disconnects. Returns how many publications were not acknowledged; they are counted as
    /// [`Loss::Abandoned`].
    pub async fn drain(&self, grace: Duration) -> usize {
        let (done, drained) = oneshot::channel();
        match self.commands.send(PublisherCommand::Drain(Drain { deadline: Instant::now() + grace, done })).await {
            Ok(()) => drained.await.unwrap_or(0),
            Err(_) => 0,
        }
    }

    /// Withdraws publications that expire and were never sent: the broker is away, and their senders will send them
    /// again. They are counted as [`Loss::Withdrawn`], like all such publications that follow before the broker is
    /// back. Publications stay if they do not expire, or were sent and may have arrived.
    ///
    /// Returns how many were withdrawn. `None`: the broker is back, and none were.
    pub async fn withdraw(&self) -> Result<Option<usize>, Stopped> {
        let (done, withdrawn) = oneshot::channel();
        self.commands.send(PublisherCommand::Withdraw(done)).await.map_err(|_| Stopped)?;
        withdrawn.await.map_err(|_| Stopped)
    }

    /// Whether the broker can be reached, and its time.
    pub fn availability(&self) -> &Arc<Availability> {
        &self.availability
    }

    /// Counts a publication that its sender could not hand over.
    pub fn count_loss(&self, loss: Loss, kind: &'static str) {
        tracing::debug!(?loss, kind, "publication lost before it reached the publisher");
        self.stats.count_loss(loss, kind);
    }

    pub fn stats(&self) -> &Arc<PublisherStats> {
        &self.stats
    }

    fn check(&self, publication: &Publication) -> Result<(), Unpublishable> {
        publication.check(self.max_packet_size).inspect_err(|error| {
            tracing::warn!(publication.topic, publication.kind, %error, "publication refused");
            self.stats.count_loss(Loss::Unpublishable, publication.kind);
        })
    }
}

impl Permit<'_> {
    /// Uses the reserved place.
    pub fn send(self, publication: Publication) -> Result<(), Unpublishable> {
        self.publisher.check(&publication)?;
        self.permit.send(publication);
        Ok(())
    }
}
