//! Where whatever is for a charge point waits for its task: MQTT messages, and questions of the gateway's own.

use crate::road::{Downlinked, Road};
use ocpp_gateway_core::session::{Direction, Incident, OpenCalls, OwnAnswer};
use ocpp_gateway_core::{Fault, Peer};
use ocpp_gateway_mqtt::{Message, Publication, Recipient};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// The slot in the door: a message can be put in at any time, without waiting.
#[derive(Clone)]
pub struct Mailbox(Arc<Inner>);

struct Inner {
    peer: Peer,
    road: Arc<Road>,
    // A channel sets room aside for some dozens of messages at once: boxed they take 8 bytes each there.
    sender: mpsc::Sender<Box<Letter>>,
    closed: AtomicBool,
}

impl Mailbox {
    /// A mailbox for `capacity` messages, and the end at which it is emptied.
    pub fn new(peer: Peer, road: Arc<Road>, capacity: usize) -> (Self, mpsc::Receiver<Box<Letter>>) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        (Mailbox(Arc::new(Inner { peer, road, sender, closed: AtomicBool::new(false) })), receiver)
    }

    /// From now on messages are for the connection that has taken over, which gets them too.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
    }

    /// Tells the back ends that a message did not reach its charge point.
    fn turn_back(&self, message: &Message, fault: Fault, text: &'static str) {
        let Inner { peer, road, .. } = &*self.0;
        let Downlinked { frames, publications, not_mapped } = road.downlink(peer, message, None);
        publications.into_iter().for_each(|publication| self.publish(publication));
        let frames = frames.into_iter().map(|frame| (frame.id.to_string(), frame.action_name().to_owned()));
        let unreadable = not_mapped.map(|not_mapped| (not_mapped.id, String::new()));
        for (id, action) in frames.chain(unreadable) {
            let report = fault.error(peer.version, text).into_frame(&id, Some(&action));
            road.incident(peer, &Incident { direction: Direction::Downlink, fault, id, action, detail: text.into() });
            road.report(peer, &report).into_iter().for_each(|publication| self.publish(publication));
        }
    }

    fn publish(&self, publication: Publication) {
        if let Err(error) = self.0.road.publisher.try_publish(publication) {
            warn!(charge_point = %self.0.peer.identity, "a report is lost: {error}");
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
    fn deliver(&self, message: Message) {
        if self.0.closed.load(Ordering::Acquire) {
            return;
        }
        let (letter, fault, text) = match self.0.sender.try_send(Box::new(Letter::Message(message, Instant::now()))) {
            Ok(()) => return,
            Err(TrySendError::Full(letter)) => {
                (letter, Fault::QueueFull, "too many messages wait for this charge point")
            }
            Err(TrySendError::Closed(letter)) => {
                (letter, Fault::Disconnected, "the charge point has just disconnected")
            }
        };
        if let Letter::Message(message, _) = *letter {
            self.turn_back(&message, fault, text);
        }
    }
}
