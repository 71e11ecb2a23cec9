//! The task behind a [`Subscriber`](super::Subscriber): connection in, messages out.

use std::{
    collections::{HashMap, HashSet},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};
use tracing::{debug, warn};

use super::{
    command::{COMMANDS, SubscriberCommand},
    recipient::{Recipient, UnroutedHandler},
    subscriptions::{BATCH, Batch, Subscriptions},
};
use crate::{
    dialer::{Dialer, ExistingSession},
    link::{AckResult, InboundPacket, Link, LinkError, OutboundPacket, Reason},
    message::{Message, QoS},
    options::Options,
    stats::SubscriberStats,
};

/// SUBSCRIBE and UNSUBSCRIBE packets that may wait for their acknowledgement.
const MAX_OPEN: usize = 4;
/// After a batch, how long the next one collects unless it is full: a storm of charge points becomes few packets, a single
/// one does not wait.
const COLLECT: Duration = Duration::from_millis(10);

pub(super) struct SubscriberTask<R> {
    requests: mpsc::Receiver<SubscriberCommand<R>>,
    /// Commands on their way from `requests`; empty between turns.
    inbox: Vec<SubscriberCommand<R>>,
    subscriptions: Subscriptions<R>,
    /// What waits for a SUBACK or UNSUBACK, by packet id.
    open: HashMap<u16, OpenConnection>,
    last_pkid: u16,
    collect_until: Instant,
    /// Packet ids of QoS 2 messages that were delivered but not released by the broker.
    unreleased: HashSet<u16>,
    stop: Option<StopRequest>,
    currency: watch::Sender<bool>,
    strays: UnroutedHandler,
    stats: Arc<SubscriberStats>,
}

enum OpenConnection {
    Subscribe(Vec<(Arc<str>, QoS)>),
    Unsubscribe(Vec<Arc<str>>),
}

/// A wish to stop. `None` for the waiter when all handles are gone.
struct StopRequest {
    deadline: Instant,
    _done: Option<oneshot::Sender<()>>,
}

impl<R: Recipient> SubscriberTask<R> {
    pub(super) fn new(
        requests: mpsc::Receiver<SubscriberCommand<R>>,
        currency: watch::Sender<bool>,
        strays: UnroutedHandler,
        stats: Arc<SubscriberStats>,
    ) -> Self {
        SubscriberTask {
            requests,
            inbox: Vec::new(),
            subscriptions: Subscriptions::new(),
            open: HashMap::new(),
            last_pkid: 0,
            collect_until: Instant::now(),
            unreleased: HashSet::new(),
            stop: None,
            currency,
            strays,
            stats,
        }
    }

    pub(super) async fn run(mut self, options: Arc<Options>) {
        let client_id = format!("{}-sub", options.client_id);
        let mut dialer = Dialer::new(options, client_id, ExistingSession::Accept, Arc::clone(&self.stats.connection));
        while let Some((mut link, session_present)) = self.connect(&mut dialer).await {
            self.subscriptions.connected(session_present);
            if !session_present {
                self.unreleased.clear();
            }
            match self.serve(&mut link).await {
                Ok(()) => {
                    link.disconnect().await;
                    dialer.closed();
                    break;
                }
                Err(error) => dialer.lost(&error),
            }
            self.open.clear();
            self.subscriptions.disconnected();
            self.currency.send_replace(false);
        }
        self.currency.send_replace(false);
    }

    /// Takes commands until there is a connection. `None` when it is time to stop.
    async fn connect(&mut self, dialer: &mut Dialer) -> Option<(Link, bool)> {
        let mut dial = pin!(dialer.dial());
        while self.stop.is_none() {
            tokio::select! {
                connected = &mut dial => return Some(connected),
                count = self.requests.recv_many(&mut self.inbox, COMMANDS) => self.obey(count),
            }
        }
        None
    }

    /// Runs one connection. `Ok` when it is time to stop.
    async fn serve(&mut self, link: &mut Link) -> Result<(), LinkError> {
        // What waited in a session that the broker kept may have come together with its CONNACK.
        self.read(link)?;
        loop {
            let collecting = self.write_batches(link)?;
            self.show();
            if self.stop.is_some() && self.open.is_empty() && self.subscriptions.waiting() == 0 {
                return Ok(());
            }
            let deadline = self.stop.as_ref().map(|stop| stop.deadline);
            tokio::select! {
                turned = link.turn() => {
                    turned?;
                    self.read(link)?;
                }
                count = self.requests.recv_many(&mut self.inbox, COMMANDS), if deadline.is_none() => self.obey(count),
                () = sleep_until(self.collect_until), if collecting => {}
                () = sleep_until(deadline.unwrap_or(self.collect_until)), if deadline.is_some() => return Ok(()),
            }
        }
    }

    fn obey(&mut self, count: usize) {
        if count == 0 {
            self.stop = Some(StopRequest { deadline: Instant::now(), _done: None });
        }
        for command in self.inbox.drain(..) {
            match command {
                SubscriberCommand::Set { owner, filters, recipient, done } => {
                    self.subscriptions.set(owner, filters, recipient, done);
                }
                SubscriberCommand::Remove { owner } => self.subscriptions.remove(owner),
                SubscriberCommand::StopRequest { deadline, done } => {
                    self.stop = Some(StopRequest { deadline, _done: Some(done) })
                }
            }
        }
        self.stats.subscriptions.set(self.subscriptions.len());
    }

    /// True when changes wait for the moment of the next batch.
    fn write_batches(&mut self, link: &mut Link) -> Result<bool, LinkError> {
        while self.open.len() < MAX_OPEN && self.subscriptions.waiting() > 0 {
            let now = Instant::now();
            if self.subscriptions.waiting() < BATCH && now < self.collect_until && self.stop.is_none() {
                return Ok(true);
            }
            self.collect_until = now + COLLECT;
            let Batch { subscribe, unsubscribe } = self.subscriptions.next_batch(link.limits().packet_size);
            if !subscribe.is_empty() {
                let pkid = self.next_pkid();
                link.send(OutboundPacket::Subscribe(pkid, &subscribe))?;
                self.stats.subscribe_packets.add(1);
                self.open.insert(pkid, OpenConnection::Subscribe(subscribe));
            }
            if !unsubscribe.is_empty() {
                let pkid = self.next_pkid();
                link.send(OutboundPacket::Unsubscribe(pkid, &unsubscribe))?;
                self.stats.unsubscribe_packets.add(1);
                self.open.insert(pkid, OpenConnection::Unsubscribe(unsubscribe));
            }
        }
        self.stats.subscriptions.set(self.subscriptions.len());
        Ok(false)
    }

    fn next_pkid(&mut self) -> u16 {
        loop {
            self.last_pkid = self.last_pkid.checked_add(1).unwrap_or(1);
            if !self.open.contains_key(&self.last_pkid) {
                return self.last_pkid;
            }
        }
    }

    fn show(&self) {
        let current = self.subscriptions.is_current();
        if *self.currency.borrow() != current {
            self.currency.send_replace(current);
        }
    }

    /// Deals with all packets that have come; their acknowledgements leave together.
    fn read(&mut self, link: &mut Link) -> Result<(), LinkError> {
        while let Some(inbound) = link.next()? {
            match inbound {
                InboundPacket::Publish(publish)
                    if acknowledge(link, &mut self.unreleased, publish.qos, publish.pkid)? =>
                {
                    self.stats.received.add(1);
                    self.route(Message::from_packet(publish));
                }
                InboundPacket::SubAck(pkid, verdicts) => self.subscribed(pkid, &verdicts),
                InboundPacket::UnsubAck(pkid) => {
                    if let Some(OpenConnection::Unsubscribe(batch)) = self.open.remove(&pkid) {
                        batch.iter().for_each(|filter| self.subscriptions.unsubscribed(filter));
                    }
                }
                InboundPacket::PubRel(pkid) => {
                    self.unreleased.remove(&pkid);
                    link.send(OutboundPacket::PubComp(pkid))?;
                }
                InboundPacket::Oversized(beginning)
                    if acknowledge(link, &mut self.unreleased, beginning.qos, beginning.pkid)? =>
                {
                    warn!(beginning.topic, beginning.size, "message larger than the packet size limit thrown away");
                    self.stats.oversized.add(1);
                    self.route(beginning.into_message());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn route(&mut self, message: Message) {
        if let Err(message) = self.subscriptions.deliver(message) {
            debug!(message.topic, "message on a topic that nobody subscribes to");
            self.stats.unrouted.add(1);
            self.subscriptions.stray(&message.topic);
            (self.strays)(message);
        }
    }

    fn subscribed(&mut self, pkid: u16, verdicts: &[AckResult]) {
        let Some(OpenConnection::Subscribe(batch)) = self.open.remove(&pkid) else { return };
        // A broker that answers for fewer filters than it was asked for has not granted the others.
        let verdicts = verdicts.iter().copied().chain(std::iter::repeat(Err(Reason::UNSPECIFIED)));
        for ((filter, qos), verdict) in batch.iter().zip(verdicts) {
            if let Err(reason) = verdict {
                // Whose it is says so where it is seen.
                debug!(%filter, %reason, "the broker refuses a subscription");
            }
            self.subscriptions.subscribed(filter, *qos, verdict);
        }
    }
}

/// Adds the acknowledgement that the QoS asks for. False when the message is a repetition to be ignored.
fn acknowledge(link: &mut Link, unreleased: &mut HashSet<u16>, qos: QoS, pkid: u16) -> Result<bool, LinkError> {
    match qos {
        QoS::AtMostOnce => Ok(true),
        QoS::AtLeastOnce => link.send(OutboundPacket::PubAck(pkid)).map(|()| true),
        QoS::ExactlyOnce => link.send(OutboundPacket::PubRec(pkid)).map(|()| unreleased.insert(pkid)),
    }
}
