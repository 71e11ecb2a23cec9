//! The state of the publishing task.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};
use tracing::warn;

use super::{
    backlog::Backlog,
    command::{Drain, PublisherCommand},
    qos0_tracker::Qos0Tracker,
    window::Window,
};
use crate::{
    availability::Availability,
    link::{Link, Reason},
    message::Publication,
    options::{Options, Status, SubscriberLookup},
    stats::{Loss, PublisherStats},
};

pub(super) struct PublisherTask {
    pub(super) queue: mpsc::Receiver<Publication>,
    /// Publications being moved from `queue` to `backlog`. Empty between iterations of the loop.
    pub(super) received: Vec<Publication>,
    /// `queue` is closed and empty.
    pub(super) queue_closed: bool,
    pub(super) commands: mpsc::Receiver<PublisherCommand>,
    pub(super) drain: Option<Drain>,
    /// Publications that expire are withdrawn on arrival, until the broker can be reached again.
    pub(super) withdrawing: bool,
    pub(super) shared: PublisherShared,
    /// Queue, backlog, window: a publication passes through all three in this order.
    pub(super) backlog: Backlog,
    pub(super) window: Window,
    pub(super) status: Option<Status>,
    pub(super) qos0_tracker: Qos0Tracker,
    /// The reasons for which publications were refused so far. Each is warned about once.
    pub(super) refusals: BTreeSet<Reason>,
    pub(super) subscribers: Option<SubscriberLookup>,
    /// A single worker thread runs this task and all tasks that publish.
    pub(super) single_threaded: bool,
}

/// State that the task shares with others.
pub(super) struct PublisherShared {
    /// Whether there is a connection.
    pub(super) connected: watch::Sender<bool>,
    /// Whether answers to what is published now would arrive.
    pub(super) current: watch::Receiver<bool>,
    pub(super) availability: Arc<Availability>,
    pub(super) stats: Arc<PublisherStats>,
}

impl PublisherTask {
    pub(super) fn new(
        options: &Options,
        queue: mpsc::Receiver<Publication>,
        commands: mpsc::Receiver<PublisherCommand>,
        shared: PublisherShared,
    ) -> Self {
        PublisherTask {
            queue,
            received: Vec::new(),
            queue_closed: false,
            commands,
            drain: None,
            withdrawing: false,
            shared,
            backlog: Backlog::new(options.backlog_messages, options.backlog_bytes),
            window: Window::new(options.in_flight),
            status: options.status.clone(),
            qos0_tracker: Qos0Tracker::default(),
            refusals: BTreeSet::new(),
            subscribers: options.subscribers.clone(),
            single_threaded: Handle::current().metrics().num_workers() == 1,
        }
    }

    pub(super) fn move_to_backlog(&mut self, count: usize) {
        self.received.drain(..).for_each(|publication| self.backlog.push(publication.into()));
        if self.withdrawing {
            self.withdraw();
        }
        if count == 0 && !std::mem::replace(&mut self.queue_closed, true) {
            self.status.iter().for_each(|status| self.backlog.push(status.will().into()));
        }
    }

    /// Keeps the backlog within its bounds while nothing can be sent.
    pub(super) fn trim(&mut self) {
        if self.backlog.is_over() {
            let PublisherShared { stats, availability, .. } = &self.shared;
            let now = availability.broker_time(Instant::now());
            self.backlog.expire(now, |outgoing| stats.count_loss(Loss::Expired, outgoing.kind));
            self.backlog.evict(|outgoing| {
                stats.count_loss(Loss::Evicted, outgoing.kind);
                outgoing.tracking.iter().for_each(|tracking| tracking.observer.evicted(tracking.number));
            });
        }
        self.shared.stats.backlog.set(self.backlog.len());
    }

    /// Puts the QoS 0 publications that a lost connection did not write back into the backlog, and counts those that
    /// may be lost.
    pub(super) fn recover_qos0(&mut self, link: &Link) {
        self.qos0_tracker.written(link.written().0);
        let (unwritten, unconfirmed) = self.qos0_tracker.end();
        self.backlog.put_back(unwritten);
        self.shared.stats.unconfirmed.add(unconfirmed);
    }

    pub(super) fn update_gauges(&self) {
        self.shared.stats.in_flight.set(self.window.len());
        self.shared.stats.backlog.set(self.backlog.len());
    }

    /// Withdraws publications that expire and were never sent. Returns how many there were.
    pub(super) fn withdraw(&mut self) -> usize {
        let (stats, mut count) = (&self.shared.stats, 0);
        self.backlog.withdraw(|outgoing| {
            stats.count_loss(Loss::Withdrawn, outgoing.kind);
            count += 1;
        });
        count
    }

    pub(super) fn is_finished(&self) -> bool {
        self.queue_closed && self.backlog.is_empty() && self.window.len() == 0
    }

    /// Counts the publications that are left as lost, and reports their number to the drain.
    pub(super) fn finish(&mut self) {
        self.queue.close();
        while let Ok(publication) = self.queue.try_recv() {
            self.backlog.push(publication.into());
        }
        self.backlog.put_back(self.window.take_all());
        let left = self.backlog.len();
        while let Some(outgoing) = self.backlog.pop() {
            self.shared.stats.count_loss(Loss::Abandoned, outgoing.kind);
        }
        self.update_gauges();
        if left > 0 {
            warn!(left, "publisher stopped with publications that the broker did not acknowledge");
        }
        if let Some(drain) = self.drain.take() {
            let _ = drain.done.send(left);
        }
    }
}
