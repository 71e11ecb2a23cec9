//! Where whatever is for a charge point waits for its task: MQTT messages, and questions of the gateway's own.

use crate::dead_letters::DeadLetters;
use crate::road::{REPORT, Road};
use ocpp_gateway_core::session::{Direction, OpenCalls, OwnAnswer};
use ocpp_gateway_core::{Fault, Peer};
use ocpp_gateway_mqtt::{Loss, Message, Recipient};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

/// What is put into a mailbox.
pub enum Letter {
    /// A message from the broker, and when it came.
    Message(Message, Instant),
    Question(Question),
    /// Somebody wants to know what is open.
    Look(oneshot::Sender<OpenCalls>),
}

/// A CALL of the gateway's own, on behalf of an operator.
#[derive(Debug)]
pub struct Question {
    /// Starts with [`ocpp_gateway_core::session::OWN_ID`]; used once.
    pub id: String,
    pub action: String,
    /// JSON text of an object.
    pub payload: String,
    pub answer: oneshot::Sender<OwnAnswer>,
}

/// Why a letter was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    Full,
    /// The charge point has just gone.
    Gone,
}

/// What happens to a message that is put in: it is kept, given back, or dealt with by another gateway.
const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const ELSEWHERE: u8 = 2;

/// The slot in the door: a message can be put in at any time, without waiting.
#[derive(Clone)]
pub struct Mailbox(Arc<Inner>);

struct Inner {
    peer: Peer,
    road: Arc<Road>,
    dead_letters: DeadLetters,
    // A channel sets room aside for some dozens of messages at once: boxed they take 8 bytes each there.
    sender: mpsc::Sender<Box<Letter>>,
    state: AtomicU8,
}

impl Mailbox {
    /// A mailbox for `capacity` messages, and the end at which it is emptied.
    pub fn new(
        peer: Peer,
        road: Arc<Road>,
        dead_letters: DeadLetters,
        capacity: usize,
    ) -> (Self, mpsc::Receiver<Box<Letter>>) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        (Mailbox(Arc::new(Inner { peer, road, dead_letters, sender, state: AtomicU8::new(OPEN) })), receiver)
    }

    /// From now on messages are for the connection that has taken over. Where there is none, they are turned back.
    pub fn close(&self) {
        self.0.state.store(CLOSED, Ordering::Release);
    }

    /// From now on messages are for another gateway, which gets each of them too.
    pub fn leave_to_other(&self) {
        self.0.state.store(ELSEWHERE, Ordering::Release);
    }

    /// The back ends are told that a message did not reach its charge point.
    fn undelivered(&self, message: Message, fault: Fault, text: &'static str) {
        let Inner { peer, road, dead_letters, .. } = &*self.0;
        if !dead_letters.put(peer, message, fault, text) {
            warn!(charge_point = %peer.identity, "a message is lost, and nobody is told: {text}");
            road.metrics.incident(Direction::Downlink, fault);
            road.publisher.lose(Loss::Overflow, REPORT);
        }
    }

    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Letters that wait for the charge point's task.
    pub fn waiting(&self) -> usize {
        self.0.sender.max_capacity() - self.0.sender.capacity()
    }

    /// Puts in a CALL of the gateway's own.
    pub fn ask(&self, question: Question) -> Result<(), NotTaken> {
        self.put(Letter::Question(question))
    }

    /// What is open at the moment.
    pub async fn look(&self) -> Result<OpenCalls, NotTaken> {
        let (answer, answered) = oneshot::channel();
        self.put(Letter::Look(answer))?;
        answered.await.map_err(|_| NotTaken::Gone)
    }

    fn put(&self, letter: Letter) -> Result<(), NotTaken> {
        self.0.sender.try_send(Box::new(letter)).map_err(|error| match error {
            TrySendError::Full(_) => NotTaken::Full,
            TrySendError::Closed(_) => NotTaken::Gone,
        })
    }
}

impl Recipient for Mailbox {
    fn deliver(&self, message: Message) -> Result<(), Message> {
        match self.0.state.load(Ordering::Acquire) {
            OPEN => {}
            ELSEWHERE => return Ok(()),
            _ => return Err(message),
        }
        match self.0.sender.try_send(Box::new(Letter::Message(message, Instant::now()))) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(letter)) => {
                if let Letter::Message(message, _) = *letter {
                    self.undelivered(message, Fault::QueueFull, "too many messages wait for this charge point");
                }
                Ok(())
            }
            Err(TrySendError::Closed(letter)) => match *letter {
                Letter::Message(message, _) => Err(message),
                Letter::Question(_) | Letter::Look(_) => Ok(()),
            },
        }
    }

    fn turn_back(&self, message: Message) {
        self.undelivered(message, Fault::Disconnected, "the charge point has just disconnected");
    }
}
