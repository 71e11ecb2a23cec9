//! Where MQTT messages wait for the task of their charge point.

use crate::road::{Downlinked, Road};
use ocpp_gateway_core::session::{Direction, Incident};
use ocpp_gateway_core::{Fault, Peer};
use ocpp_gateway_mqtt::{Message, Publication, Recipient};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tracing::warn;

/// The slot in the door: a message can be put in at any time, without waiting.
#[derive(Clone)]
pub struct Mailbox(Arc<Inner>);

struct Inner {
    peer: Peer,
    road: Arc<Road>,
    // A channel sets room aside for some dozens of messages at once: boxed they take 8 bytes each there.
    sender: mpsc::Sender<Box<Message>>,
    closed: AtomicBool,
}

impl Mailbox {
    /// A mailbox for `capacity` messages, and the end at which it is emptied.
    pub fn new(peer: Peer, road: Arc<Road>, capacity: usize) -> (Self, mpsc::Receiver<Box<Message>>) {
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
        let Downlinked { frames, publications, not_mapped } = road.downlink(peer, message);
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
}

impl Recipient for Mailbox {
    fn deliver(&self, message: Message) {
        if self.0.closed.load(Ordering::Acquire) {
            return;
        }
        match self.0.sender.try_send(Box::new(message)) {
            Ok(()) => {}
            Err(TrySendError::Full(message)) => {
                self.turn_back(&message, Fault::QueueFull, "too many messages wait for this charge point");
            }
            Err(TrySendError::Closed(message)) => {
                self.turn_back(&message, Fault::Disconnected, "the charge point has just disconnected");
            }
        }
    }
}
