//! The mailbox of a charge point's task: a bounded queue of deliveries, and the request to stop.

use super::activity::Activity;
use super::delivery::{Delivery, DeliveryError, Departure, OperatorCall, PublishOutcome, Received, Stop};
use super::facts::Facts;
use crate::cluster::ClaimListener;
use crate::routing::{MessageRouter, REPORT, UndeliverableQueue, is_empty_message};
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

/// The sending end of a mailbox. Sending never waits.
#[derive(Clone)]
pub struct Mailbox(Arc<MailboxInner>);

/// The receiving end of a mailbox.
pub struct MailboxReceiver(Arc<MailboxInner>);

struct MailboxInner {
    contents: Mutex<Contents>,
    activity: Activity,
    capacity: usize,
    memory: Arc<MemoryAccount>,
    peer: Peer,
    facts: Arc<Facts>,
    router: Arc<MessageRouter>,
    undeliverable: UndeliverableQueue,
}

/// Everything that a charge point's task reads when it wakes, in one allocation. Separate channels for deliveries and
/// the request to stop, each with a waker, would touch ten times as much memory per message.
#[derive(Default)]
struct Contents {
    // A list: it is nearly always empty or holds one delivery, and it keeps no spare buffer.
    deliveries: LinkedList<(Delivery, MemoryPermit)>,
    stop: Option<Stop>,
    publish_outcomes: Vec<PublishOutcome>,
    /// Wakes the charge point's task.
    waker: Option<Waker>,
    state: MailboxState,
    departure: Departure,
    /// Wakes the connection that replaced this one, which waits for the departure.
    successor: Option<Waker>,
    /// The task has stopped receiving.
    is_closed: bool,
}

/// What happens to a message that the broker delivers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum MailboxState {
    #[default]
    Accept,
    /// It is returned to the subscriber, for the connection that replaced this one.
    Return,
    /// Another gateway has the charge point, and receives the message too.
    Discard,
}

impl MailboxReceiver {
    /// The next entry: a request to stop first, then publish outcomes, then deliveries if `deliveries` is true.
    pub fn poll(&mut self, cx: &mut Context<'_>, deliveries: bool) -> Poll<Received> {
        // tokio's cooperative budget: a task with many deliveries yields to others.
        let budget = ready!(coop::poll_proceed(cx));
        let contents = &mut *self.0.contents.lock();
        if let Some(stop) = contents.stop.take() {
            return Poll::Ready(Received::Stop(stop));
        }
        if !contents.publish_outcomes.is_empty() {
            budget.made_progress();
            return Poll::Ready(Received::PublishOutcomes(std::mem::take(&mut contents.publish_outcomes)));
        }
        if deliveries && let Some((delivery, _)) = contents.deliveries.pop_front() {
            budget.made_progress();
            return Poll::Ready(Received::Delivery(delivery));
        }
        if !contents.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            contents.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Receives the publish outcomes of CALLs of the charge point.
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.0) as _
    }

    /// What the task tells about the connection.
    pub(super) fn activity(&self) -> &Activity {
        &self.0.activity
    }

    /// What is known of the charge point, from earlier connections too.
    pub(super) fn facts(&self) -> &Facts {
        &self.0.facts
    }

    /// The account that deliveries are charged to.
    pub fn memory(&self) -> &Arc<MemoryAccount> {
        &self.0.memory
    }

    /// Whether no delivery is queued.
    pub fn is_empty(&self) -> bool {
        self.0.contents.lock().deliveries.is_empty()
    }

    /// Closes the mailbox and returns the queued deliveries.
    pub fn close(&mut self) -> impl Iterator<Item = Delivery> + use<> {
        let mut contents = self.0.contents.lock();
        contents.is_closed = true;
        contents.publish_outcomes = Vec::new();
        std::mem::take(&mut contents.deliveries).into_iter().map(|(delivery, _)| delivery)
    }

    /// Sets the progress of the disconnect.
    pub fn set_departure(&mut self, departure: Departure) {
        let mut contents = self.0.contents.lock();
        contents.departure = departure;
        let successor = contents.successor.take();
        drop(contents);
        successor.into_iter().for_each(Waker::wake);
    }
}

/// Also closes the mailbox if the task panicked or was cancelled.
impl Drop for MailboxReceiver {
    fn drop(&mut self) {
        drop(self.close());
        self.set_departure(Departure::Complete);
    }
}

impl MailboxInner {
    fn stop(&self, reason: Stop) {
        let mut contents = self.contents.lock();
        contents.stop.get_or_insert(reason);
        wake(contents);
    }

    /// The queue of outcomes is bounded by the number of open CALLs of the charge point.
    fn add_publish_outcome(&self, outcome: PublishOutcome) {
        let mut contents = self.contents.lock();
        // A charge point that has disconnected waits for no answer.
        if !contents.is_closed {
            contents.publish_outcomes.push(outcome);
            wake(contents);
        }
    }

    /// Charges one more delivery of `bytes`, or says why it is refused.
    fn reserve(&self, contents: &Contents, bytes: usize) -> Result<MemoryPermit, DeliveryError> {
        if contents.is_closed {
            Err(DeliveryError::Gone)
        } else if contents.deliveries.len() >= self.capacity {
            Err(DeliveryError::Full)
        } else {
            self.memory.try_charge(bytes + MESSAGE_OVERHEAD).ok_or(DeliveryError::NoMemory)
        }
    }
}

impl Mailbox {
    /// A mailbox for `capacity` deliveries, which are charged to `memory`, and its receiving end.
    pub fn new(
        peer: Peer,
        facts: Arc<Facts>,
        router: Arc<MessageRouter>,
        undeliverable: UndeliverableQueue,
        capacity: usize,
        memory: Arc<MemoryAccount>,
    ) -> (Self, MailboxReceiver) {
        let contents = Mutex::default();
        let (activity, capacity) = (Activity::default(), capacity.max(1));
        let inner = MailboxInner { contents, activity, capacity, memory, peer, facts, router, undeliverable };
        let inner = Arc::new(inner);
        (Mailbox(Arc::clone(&inner)), MailboxReceiver(inner))
    }

    /// From now on messages are returned: to the connection that replaced this one, or else as undeliverable.
    pub fn return_messages(&self) {
        self.0.contents.lock().state = MailboxState::Return;
    }

    /// From now on messages are discarded: another gateway has the charge point, and receives each of them too.
    pub fn discard_messages(&self) {
        self.0.contents.lock().state = MailboxState::Discard;
    }

    /// Tells the connection to end. No effect if it is ending already.
    pub fn stop(&self, reason: Stop) {
        self.0.stop(reason);
    }

    /// Ready when the disconnect has reached `wanted`. Only the successor may poll: one waker is kept.
    pub fn poll_departure(&self, cx: &mut Context<'_>, wanted: Departure) -> Poll<()> {
        let mut contents = self.0.contents.lock();
        if contents.departure >= wanted {
            return Poll::Ready(());
        }
        contents.successor = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Wakes the charge point's task, because shared state that it reads has changed.
    pub fn notify_of_swap(&self) {
        wake(self.0.contents.lock());
    }

    /// Reports to back ends that a message did not reach its charge point.
    fn report_undelivered(&self, message: Message, fault: Fault, text: &'static str) {
        let MailboxInner { peer, router, undeliverable, .. } = &*self.0;
        if !undeliverable.put(peer, message, fault, text) {
            warn!(charge_point = %peer.identity, "message lost without a report to back ends: {text}");
            router.metrics.incident(Direction::Downlink, fault);
            router.publisher.count_loss(Loss::Overflow, REPORT);
        }
    }

    /// Reports a message that is never deliverable: too large, or retained.
    fn report_unacceptable(&self, message: Message) {
        let (fault, text) = if message.oversized.is_some() {
            (Fault::TooLarge, "the message is too large")
        } else {
            (Fault::Retained, "a retained message is stale: publish without the retain flag")
        };
        self.report_undelivered(message, fault, text);
    }

    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// What the task tells about the connection.
    pub fn activity(&self) -> &Activity {
        &self.0.activity
    }

    /// What is known of the charge point, from earlier connections too.
    pub fn facts(&self) -> &Arc<Facts> {
        &self.0.facts
    }

    /// Number of queued deliveries.
    pub fn waiting(&self) -> usize {
        self.0.contents.lock().deliveries.len()
    }

    /// Sends a CALL of an operator.
    pub fn call(&self, call: OperatorCall) -> Result<(), DeliveryError> {
        self.put(Delivery::OperatorCall(call))
    }

    /// The CALLs that are open now.
    pub async fn open_calls(&self) -> Result<OpenCalls, DeliveryError> {
        let (answer, answered) = oneshot::channel();
        self.put(Delivery::GetOpenCalls(answer))?;
        answered.await.map_err(|_| DeliveryError::Gone)
    }

    fn put(&self, delivery: Delivery) -> Result<(), DeliveryError> {
        let bytes = if let Delivery::OperatorCall(call) = &delivery { call.payload.len() } else { 0 };
        let contents = self.0.contents.lock();
        let memory = self.0.reserve(&contents, bytes)?;
        add(contents, delivery, memory);
        Ok(())
    }
}

impl Observer for MailboxInner {
    fn no_subscriber(&self, publication: Publication) {
        self.add_publish_outcome(PublishOutcome::NoSubscriber(publication));
    }

    fn delivered(&self, number: u32) {
        self.add_publish_outcome(PublishOutcome::Delivered(number));
    }

    /// Disconnects instead of answering the CALL with an error: charge points keep their messages while they are
    /// offline.
    fn evicted(&self, _number: u32) {
        self.stop(Stop::BrokerAway);
    }
}

impl mqtt::Recipient for Mailbox {
    fn deliver(&self, message: Message) -> Result<(), Message> {
        if is_empty_message(&message) {
            return Ok(());
        }
        let MailboxInner { peer, router, .. } = &*self.0;
        if router.echoes.is_echo(&message, Some(peer.identity.as_str())) {
            router.metrics.echoes.inc();
            return Ok(());
        }
        let contents = self.0.contents.lock();
        match contents.state {
            MailboxState::Accept => {}
            MailboxState::Return => return Err(message),
            MailboxState::Discard => return Ok(()),
        }
        if message.retain || message.oversized.is_some() {
            drop(contents);
            self.report_unacceptable(message);
            return Ok(());
        }
        match self.0.reserve(&contents, message.topic.len() + message.payload.len()) {
            Ok(memory) => add(contents, Delivery::Message(message, Instant::now()), memory),
            Err(DeliveryError::Gone) => return Err(message),
            Err(DeliveryError::Full) => {
                drop(contents);
                self.report_undelivered(
                    message,
                    Fault::QueueFull,
                    "too many messages are queued for this charge point",
                );
            }
            Err(DeliveryError::NoMemory) => {
                drop(contents);
                let text = "the memory for queued messages is full";
                self.report_undelivered(message, Fault::QueueFull, text);
            }
        }
        Ok(())
    }

    fn return_undeliverable(&self, message: Message) {
        self.report_undelivered(message, Fault::Disconnected, "the charge point has just disconnected");
    }

    /// Disconnects the charge point: when it reconnects, the gateway subscribes again. If it stayed connected, no back
    /// end could reach it.
    fn refused(&self, error: SubscribeError) {
        self.stop(Stop::NotSubscribed(Box::new(error)));
    }
}

fn add(mut contents: MutexGuard<'_, Contents>, delivery: Delivery, memory: MemoryPermit) {
    contents.deliveries.push_back((delivery, memory));
    wake(contents);
}

/// Wakes the charge point's task after the lock is released, because the task takes the same lock.
fn wake(mut contents: MutexGuard<'_, Contents>) {
    let waker = contents.waker.take();
    drop(contents);
    waker.into_iter().for_each(Waker::wake);
}

/// Receives messages from the broker.
#[derive(Clone)]
pub enum Recipient {
    ChargePoint(Mailbox),
    /// Claims of other gateways.
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
