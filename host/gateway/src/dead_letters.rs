//! Messages of back ends that did not reach a charge point: whoever sent them is told.

use crate::mailbox::says_nothing;
use crate::message_id::{self, Found};
use crate::road::{Downlinked, Road};
use ocpp_gateway_core::call_error::reported_id;
use ocpp_gateway_core::recent::Recent;
use ocpp_gateway_core::session::{Direction, Incident};
use ocpp_gateway_core::{Asked, Fault, Frame, MessageType, Peer, Version};
use ocpp_gateway_mqtt::{Loss, Message, Publication, Strays};
use ocpp_gateway_pipeline::Generation;
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
            if says_nothing(&message) {
                return;
            }
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
        let mut reported = Reported::default();
        while let Some(letter) = self.0.recv().await {
            match letter {
                Letter::Undelivered { peer, message, fault, text } => {
                    let generation = road.reader(&peer, &message.topic);
                    turn_back(&road, &mut reported, &generation, &peer, &message, fault, text).await;
                }
                Letter::Stray(message) => match road.addressee(&message.topic, &versions) {
                    Some((generation, peer)) => {
                        let (fault, text) = (Fault::Disconnected, "the charge point is not connected");
                        turn_back(&road, &mut reported, &generation, &peer, &message, fault, text).await;
                    }
                    None => debug!(message.topic, "message on a topic of no charge point"),
                },
                // Whoever waited may have lost patience.
                Letter::Mark(mark) => drop(mark.send(())),
            }
        }
    }
}

/// The latest answers of back ends that were reported because their charge point was away.
#[derive(Default)]
struct Reported(Recent<256>);

impl Reported {
    /// To a back end that answers every message, an error about its error, or a second one about the same answer, would be
    /// one more to answer, without end.
    fn is_wanted(&mut self, peer: &Peer, frame: &Frame<'_>) -> bool {
        match frame.kind {
            MessageType::CallError | MessageType::CallResultError => false,
            MessageType::Call | MessageType::Send => true,
            MessageType::CallResult => {
                let name = format!("{}/{}", peer.identity, frame.id);
                let known = self.0.contains(&name, 0);
                if !known {
                    self.0.add(&name, 0);
                }
                !known
            }
        }
    }
}

/// Reads the message as its charge point would have got it, and reports each frame in it with its message id.
async fn turn_back(
    road: &Road,
    reported: &mut Reported,
    generation: &Generation,
    peer: &Peer,
    message: &Message,
    fault: Fault,
    text: &'static str,
) {
    if let Some(size) = message.oversized {
        return turn_back_oversized(road, generation, peer, message, size).await;
    }
    let Downlinked { frames, publications, not_mapped } = road.downlink(generation, peer, message, Asked::default());
    publish(road, publications).await;
    let frames = frames.into_iter().map(|frame: Frame<'_>| {
        let is_wanted = reported.is_wanted(peer, &frame);
        (frame.id.to_string(), frame.action_name().to_owned(), is_wanted)
    });
    let unreadable = not_mapped.map(|not_mapped| (reported_id(&not_mapped.id).to_owned(), String::new(), true));
    for (id, action, is_wanted) in frames.chain(unreadable) {
        let incident = Incident { direction: Direction::Downlink, fault, id, action, detail: text.into() };
        report(road, generation, peer, incident, is_wanted).await;
    }
}

/// The mapping cannot read the beginning of a message, so it is not asked which one it was.
async fn turn_back_oversized(road: &Road, generation: &Generation, peer: &Peer, message: &Message, size: usize) {
    let Found { message_type, id, action } = message_id::find(&message.payload);
    let is_error = [MessageType::CallError, MessageType::CallResultError].map(Some).contains(&message_type);
    let detail = format!("the message has {size} bytes, which is more than the gateway takes");
    let (direction, fault, id) = (Direction::Downlink, Fault::TooLarge, reported_id(&id).to_owned());
    let incident = Incident { direction, fault, id, action, detail };
    report(road, generation, peer, incident, !is_error).await;
}

/// Counts and logs that a message did not arrive, and tells the back ends if that is wanted.
async fn report(road: &Road, generation: &Generation, peer: &Peer, incident: Incident, is_wanted: bool) {
    road.incident(peer, &incident);
    if is_wanted {
        let Incident { fault, id, action, detail, .. } = incident;
        let report = fault.error(peer.version, detail).into_frame(&id, Some(&action));
        publish(road, road.report(generation, peer, &report)).await;
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

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_gateway_core::{Attributes, Identity};

    #[test]
    fn an_answer_to_an_absent_charge_point_is_reported_once_and_an_error_never() {
        let peer = |name: &str| Peer {
            identity: Identity::new(name, 48).expect("an identity"),
            version: Version::V1_6,
            connection: 1,
            attributes: Attributes::new(),
        };
        let mut reported = Reported::default();
        let mut is_wanted = |name: &str, text: &str| reported.is_wanted(&peer(name), &Frame::parse(text).expect(text));
        assert!(is_wanted("CP1", r#"[3,"a",{}]"#));
        assert!(!is_wanted("CP1", r#"[3,"a",{}]"#));
        assert!(is_wanted("CP2", r#"[3,"a",{}]"#));
        assert!(!is_wanted("CP1", r#"[4,"b","GenericError","",{}]"#));
        assert!(is_wanted("CP1", r#"[2,"c","Reset",{}]"#));
        assert!(is_wanted("CP1", r#"[2,"c","Reset",{}]"#), "a CALL is reported each time");
    }
}
