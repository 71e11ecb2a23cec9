//! The task behind a [`Publisher`](super::Publisher): publications in, connection out.

mod answers;

use std::{
    collections::BTreeSet,
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use rumqttc::QoS;
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    time::sleep_until,
};
use tracing::warn;

use super::{
    Command, Drain,
    backlog::Backlog,
    unacknowledged::Unacknowledged,
    window::{Outgoing, Resend, Window},
};
use crate::{
    availability::Availability,
    dialer::{Dialer, Inheritance},
    link::{Link, LinkError, Outbound, Reason},
    message::{Publication, Tracking},
    options::{Options, Status, SubscriberLookup},
    stats::{Loss, PublisherStats},
};

/// Publications taken from the queue at once while none can be sent.
const COLLECT: usize = 256;

pub(super) struct Task {
    queue: mpsc::Receiver<Publication>,
    /// Publications on their way from `queue` to `backlog`; empty between turns.
    inbox: Vec<Publication>,
    /// Nothing will come from `queue` any more.
    exhausted: bool,
    commands: mpsc::Receiver<Command>,
    drain: Option<Drain>,
    /// What expires is taken back as it comes, until the broker is there again.
    withdrawing: bool,
    shared: Shared,
    /// Queue, backlog, window: a publication passes through all three in this order.
    backlog: Backlog,
    window: Window,
    status: Option<Status>,
    unacknowledged: Unacknowledged,
    /// Why publications were refused so far.
    refusals: BTreeSet<Reason>,
    subscribers: Option<SubscriberLookup>,
    /// One thread runs this task and all that publish.
    alone: bool,
}

/// What the task has in common with others.
pub(super) struct Shared {
    /// Whether there is a connection.
    pub(super) connected: watch::Sender<bool>,
    /// Whether answers to what is published now would arrive.
    pub(super) current: watch::Receiver<bool>,
    pub(super) availability: Arc<Availability>,
    pub(super) stats: Arc<PublisherStats>,
}

impl Task {
    pub(super) fn new(
        options: &Options,
        queue: mpsc::Receiver<Publication>,
        commands: mpsc::Receiver<Command>,
        shared: Shared,
    ) -> Self {
        Task {
            queue,
            inbox: Vec::new(),
            exhausted: false,
            commands,
            drain: None,
            withdrawing: false,
            shared,
            backlog: Backlog::new(options.backlog_messages, options.backlog_bytes),
            window: Window::new(options.in_flight),
            status: options.status.clone(),
            unacknowledged: Unacknowledged::default(),
            refusals: BTreeSet::new(),
            subscribers: options.subscribers.clone(),
            alone: Handle::current().metrics().num_workers() == 1,
        }
    }

    pub(super) async fn run(mut self, options: Arc<Options>) {
        let client_id = format!("{}-pub", options.client_id);
        let mut dialer =
            Dialer::new(options, client_id, Inheritance::Discard, Arc::clone(&self.shared.stats.connection));
        while let Some((mut link, session_present)) = self.connect(&mut dialer).await {
            self.shared.connected.send_replace(true);
            let served = self.serve(&mut link, session_present).await;
            self.shared.connected.send_replace(false);
            self.take_back(&link);
            match served {
                Ok(()) => {
                    link.disconnect().await;
                    dialer.closed();
                    break;
                }
                Err(error) => dialer.lost(&error),
            }
        }
        self.finish();
    }

    /// Collects publications until there is a connection. `None` when it is time to stop.
    async fn connect(&mut self, dialer: &mut Dialer) -> Option<(Link, bool)> {
        let mut dial = pin!(dialer.dial());
        while !self.is_finished() {
            tokio::select! {
                connected = &mut dial => return Some(connected),
                count = self.queue.recv_many(&mut self.inbox, COLLECT), if !self.exhausted => {
                    self.take(count);
                    self.trim();
                }
                Some(command) = self.commands.recv(), if self.drain.is_none() => self.obey(command, false),
                () = deadline(&self.drain) => return None,
            }
        }
        None
    }

    /// Runs one connection. `Ok` when it is time to stop.
    async fn serve(&mut self, link: &mut Link, session_present: bool) -> Result<(), LinkError> {
        let mut resumed = false;
        // Whatever came together with CONNACK.
        self.read(link)?;
        loop {
            self.unacknowledged.asked(link.pings());
            let flowing = self.drain.is_some() || *self.shared.current.borrow_and_update();
            if flowing {
                self.withdrawing = false;
                if !std::mem::replace(&mut resumed, true) {
                    self.resume(link, session_present);
                    self.announce();
                }
                self.pump(link)?;
            }
            if self.is_finished() && link.is_flushed() {
                return Ok(());
            }
            self.show();
            let room = self.room(link, flowing);
            tokio::select! {
                turned = link.turn() => {
                    turned?;
                    self.unacknowledged.written(link.written().0);
                    self.read(link)?;
                }
                count = self.queue.recv_many(&mut self.inbox, room), if room > 0 => {
                    self.take(count);
                    self.gather(room.saturating_sub(count)).await;
                    if !flowing {
                        self.trim();
                    }
                }
                () = changed(&mut self.shared.current), if !flowing => {}
                Some(command) = self.commands.recv(), if self.drain.is_none() => self.obey(command, flowing),
                () = deadline(&self.drain) => return Ok(()),
            }
        }
    }

    /// How many publications to take from the queue. What is not taken makes the callers wait.
    fn room(&self, link: &Link, flowing: bool) -> usize {
        match (self.exhausted, flowing) {
            (true, _) => 0,
            (false, false) => COLLECT,
            (false, true) if self.backlog.is_empty() && link.has_room() => self.window.room().min(COLLECT),
            (false, true) => 0,
        }
    }

    /// Lets the tasks run that are ready to publish too, so that one write serves them all. The first of a burst wakes
    /// this task, which would otherwise run next and write it alone. With more worker threads than one, others are at
    /// those tasks already, and stepping back would only wake threads that find nothing to do.
    async fn gather(&mut self, room: usize) {
        if !self.alone {
            return;
        }
        step_back().await;
        let waiting = self.queue.len().min(room);
        if waiting > 0 {
            let count = self.queue.recv_many(&mut self.inbox, waiting).await;
            self.take(count);
        }
    }

    fn take(&mut self, count: usize) {
        self.inbox.drain(..).for_each(|publication| self.backlog.push(publication.into()));
        if self.withdrawing {
            self.withdraw();
        }
        if count == 0 && !std::mem::replace(&mut self.exhausted, true) {
            self.status.iter().for_each(|status| self.backlog.push(status.farewell().into()));
        }
    }

    /// Keeps the backlog within its bounds while nothing can be sent.
    fn trim(&mut self) {
        if self.backlog.is_over() {
            let Shared { stats, availability, .. } = &self.shared;
            let now = availability.broker_time(Instant::now());
            self.backlog.expire(now, |outgoing| stats.lose(Loss::Expired, outgoing.kind));
            self.backlog.evict(|outgoing| {
                stats.lose(Loss::Evicted, outgoing.kind);
                outgoing.tracking.iter().for_each(|tracking| tracking.observer.evicted(tracking.number));
            });
        }
        self.shared.stats.backlog.set(self.backlog.len());
    }

    /// Prepares to send again what was sent over an earlier connection and not acknowledged (MQTT 3.1.1, 4.4).
    fn resume(&mut self, link: &Link, session_present: bool) {
        let limits = link.limits();
        self.window.set_limit(limits.in_flight);
        self.shared.stats.resent.add(self.window.len() as u64);
        // What the broker does not take any more as it was sent is begun anew.
        if session_present && !self.window.exceeds(limits.qos) {
            self.window.begin_resend();
        } else {
            self.backlog.put_back(self.window.take_all());
        }
    }

    /// Says first of all that we are there (again). Not once we have taken our leave.
    fn announce(&mut self) {
        if !self.exhausted {
            self.backlog.put_back(self.status.iter().map(|status| status.birth().into()).collect());
        }
    }

    /// Moves publications from the backlog into the connection as far as there is room.
    fn pump(&mut self, link: &mut Link) -> Result<(), LinkError> {
        self.resend(link)?;
        if self.backlog.is_empty() || self.window.is_resending() {
            return Ok(());
        }
        let (now, limits) = (Instant::now(), link.limits());
        let behind = self.shared.availability.behind(now);
        let now = now.checked_sub(behind).unwrap_or(now);
        let mut published = 0;
        while link.has_room()
            && let Some(next) = self.backlog.front()
            && (limits.qos(next.publish.qos) == QoS::AtMostOnce || self.window.room() > 0)
            && let Some(mut outgoing) = self.backlog.pop()
        {
            limits.adapt(&mut outgoing.publish);
            if outgoing.has_expired(now) {
                self.shared.stats.lose(Loss::Expired, outgoing.kind);
            } else if self.has_no_subscriber(&outgoing) {
                self.no_subscriber(outgoing);
            } else if link.takes(&outgoing.publish, outgoing.expires) {
                published += 1;
                self.start(link, outgoing, behind)?;
            } else {
                self.lose(&outgoing, Loss::Unpublishable, Reason::TOO_LARGE);
            }
        }
        self.shared.stats.published.add(published);
        Ok(())
    }

    /// `behind`: the broker's time.
    fn start(&mut self, link: &mut Link, outgoing: Outgoing, behind: Duration) -> Result<(), LinkError> {
        let expires = outgoing.expires.map(|expires| expires + behind);
        if outgoing.publish.qos == QoS::AtMostOnce {
            link.publish(&outgoing.publish, expires)?;
            // There is no more to come.
            outgoing.tracking.iter().filter(|tracking| tracking.confirm).for_each(Tracking::delivered);
            self.unacknowledged.start(link.written().1, outgoing);
            Ok(())
        } else {
            let outgoing = self.window.insert(outgoing, self.unacknowledged.mark());
            link.publish(&outgoing.publish, expires)
        }
    }

    /// Sends again what [`resume`](Self::resume) has prepared, as far as there is room.
    fn resend(&mut self, link: &mut Link) -> Result<(), LinkError> {
        let behind = self.shared.availability.behind(Instant::now());
        while link.has_room()
            && let Some(resend) = self.window.next_resend()
        {
            match resend {
                Resend::Release(pkid) => link.send(Outbound::PubRel(pkid))?,
                Resend::Publish(outgoing) if link.takes(&outgoing.publish, outgoing.expires) => {
                    link.publish(&outgoing.publish, outgoing.expires.map(|expires| expires + behind))?;
                    self.shared.stats.published.add(1);
                }
                Resend::Publish(outgoing) => {
                    let pkid = outgoing.publish.pkid;
                    self.refused(pkid, Loss::Unpublishable, Reason::TOO_LARGE);
                }
            }
        }
        Ok(())
    }

    /// What a connection that is over took along without an acknowledgement to come.
    fn take_back(&mut self, link: &Link) {
        self.unacknowledged.written(link.written().0);
        let (unwritten, unconfirmed) = self.unacknowledged.end();
        self.backlog.put_back(unwritten);
        self.shared.stats.unconfirmed.add(unconfirmed);
    }

    fn show(&self) {
        self.shared.stats.in_flight.set(self.window.len());
        self.shared.stats.backlog.set(self.backlog.len());
    }

    fn obey(&mut self, command: Command, flowing: bool) {
        match command {
            Command::Drain(drain) => {
                self.queue.close();
                self.drain = Some(drain);
            }
            Command::Withdraw(done) => {
                self.withdrawing = !flowing;
                // Whoever asked may have gone.
                let _ = done.send((!flowing).then(|| self.withdraw()));
            }
        }
    }

    /// Takes back what expires and was never sent. Answers how many there were.
    fn withdraw(&mut self) -> usize {
        let (stats, mut count) = (&self.shared.stats, 0);
        self.backlog.withdraw(|outgoing| {
            stats.lose(Loss::Withdrawn, outgoing.kind);
            count += 1;
        });
        count
    }

    fn is_finished(&self) -> bool {
        self.exhausted && self.backlog.is_empty() && self.window.len() == 0
    }

    /// Counts what is left over and answers whoever waits for the drain.
    fn finish(&mut self) {
        self.queue.close();
        while let Ok(publication) = self.queue.try_recv() {
            self.backlog.push(publication.into());
        }
        self.backlog.put_back(self.window.take_all());
        let left = self.backlog.len();
        while let Some(outgoing) = self.backlog.pop() {
            self.shared.stats.lose(Loss::Abandoned, outgoing.kind);
        }
        self.show();
        if left > 0 {
            warn!(left, "publisher stopped with publications that the broker did not acknowledge");
        }
        if let Some(drain) = self.drain.take() {
            let _ = drain.done.send(left);
        }
    }
}

/// Lets every task of this thread run that is ready, once. Unlike tokio's `yield_now`, it does not ask the system who else might
/// be: that is a system call, for nothing whenever messages come one at a time.
async fn step_back() {
    let mut stepped = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut stepped, true) {
            return Poll::Ready(());
        }
        // A task that wakes itself goes to the end of the queue.
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn deadline(drain: &Option<Drain>) {
    match drain {
        Some(drain) => sleep_until(drain.deadline).await,
        None => std::future::pending().await,
    }
}

/// Waits for a change; for ever when there can be none.
async fn changed(current: &mut watch::Receiver<bool>) {
    if current.changed().await.is_err() {
        std::future::pending().await
    }
}
