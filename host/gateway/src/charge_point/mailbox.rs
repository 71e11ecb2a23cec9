//! Where whatever is for a charge point waits for its task.

use super::delivery::{Delivery, Departure, NotTaken, OperatorCall, Received, Stop, Told};
use crate::cluster::ClaimListener;
use crate::routing::{MessageRouter, REPORT, UndeliverableQueue, says_nothing};
use ocpp_gateway_core::session::{Direction, OpenCalls};
use ocpp_gateway_core::{Fault, Peer};
use ocpp_gateway_mqtt::{
    self as mqtt, Loss, MESSAGE_OVERHEAD, MemoryAccount, MemoryPermit, Message, Observer, Publication, SubscribeError,
};
use parking_lot::{Mutex, MutexGuard};
use std::collections::LinkedList;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::task::coop;
use tracing::warn;

/// Messages can be put in at any time, without waiting.
#[derive(Clone)]
pub struct Mailbox(Arc<MailboxInner>);

/// The end at which a mailbox is emptied.
pub struct MailboxReceiver(Arc<MailboxInner>);

struct MailboxInner {
    contents: Mutex<Contents>,
    capacity: usize,
    memory: Arc<MemoryAccount>,
    peer: Peer,
    router: Arc<MessageRouter>,
    undeliverable: UndeliverableQueue,
}

/// All that a charge point's task looks at each time it wakes, side by side: a channel for the deliveries, one for the wish to
/// stop and the waker of each would be ten times as much memory to fetch, for each message of hundreds of charge points.
#[derive(Default)]
struct Contents {
    // A list, because it is nearly always empty or holds a single delivery: it has no buffer beside its deliveries.
    deliveries: LinkedList<(Delivery, MemoryPermit)>,
    stop: Option<Stop>,
    told: Vec<Told>,
    /// Whom to wake for the next of these.
    waker: Option<Waker>,
    standing: MailboxState,
    departure: Departure,
    /// Wakes the connection that has taken over, which waits for the departure.
    successor: Option<Waker>,
    /// Nobody empties it any more.
    is_over: bool,
}

/// What happens to a message that is put in.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum MailboxState {
    #[default]
    Kept,
    GivenBack,
    /// Another gateway deals with it.
    Elsewhere,
}

impl MailboxReceiver {
    /// What has come: a wish to stop before anything else, and deliveries only if they are wanted now.
    pub fn poll(&mut self, cx: &mut Context<'_>, deliveries: bool) -> Poll<Received> {
        // Whoever gets delivery after delivery lets others have their turn.
        let turn = ready!(coop::poll_proceed(cx));
        let contents = &mut *self.0.contents.lock();
        if let Some(stop) = contents.stop.take() {
            return Poll::Ready(Received::Stop(stop));
        }
        if !contents.told.is_empty() {
            turn.made_progress();
            return Poll::Ready(Received::Told(std::mem::take(&mut contents.told)));
        }
        if deliveries && let Some((delivery, _)) = contents.deliveries.pop_front() {
            turn.made_progress();
            return Poll::Ready(Received::Delivery(delivery));
        }
        if !contents.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            contents.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Who is told here what becomes of CALLs of the charge point.
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.0) as _
    }

    /// What is charged for deliveries.
    pub fn memory(&self) -> &Arc<MemoryAccount> {
        &self.0.memory
    }

    /// Whether no delivery waits.
    pub fn is_empty(&self) -> bool {
        self.0.contents.lock().deliveries.is_empty()
    }

    /// Takes what is in it, and from now on nothing more is.
    pub fn close(&mut self) -> impl Iterator<Item = Delivery> + use<> {
        let mut contents = self.0.contents.lock();
        contents.is_over = true;
        contents.told = Vec::new();
        std::mem::take(&mut contents.deliveries).into_iter().map(|(delivery, _)| delivery)
    }

    /// The connection has come so far on its way out.
    pub fn depart(&mut self, departure: Departure) {
        let mut contents = self.0.contents.lock();
        contents.departure = departure;
        let successor = contents.successor.take();
        drop(contents);
        successor.into_iter().for_each(Waker::wake);
    }
}

/// However the task ended.
impl Drop for MailboxReceiver {
    fn drop(&mut self) {
        drop(self.close());
        self.depart(Departure::Complete);
    }
}

impl MailboxInner {
    fn stop(&self, reason: Stop) {
        let mut contents = self.contents.lock();
        contents.stop.get_or_insert(reason);
        wake(contents);
    }

    /// There are no more of them than CALLs of the charge point are open.
    fn tell(&self, told: Told) {
        let mut contents = self.contents.lock();
        // Of one that is gone nobody waits for an answer.
        if !contents.is_over {
            contents.told.push(told);
            wake(contents);
        }
    }

    /// Whether one more delivery of so many bytes would be taken; then it is paid for.
    fn room(&self, contents: &Contents, bytes: usize) -> Result<MemoryPermit, NotTaken> {
        if contents.is_over {
            Err(NotTaken::Gone)
        } else if contents.deliveries.len() >= self.capacity {
            Err(NotTaken::Full)
        } else {
            self.memory.try_charge(bytes + MESSAGE_OVERHEAD).ok_or(NotTaken::NoMemory)
        }
    }
}

impl Mailbox {
    /// A mailbox for `capacity` deliveries, which `memory` is charged for, and the end at which it is emptied.
    pub fn new(
        peer: Peer,
        router: Arc<MessageRouter>,
        undeliverable: UndeliverableQueue,
        capacity: usize,
        memory: Arc<MemoryAccount>,
    ) -> (Self, MailboxReceiver) {
        let contents = Mutex::default();
        let inner = Arc::new(MailboxInner { contents, capacity: capacity.max(1), memory, peer, router, undeliverable });
        (Mailbox(Arc::clone(&inner)), MailboxReceiver(inner))
    }

    /// From now on messages are for the connection that has taken over. Where there is none, they are turned back.
    pub fn close(&self) {
        self.0.contents.lock().standing = MailboxState::GivenBack;
    }

    /// From now on messages are for another gateway, which gets each of them too.
    pub fn leave_to_other(&self) {
        self.0.contents.lock().standing = MailboxState::Elsewhere;
    }

    /// Tells the connection to end. If nobody listens, it is on its way out already.
    pub fn stop(&self, reason: Stop) {
        self.0.stop(reason);
    }

    /// Ready when the connection has come as far as `wanted` on its way out. Only its successor may ask.
    pub fn poll_departure(&self, cx: &mut Context<'_>, wanted: Departure) -> Poll<()> {
        let mut contents = self.0.contents.lock();
        if contents.departure >= wanted {
            return Poll::Ready(());
        }
        contents.successor = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Has the charge point's task look around: something that it looks for itself has changed.
    pub fn nudge(&self) {
        wake(self.0.contents.lock());
    }

    /// The back ends are told that a message did not reach its charge point.
    fn undelivered(&self, message: Message, fault: Fault, text: &'static str) {
        let MailboxInner { peer, router, undeliverable, .. } = &*self.0;
        if !undeliverable.put(peer, message, fault, text) {
            warn!(charge_point = %peer.identity, "a message is lost, and nobody is told: {text}");
            router.metrics.incident(Direction::Downlink, fault);
            router.publisher.lose(Loss::Overflow, REPORT);
        }
    }

    /// The same for one that would not reach it however free it is.
    fn unwanted(&self, message: Message) {
        let (fault, text) = if message.oversized.is_some() {
            (Fault::TooLarge, "the message is too large")
        } else {
            (Fault::Retained, "a retained message is stale: publish without the retain flag")
        };
        self.undelivered(message, fault, text);
    }

    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Deliveries that wait for the charge point's task.
    pub fn waiting(&self) -> usize {
        self.0.contents.lock().deliveries.len()
    }

    /// Puts in a CALL of the gateway's own.
    pub fn call(&self, call: OperatorCall) -> Result<(), NotTaken> {
        self.put(Delivery::OperatorCall(call))
    }

    /// What is open at the moment.
    pub async fn open_calls(&self) -> Result<OpenCalls, NotTaken> {
        let (answer, answered) = oneshot::channel();
        self.put(Delivery::GetOpenCalls(answer))?;
        answered.await.map_err(|_| NotTaken::Gone)
    }

    fn put(&self, delivery: Delivery) -> Result<(), NotTaken> {
        let bytes = if let Delivery::OperatorCall(call) = &delivery { call.payload.len() } else { 0 };
        let contents = self.0.contents.lock();
        let memory = self.0.room(&contents, bytes)?;
        add(contents, delivery, memory);
        Ok(())
    }
}

impl Observer for MailboxInner {
    fn no_subscriber(&self, publication: Publication) {
        self.tell(Told::NoSubscriber(publication));
    }

    fn delivered(&self, number: u32) {
        self.tell(Told::Delivered(number));
    }

    /// It would be answered with an error; the charge point keeps what it has to say while it is off line.
    fn evicted(&self, _number: u32) {
        self.stop(Stop::BrokerAway);
    }
}

impl mqtt::Recipient for Mailbox {
    fn deliver(&self, message: Message) -> Result<(), Message> {
        if says_nothing(&message) {
            return Ok(());
        }
        let MailboxInner { peer, router, .. } = &*self.0;
        if router.echoes.is_echo(&message, Some(peer.identity.as_str())) {
            router.metrics.echoes.inc();
            return Ok(());
        }
        let contents = self.0.contents.lock();
        match contents.standing {
            MailboxState::Kept => {}
            MailboxState::GivenBack => return Err(message),
            MailboxState::Elsewhere => return Ok(()),
        }
        if message.retain || message.oversized.is_some() {
            drop(contents);
            self.unwanted(message);
            return Ok(());
        }
        match self.0.room(&contents, message.topic.len() + message.payload.len()) {
            Ok(memory) => add(contents, Delivery::Message(message, Instant::now()), memory),
            Err(NotTaken::Gone) => return Err(message),
            Err(NotTaken::Full) => {
                drop(contents);
                self.undelivered(message, Fault::QueueFull, "too many messages wait for this charge point");
            }
            Err(NotTaken::NoMemory) => {
                drop(contents);
                self.undelivered(message, Fault::QueueFull, "the messages that wait take as much memory as they may");
            }
        }
        Ok(())
    }

    fn return_undeliverable(&self, message: Message) {
        self.undelivered(message, Fault::Disconnected, "the charge point has just disconnected");
    }

    /// The charge point is told, and comes back: then its topics are asked for again. Otherwise it would stay connected, and
    /// no back end could reach it.
    fn refused(&self, error: SubscribeError) {
        self.stop(Stop::NotSubscribed(Box::new(error)));
    }
}

fn add(mut contents: MutexGuard<'_, Contents>, delivery: Delivery, memory: MemoryPermit) {
    contents.deliveries.push_back((delivery, memory));
    wake(contents);
}

/// Wakes the charge point's task, after the lock that it wants is free.
fn wake(mut contents: MutexGuard<'_, Contents>) {
    let waker = contents.waker.take();
    drop(contents);
    waker.into_iter().for_each(Waker::wake);
}

/// Who gets messages from the broker.
#[derive(Clone)]
pub enum Recipient {
    ChargePoint(Mailbox),
    /// The gateway itself: claims of others.
    Claims(Arc<ClaimListener>),
}

impl mqtt::Recipient for Recipient {
    fn deliver(&self, message: Message) -> Result<(), Message> {
        match self {
            Recipient::ChargePoint(mailbox) => mailbox.deliver(message),
            Recipient::Claims(listener) => {
                listener.receive(&message);
                Ok(())
            }
        }
    }

    fn return_undeliverable(&self, message: Message) {
        match self {
            Recipient::ChargePoint(mailbox) => mailbox.return_undeliverable(message),
            Recipient::Claims(_) => {}
        }
    }

    fn refused(&self, error: SubscribeError) {
        match self {
            Recipient::ChargePoint(mailbox) => mailbox.refused(error),
            Recipient::Claims(listener) => listener.refused(&error),
        }
    }
}
