//! What comes for a charge point: MQTT messages, CALLs of operators, the wish to stop.

use ocpp_gateway_core::session::{OpenCalls, OperatorCallOutcome};
use ocpp_gateway_mqtt::{Message, Publication, SubscribeError};
use std::time::Instant;
use tokio::sync::oneshot;

/// What is put into a mailbox.
pub enum Delivery {
    /// A message from the broker, and when it came.
    Message(Message, Instant),
    OperatorCall(OperatorCall),
    /// Somebody wants to know what is open.
    GetOpenCalls(oneshot::Sender<OpenCalls>),
}

/// A CALL of the gateway's own, on behalf of an operator.
#[derive(Debug)]
pub struct OperatorCall {
    /// Starts with [`ocpp_gateway_core::session::OPERATOR_ID_PREFIX`]; used once.
    pub id: String,
    pub action: String,
    /// JSON text of an object.
    pub payload: String,
    pub answer: oneshot::Sender<OperatorCallOutcome>,
}

/// Why a delivery was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    Full,
    /// Messages that wait, for this charge point or for all, take as much memory as they may.
    NoMemory,
    /// The charge point has just gone.
    Gone,
}

/// Why a connection is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The same charge point connected again.
    Replaced,
    /// It connected to another gateway.
    TakenOver,
    /// An operator wants it to end.
    Kicked,
    /// The broker does not let it have its topics any more. In a box: it is rare, and larger than the others.
    NotSubscribed(Box<SubscribeError>),
    /// The broker has been away for too long.
    BrokerAway,
    /// The gateway stops: when nothing waits for an answer any more, at the latest at this instant.
    Shutdown { by: Instant },
}

/// How far a connection has come on its way out.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Departure {
    #[default]
    Connected,
    /// Watchers, transforms and back ends have been told, though messages to the latter may still wait to be published.
    Announced,
    /// Its last message is with the publisher.
    Complete,
}

/// What is found in a mailbox.
pub enum Received {
    Stop(Stop),
    /// What the broker says of CALLs of the charge point.
    Told(Vec<Told>),
    Delivery(Delivery),
}

/// What the broker says of the publication that a CALL of the charge point has become.
pub enum Told {
    /// Nobody subscribes to its topic.
    NoSubscriber(Publication),
    /// Somebody does, for the CALL of this number.
    Delivered(u32),
}

/// Who waits for the answers to CALLs of operators. No more than the session's queue holds; most charge points are never
/// asked.
#[derive(Default)]
pub(super) struct PendingCalls(Vec<(String, oneshot::Sender<OperatorCallOutcome>)>);

impl PendingCalls {
    pub(super) fn add(&mut self, OperatorCall { id, answer, .. }: OperatorCall) {
        self.0.push((id, answer));
    }

    /// Hands over what has become of the CALL `id`.
    pub(super) fn answer(&mut self, id: &str, answer: OperatorCallOutcome) {
        if let Some(place) = self.0.iter().position(|(asked, _)| asked == id) {
            // Whoever asked may have given up.
            let _ = self.0.swap_remove(place).1.send(answer);
        }
    }
}
