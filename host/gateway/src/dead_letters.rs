//! Messages of back ends that did not reach a charge point: whoever sent them is told.

use crate::road::{Downlinked, Road};
use ocpp_gateway_core::call_error::reported_id;
use ocpp_gateway_core::session::{Direction, Incident};
use ocpp_gateway_core::{Fault, Frame, Peer, Version};
use ocpp_gateway_mqtt::{Loss, Message, Publication, Strays};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tracing::debug;

/// Letters that may wait. Each is a message that something else had no room for, so there is a limit here too.
const WAITING: usize = 1024;

/// Where such messages are put, at any time and without waiting.
#[derive(Clone)]
pub struct DeadLetters(mpsc::Sender<Letter>);

/// Where they come out.
pub struct Office(mpsc::Receiver<Letter>);

enum Letter {
    /// For this charge point, which did not get it for this reason.
    Undelivered { peer: Peer, message: Message, fault: Fault, text: &'static str },
    /// On a topic that no connected charge point has.
    Stray(Message),
    /// Somebody wants to know when everything before this is dealt with.
    Mark(oneshot::Sender<()>),
}

impl DeadLetters {
    pub fn new() -> (Self, Office) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (DeadLetters(sender), Office(receiver))
    }

    /// `message` did not reach `peer`. Answers false if there is no room: then nobody is told.
    pub fn put(&self, peer: &Peer, message: Message, fault: Fault, text: &'static str) -> bool {
        self.0.try_send(Letter::Undelivered { peer: peer.clone(), message, fault, text }).is_ok()
    }

    /// Takes in what comes for nobody who is connected. The subscriber counts it; if there is no room, nobody is told.
    pub fn strays(&self) -> Strays {
        let DeadLetters(letters) = self.clone();
        Box::new(move |message| {
            if letters.try_send(Letter::Stray(message)).is_err() {
                debug!("a message for a charge point that is not connected is lost, and nobody is told");
            }
        })
    }

    /// Waits until everything that has been put in so far is dealt with, but not longer than `patience`.
    pub async fn flush(&self, patience: Duration) {
        let (mark, reached) = oneshot::channel();
        let flushed = async {
            if self.0.send(Letter::Mark(mark)).await.is_ok() {
                let _ = reached.await;
            }
        };
        // What is left then is counted by whoever loses it.
        let _ = tokio::time::timeout(patience, flushed).await;
    }
}

impl Office {
    /// Deals with letters until nobody can put any in. `versions` are those that a charge point which is not connected may
    /// speak, the likeliest first.
    pub async fn open(mut self, road: Arc<Road>, versions: Vec<Version>) {
        while let Some(letter) = self.0.recv().await {
            match letter {
                Letter::Undelivered { peer, message, fault, text } => {
                    turn_back(&road, &peer, &message, fault, text).await;
                }
                Letter::Stray(message) => match road.addressee(&message.topic, &versions) {
                    Some(peer) => {
                        let text = "the charge point is not connected";
                        turn_back(&road, &peer, &message, Fault::Disconnected, text).await;
                    }
                    None => debug!(message.topic, "message on a topic of no charge point"),
                },
                // Whoever waited may have lost patience.
                Letter::Mark(mark) => drop(mark.send(())),
            }
        }
    }
}

/// Reads the message as its charge point would have got it, and reports each frame in it with its message id.
async fn turn_back(road: &Road, peer: &Peer, message: &Message, fault: Fault, text: &'static str) {
    let Downlinked { frames, publications, not_mapped } = road.downlink(peer, message, None);
    publish(road, publications).await;
    let frames = frames.into_iter().map(|frame: Frame<'_>| (frame.id.to_string(), frame.action_name().to_owned()));
    let unreadable = not_mapped.map(|not_mapped| (reported_id(&not_mapped.id).to_owned(), String::new()));
    for (id, action) in frames.chain(unreadable) {
        let report = fault.error(peer.version, text).into_frame(&id, Some(&action));
        road.incident(peer, &Incident { direction: Direction::Downlink, fault, id, action, detail: text.into() });
        publish(road, road.report(peer, &report)).await;
    }
}

async fn publish(road: &Road, publications: Vec<Publication>) {
    for publication in publications {
        match road.publisher.reserve().await {
            // The publisher counts and logs what it refuses.
            Ok(permit) => drop(permit.send(publication)),
            Err(_) => road.publisher.lose(Loss::Abandoned, publication.kind),
        }
    }
}
