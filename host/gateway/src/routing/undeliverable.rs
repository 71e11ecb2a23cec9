//! Undeliverable messages: back ends get an error report for each message that did not reach its charge point.

use super::memory::QueueMemory;
use super::message_id::{self, MessageHead};
use super::router::{Downlinked, MessageRouter, publish};
use hyper::body::Bytes;
use ocpp_gateway_core::call_error::reported_id;
use ocpp_gateway_core::recent::Recent;
use ocpp_gateway_core::session::{Direction, Incident};
use ocpp_gateway_core::{Fault, Frame, MessageType, Peer, UnansweredCalls};
use ocpp_gateway_mqtt::{MESSAGE_OVERHEAD, MemoryAccount, MemoryPermit, Message, Publication, UnroutedHandler};
use ocpp_gateway_pipeline::{Generation, Tracing};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tracing::debug;

/// Messages that may wait. Many of them come because another queue was full, so this queue is limited too.
const CAPACITY: usize = 1024;

/// Payload bytes that are kept of a message without memory for all of it. Enough for its message id, in nearly all
/// cases.
const KEPT_BYTES: usize = 4 << 10;

/// The sending end of the queue. Sending never waits.
#[derive(Clone)]
pub struct UndeliverableQueue {
    queue: mpsc::Sender<Undeliverable>,
    memory: Arc<MemoryAccount>,
}

/// The receiving end of the queue.
pub struct UndeliverableWorker(mpsc::Receiver<Undeliverable>);

enum Undeliverable {
    /// A message that did not reach this charge point, and why.
    Message { peer: Peer, message: KeptMessage, fault: Fault, text: &'static str },
    /// A message on a topic of no connected charge point.
    Unrouted(KeptMessage),
    /// Signals when all earlier entries are processed.
    Flush(oneshot::Sender<()>),
}

/// A queued message.
struct KeptMessage {
    message: Message,
    /// Only the beginning of the payload is kept.
    is_cut: bool,
    _memory: MemoryPermit,
}

impl UndeliverableQueue {
    pub fn new(memory: &QueueMemory) -> (Self, UndeliverableWorker) {
        let (queue, receiver) = mpsc::channel(CAPACITY);
        (
            UndeliverableQueue { queue, memory: memory.common_account(Direction::Downlink) },
            UndeliverableWorker(receiver),
        )
    }

    /// Keeps all of the message if there is memory for it, else the beginning of its payload.
    fn keep(&self, mut message: Message) -> KeptMessage {
        let size = |message: &Message| message.topic.len() + message.payload.len() + MESSAGE_OVERHEAD;
        if let Some(memory) = self.memory.try_charge(size(&message)) {
            return KeptMessage { message, is_cut: false, _memory: memory };
        }
        let is_cut = message.payload.len() > KEPT_BYTES;
        if is_cut {
            // A copy, because a slice would keep the whole payload in memory.
            message.payload = Bytes::copy_from_slice(&message.payload[..KEPT_BYTES]);
        }
        // Charged beyond the limit: the queue's capacity bounds how many there are.
        let memory = self.memory.charge(size(&message));
        KeptMessage { message, is_cut, _memory: memory }
    }

    /// Queues `message`, which did not reach `peer`. `false`: the queue is full, and back ends get no report.
    pub fn put(&self, peer: &Peer, message: Message, fault: Fault, text: &'static str) -> bool {
        // Reserved first, so that nothing is copied for a full queue.
        let Ok(permit) = self.queue.try_reserve() else { return false };
        permit.send(Undeliverable::Message { peer: peer.clone(), message: self.keep(message), fault, text });
        true
    }

    /// Queues messages that are for no connected charge point. The subscriber counts them. If the queue is full, back
    /// ends get no report.
    pub fn unrouted_handler(&self) -> UnroutedHandler {
        let this = self.clone();
        Box::new(move |message| {
            if is_empty_message(&message) {
                return;
            }
            match this.queue.try_reserve() {
                Ok(permit) => permit.send(Undeliverable::Unrouted(this.keep(message))),
                Err(_) => debug!("message for a charge point that is not connected lost without a report"),
            }
        })
    }

    /// Waits until all messages that are queued now are processed, but no longer than `timeout`.
    pub async fn flush(&self, timeout: Duration) {
        let (done, flushed) = oneshot::channel();
        let flush = async {
            if self.queue.send(Undeliverable::Flush(done)).await.is_ok() {
                let _ = flushed.await;
            }
        };
        // Reports that are lost after the timeout are counted where they are lost.
        let _ = tokio::time::timeout(timeout, flush).await;
    }
}

impl UndeliverableWorker {
    /// Processes messages until all sending ends are dropped.
    pub async fn run(mut self, router: Arc<MessageRouter>) {
        let mut reported = Reported::default();
        let memory = router.memory.common_account(Direction::Uplink);
        while let Some(undeliverable) = self.0.recv().await {
            // Reports wait for the broker, so wait for uplink memory. Not reserved: this is a single task.
            if router.memory.uplink.is_full() {
                drop(router.memory.uplink.acquire(1).await);
            }
            let mut reporter = Reporter { router: &router, memory: &memory, reported: &mut reported };
            match undeliverable {
                Undeliverable::Message { peer, message, fault, text } => {
                    let generation = router.reader(&peer, &message.message.topic);
                    reporter.return_undeliverable(&generation, &peer, &message, fault, text).await;
                }
                Undeliverable::Unrouted(message) if router.echoes.is_echo(&message.message, None) => {
                    router.metrics.echoes.inc();
                }
                Undeliverable::Unrouted(message) => match router.recipient(&message.message.topic) {
                    Some((generation, peer)) => {
                        let (fault, text) = (Fault::Disconnected, "the charge point is not connected");
                        reporter.return_undeliverable(&generation, &peer, &message, fault, text).await;
                    }
                    None => debug!(message.message.topic, "message on a topic of no charge point"),
                },
                // The caller of `flush` may have timed out.
                Undeliverable::Flush(done) => drop(done.send(())),
            }
        }
    }
}

/// The latest answers of back ends that were reported as undeliverable.
#[derive(Default)]
struct Reported(Recent<256>);

impl Reported {
    /// Whether `frame` is reported. Errors are not, and an answer only once: with a back end that answers every
    /// message, reports would go on endlessly.
    fn should_report(&mut self, peer: &Peer, frame: &Frame<'_>) -> bool {
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

/// Reports an undeliverable message to back ends.
struct Reporter<'a> {
    router: &'a MessageRouter,
    memory: &'a Arc<MemoryAccount>,
    reported: &'a mut Reported,
}

impl Reporter<'_> {
    /// Maps the message as for its charge point, and reports each frame in it with its message id.
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
            let detail = format!("the message has {size} bytes, more than the gateway accepts");
            return self.return_unread(generation, peer, message, Fault::TooLarge, detail).await;
        }
        if kept.is_cut {
            return self.return_unread(generation, peer, message, fault, text.into()).await;
        }
        let Downlinked { frames, publications, not_mapped, .. } =
            self.router.downlink(generation, peer, message, UnansweredCalls::default());
        self.publish(publications).await;
        let reported = &mut *self.reported;
        let frames = frames.into_iter().map(|frame: Frame<'_>| {
            let should_report = reported.should_report(peer, &frame);
            (frame.id.to_string(), frame.action_name().to_owned(), should_report)
        });
        let unreadable = not_mapped.map(|not_mapped| (reported_id(&not_mapped.id).to_owned(), String::new(), true));
        let all: Vec<_> = frames.chain(unreadable).collect();
        for (id, action, should_report) in all {
            let incident = Incident { direction: Direction::Downlink, fault, id, action, detail: text.into() };
            self.report(generation, peer, incident, should_report).await;
        }
    }

    /// Reports a message that the mapping cannot read, because it is truncated.
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

    /// Counts and logs that a message did not arrive, and reports it to back ends if `should_report`.
    async fn report(&mut self, generation: &Generation, peer: &Peer, incident: Incident, should_report: bool) {
        self.router.incident(peer, &incident);
        if should_report {
            let Incident { fault, id, action, detail, .. } = incident;
            let report = fault.error(peer.version, detail).into_frame(&id, Some(&action));
            self.publish(self.router.report(generation, peer, &report, Tracing::Off).publications).await;
        }
    }

    async fn publish(&mut self, publications: Vec<Publication>) {
        for mut publication in publications {
            publication.charge(self.memory);
            publish(self.router.publisher.clone(), publication).await;
        }
    }
}

/// Whether the message is for no charge point: an empty payload clears the retained message of a topic (MQTT 3.1.1
/// section 3.3.1.3).
pub fn is_empty_message(message: &Message) -> bool {
    message.payload.is_empty() && message.oversized.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_gateway_core::Version;
    use ocpp_gateway_core::{Attributes, Identity};

    #[test]
    fn undeliverable_answer_is_reported_once_and_an_error_never() {
        let peer = |name: &str| Peer {
            identity: Identity::new(name, 48).expect("an identity"),
            version: Version::V1_6,
            connection: 1,
            attributes: Attributes::new(),
        };
        let mut reported = Reported::default();
        let mut should_report =
            |name: &str, text: &str| reported.should_report(&peer(name), &Frame::parse(text).expect(text));
        assert!(should_report("CP1", r#"[3,"a",{}]"#));
        assert!(!should_report("CP1", r#"[3,"a",{}]"#));
        assert!(should_report("CP2", r#"[3,"a",{}]"#));
        assert!(!should_report("CP1", r#"[4,"b","GenericError","",{}]"#));
        assert!(should_report("CP1", r#"[2,"c","Reset",{}]"#));
        assert!(should_report("CP1", r#"[2,"c","Reset",{}]"#), "a CALL is reported each time");
    }
}
