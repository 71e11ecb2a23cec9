//! Messages of back ends that did not reach a charge point: whoever sent them is told.

use super::memory::QueueMemory;
use super::message_id::{self, MessageHead};
use super::router::{Downlinked, MessageRouter, publish};
use hyper::body::Bytes;
use ocpp_gateway_core::call_error::reported_id;
use ocpp_gateway_core::recent::Recent;
use ocpp_gateway_core::session::{Direction, Incident};
use ocpp_gateway_core::{Fault, Frame, MessageType, Peer, UnansweredCalls, Version};
use ocpp_gateway_mqtt::{MESSAGE_OVERHEAD, MemoryAccount, MemoryPermit, Message, Publication, UnroutedHandler};
use ocpp_gateway_pipeline::Generation;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tracing::debug;

/// Messages that may wait. Each is a message that something else had no room for, so there is a limit here too.
const WAITING: usize = 1024;

/// So much is kept of a message for which there is no memory: enough for its id, in nearly every case.
const BEGINNING: usize = 4 << 10;

/// Where such messages are put, at any time and without waiting.
#[derive(Clone)]
pub struct UndeliverableQueue {
    queue: mpsc::Sender<Undeliverable>,
    memory: Arc<MemoryAccount>,
}

/// Where they come out.
pub struct UndeliverableWorker(mpsc::Receiver<Undeliverable>);

enum Undeliverable {
    /// For this charge point, which did not get it for this reason.
    Message { peer: Peer, message: KeptMessage, fault: Fault, text: &'static str },
    /// On a topic that no connected charge point has.
    Unrouted(KeptMessage),
    /// Somebody wants to know when everything before this is dealt with.
    Mark(oneshot::Sender<()>),
}

/// A message that waits here.
struct KeptMessage {
    message: Message,
    /// Only its beginning is left.
    is_cut: bool,
    _memory: MemoryPermit,
}

impl UndeliverableQueue {
    pub fn new(memory: &QueueMemory) -> (Self, UndeliverableWorker) {
        let (queue, receiver) = mpsc::channel(WAITING);
        (
            UndeliverableQueue { queue, memory: memory.common_account(Direction::Downlink) },
            UndeliverableWorker(receiver),
        )
    }

    /// All of the message if there is memory for it.
    fn keep(&self, mut message: Message) -> KeptMessage {
        let size = |message: &Message| message.topic.len() + message.payload.len() + MESSAGE_OVERHEAD;
        if let Some(memory) = self.memory.try_charge(size(&message)) {
            return KeptMessage { message, is_cut: false, _memory: memory };
        }
        let is_cut = message.payload.len() > BEGINNING;
        if is_cut {
            // A copy: a part would keep the whole.
            message.payload = Bytes::copy_from_slice(&message.payload[..BEGINNING]);
        }
        // There cannot be many of them.
        let memory = self.memory.charge(size(&message));
        KeptMessage { message, is_cut, _memory: memory }
    }

    /// `message` did not reach `peer`. Answers false if there is no room: then nobody is told.
    pub fn put(&self, peer: &Peer, message: Message, fault: Fault, text: &'static str) -> bool {
        // Before anything is copied.
        let Ok(place) = self.queue.try_reserve() else { return false };
        place.send(Undeliverable::Message { peer: peer.clone(), message: self.keep(message), fault, text });
        true
    }

    /// Takes in what comes for nobody who is connected. The subscriber counts it; if there is no room, nobody is told.
    pub fn unrouted_handler(&self) -> UnroutedHandler {
        let this = self.clone();
        Box::new(move |message| {
            if says_nothing(&message) {
                return;
            }
            match this.queue.try_reserve() {
                Ok(place) => place.send(Undeliverable::Unrouted(this.keep(message))),
                Err(_) => debug!("a message for a charge point that is not connected is lost, and nobody is told"),
            }
        })
    }

    /// Waits until everything that has been put in so far is dealt with, but not longer than `timeout`.
    pub async fn flush(&self, timeout: Duration) {
        let (mark, reached) = oneshot::channel();
        let flushed = async {
            if self.queue.send(Undeliverable::Mark(mark)).await.is_ok() {
                let _ = reached.await;
            }
        };
        // What is left then is counted by whoever loses it.
        let _ = tokio::time::timeout(timeout, flushed).await;
    }
}

impl UndeliverableWorker {
    /// Deals with messages until nobody can put any in. `versions` are those that a charge point which is not connected may
    /// speak, the likeliest first.
    pub async fn run(mut self, router: Arc<MessageRouter>, versions: Vec<Version>) {
        let mut reported = Reported::default();
        let memory = router.memory.common_account(Direction::Uplink);
        while let Some(undeliverable) = self.0.recv().await {
            // What is said of it waits for the broker. Nothing is reserved: this is only one task.
            if router.memory.uplink.is_full() {
                drop(router.memory.uplink.acquire(1).await);
            }
            let mut returning = Returning { router: &router, memory: &memory, reported: &mut reported };
            match undeliverable {
                Undeliverable::Message { peer, message, fault, text } => {
                    let generation = router.reader(&peer, &message.message.topic);
                    returning.return_undeliverable(&generation, &peer, &message, fault, text).await;
                }
                Undeliverable::Unrouted(message) if router.echoes.is_echo(&message.message, None) => {
                    router.metrics.echoes.inc();
                }
                Undeliverable::Unrouted(message) => match router.recipient(&message.message.topic, &versions) {
                    Some((generation, peer)) => {
                        let (fault, text) = (Fault::Disconnected, "the charge point is not connected");
                        returning.return_undeliverable(&generation, &peer, &message, fault, text).await;
                    }
                    None => debug!(message.message.topic, "message on a topic of no charge point"),
                },
                // Whoever waited may have given up.
                Undeliverable::Mark(mark) => drop(mark.send(())),
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

/// What it takes to tell back ends of a message.
struct Returning<'a> {
    router: &'a MessageRouter,
    memory: &'a Arc<MemoryAccount>,
    reported: &'a mut Reported,
}

impl Returning<'_> {
    /// Reads the message as its charge point would have got it, and reports each frame in it with its message id.
    async fn return_undeliverable(
        &mut self,
        generation: &Generation,
        peer: &Peer,
        kept: &KeptMessage,
        fault: Fault,
        text: &'static str,
    ) {
        let message = &kept.message;
        if let Some(size) = message.oversized {
            let detail = format!("the message has {size} bytes, which is more than the gateway takes");
            return self.return_unread(generation, peer, message, Fault::TooLarge, detail).await;
        }
        if kept.is_cut {
            return self.return_unread(generation, peer, message, fault, text.into()).await;
        }
        let Downlinked { frames, publications, not_mapped } =
            self.router.downlink(generation, peer, message, UnansweredCalls::default());
        self.publish(publications).await;
        let reported = &mut *self.reported;
        let frames = frames.into_iter().map(|frame: Frame<'_>| {
            let is_wanted = reported.is_wanted(peer, &frame);
            (frame.id.to_string(), frame.action_name().to_owned(), is_wanted)
        });
        let unreadable = not_mapped.map(|not_mapped| (reported_id(&not_mapped.id).to_owned(), String::new(), true));
        let all: Vec<_> = frames.chain(unreadable).collect();
        for (id, action, is_wanted) in all {
            let incident = Incident { direction: Direction::Downlink, fault, id, action, detail: text.into() };
            self.report(generation, peer, incident, is_wanted).await;
        }
    }

    /// The mapping cannot read the beginning of a message, so it is not asked which one it was.
    async fn return_unread(
        &mut self,
        generation: &Generation,
        peer: &Peer,
        message: &Message,
        fault: Fault,
        detail: String,
    ) {
        let MessageHead { message_type, id, action } = message_id::find(&message.payload);
        let is_error = [MessageType::CallError, MessageType::CallResultError].map(Some).contains(&message_type);
        let (direction, id) = (Direction::Downlink, reported_id(&id).to_owned());
        let incident = Incident { direction, fault, id, action, detail };
        self.report(generation, peer, incident, !is_error).await;
    }

    /// Counts and logs that a message did not arrive, and tells the back ends if that is wanted.
    async fn report(&mut self, generation: &Generation, peer: &Peer, incident: Incident, is_wanted: bool) {
        self.router.incident(peer, &incident);
        if is_wanted {
            let Incident { fault, id, action, detail, .. } = incident;
            let report = fault.error(peer.version, detail).into_frame(&id, Some(&action));
            self.publish(self.router.report(generation, peer, &report)).await;
        }
    }

    async fn publish(&mut self, publications: Vec<Publication>) {
        for mut publication in publications {
            publication.charge(self.memory);
            publish(self.router.publisher.clone(), publication).await;
        }
    }
}

/// Whether nobody is meant by it: an empty payload clears what is retained on a topic (MQTT 3.1.1, 3.3.1.3).
pub fn says_nothing(message: &Message) -> bool {
    message.payload.is_empty() && message.oversized.is_none()
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
