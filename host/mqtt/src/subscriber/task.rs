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
/// After a batch, how long the next one collects changes unless it is full: many charge points that connect at once
/// need few packets, and a single one does not wait.
const COLLECT_TIME: Duration = Duration::from_millis(10);

pub(super) struct SubscriberTask<R> {
    requests: mpsc::Receiver<SubscriberCommand<R>>,
    /// Commands received from `requests`. Empty between iterations of the loop.
    received: Vec<SubscriberCommand<R>>,
    subscriptions: Subscriptions<R>,
    /// The packets that wait for SUBACK or UNSUBACK, by packet id.
    open: HashMap<u16, OpenRequest>,
    last_pkid: u16,
    collect_until: Instant,
    /// Packet ids of QoS 2 messages that were delivered but not released by the broker.
    unreleased: HashSet<u16>,
    stop: Option<StopRequest>,
    current: watch::Sender<bool>,
    unrouted: UnroutedHandler,
    stats: Arc<SubscriberStats>,
}

enum OpenRequest {
    Subscribe(Vec<(Arc<str>, QoS)>),
    Unsubscribe(Vec<Arc<str>>),
}

/// A request to stop. `None` for the waiter when all handles are gone.
struct StopRequest {
    deadline: Instant,
    _done: Option<oneshot::Sender<()>>,
}

impl<R: Recipient> SubscriberTask<R> {
    pub(super) fn new(
        requests: mpsc::Receiver<SubscriberCommand<R>>,
        current: watch::Sender<bool>,
        unrouted: UnroutedHandler,
        stats: Arc<SubscriberStats>,
    ) -> Self {
        SubscriberTask {
            requests,
            received: Vec::new(),
            subscriptions: Subscriptions::new(),
            open: HashMap::new(),
            last_pkid: 0,
            collect_until: Instant::now(),
            unreleased: HashSet::new(),
            stop: None,
            current,
            unrouted,
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
            self.current.send_replace(false);
        }
        self.current.send_replace(false);
    }

    /// Takes commands until there is a connection. `None` when it is time to stop.
    async fn connect(&mut self, dialer: &mut Dialer) -> Option<(Link, bool)> {
        let mut dial = pin!(dialer.dial());
        while self.stop.is_none() {
            tokio::select! {
                connected = &mut dial => return Some(connected),
                count = self.requests.recv_many(&mut self.received, COMMANDS) => self.handle(count),
            }
        }
        None
    }

    /// Runs one connection. `Ok` when it is time to stop.
    async fn serve(&mut self, link: &mut Link) -> Result<(), LinkError> {
        // Messages that waited in a kept session may have arrived together with CONNACK.
        self.read(link)?;
        loop {
            let collecting = self.write_batches(link)?;
            self.update_current();
            if self.stop.is_some() && self.open.is_empty() && self.subscriptions.waiting() == 0 {
                return Ok(());
            }
            let deadline = self.stop.as_ref().map(|stop| stop.deadline);
            tokio::select! {
                driven = link.drive() => {
                    driven?;
                    self.read(link)?;
                }
                count = self.requests.recv_many(&mut self.received, COMMANDS), if deadline.is_none() => {
                    self.handle(count);
                }
                () = sleep_until(self.collect_until), if collecting => {}
                () = sleep_until(deadline.unwrap_or(self.collect_until)), if deadline.is_some() => return Ok(()),
            }
        }
    }

    fn handle(&mut self, count: usize) {
        if count == 0 {
            self.stop = Some(StopRequest { deadline: Instant::now(), _done: None });
        }
        for command in self.received.drain(..) {
            match command {
                SubscriberCommand::Set { owner, filters, recipient, done } => {
                    self.subscriptions.set(owner, filters, recipient, done);
                }
                SubscriberCommand::Remove { owner } => self.subscriptions.remove(owner),
                SubscriberCommand::Stop { deadline, done } => {
                    self.stop = Some(StopRequest { deadline, _done: Some(done) })
                }
            }
        }
        self.stats.subscriptions.set(self.subscriptions.len());
    }

    /// True when changes wait for the time of the next batch.
    fn write_batches(&mut self, link: &mut Link) -> Result<bool, LinkError> {
        while self.open.len() < MAX_OPEN && self.subscriptions.waiting() > 0 {
            let now = Instant::now();
            if self.subscriptions.waiting() < BATCH && now < self.collect_until && self.stop.is_none() {
                return Ok(true);
            }
            self.collect_until = now + COLLECT_TIME;
            let Batch { subscribe, unsubscribe } = self.subscriptions.next_batch(link.limits().packet_size);
            if !subscribe.is_empty() {
                let pkid = self.next_pkid();
                link.send(OutboundPacket::Subscribe(pkid, &subscribe))?;
                self.stats.subscribe_packets.add(1);
                self.open.insert(pkid, OpenRequest::Subscribe(subscribe));
            }
            if !unsubscribe.is_empty() {
                let pkid = self.next_pkid();
                link.send(OutboundPacket::Unsubscribe(pkid, &unsubscribe))?;
                self.stats.unsubscribe_packets.add(1);
                self.open.insert(pkid, OpenRequest::Unsubscribe(unsubscribe));
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

    fn update_current(&self) {
        let current = self.subscriptions.is_current();
        if *self.current.borrow() != current {
            self.current.send_replace(current);
        }
    }

    /// Handles all packets that have arrived. Their acknowledgements leave together.
    fn read(&mut self, link: &mut Link) -> Result<(), LinkError> {
        while let Some(inbound) = link.next()? {
            match inbound {
                InboundPacket::Publish(publish)
                    if acknowledge(link, &mut self.unreleased, publish.qos, publish.pkid)? =>
                {
                    self.stats.received.add(1);
                    self.route(Message::from_packet(publish));
                }
                InboundPacket::SubAck(pkid, results) => self.subscribed(pkid, &results),
                InboundPacket::UnsubAck(pkid) => {
                    if let Some(OpenRequest::Unsubscribe(batch)) = self.open.remove(&pkid) {
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
                    warn!(beginning.topic, beginning.size, "message larger than the packet size limit discarded");
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
            debug!(message.topic, "message on a topic without a subscription");
            self.stats.unrouted.add(1);
            self.subscriptions.unsubscribe_unrouted(&message.topic);
            (self.unrouted)(message);
        }
    }

    fn subscribed(&mut self, pkid: u16, results: &[AckResult]) {
        let Some(OpenRequest::Subscribe(batch)) = self.open.remove(&pkid) else { return };
        // Filters that a SUBACK leaves out are not granted.
        let results = results.iter().copied().chain(std::iter::repeat(Err(Reason::UNSPECIFIED)));
        for ((filter, qos), result) in batch.iter().zip(results) {
            if let Err(reason) = result {
                // Only at level debug: the owner reports it with its own context.
                debug!(%filter, %reason, "the broker refuses a subscription");
            }
            self.subscriptions.subscribed(filter, *qos, result);
        }
    }
}

/// Adds the acknowledgement that the QoS requires. False when the message is a repetition to be ignored.
fn acknowledge(link: &mut Link, unreleased: &mut HashSet<u16>, qos: QoS, pkid: u16) -> Result<bool, LinkError> {
    match qos {
        QoS::AtMostOnce => Ok(true),
        QoS::AtLeastOnce => link.send(OutboundPacket::PubAck(pkid)).map(|()| true),
        QoS::ExactlyOnce => link.send(OutboundPacket::PubRec(pkid)).map(|()| unreleased.insert(pkid)),
    }
}
