//! What a charge point's task receives: MQTT messages, CALLs of operators, results of publications, requests to stop.

use ocpp_gateway_core::session::{OpenCalls, OperatorCallOutcome};
use ocpp_gateway_mqtt::{Message, Publication, SubscribeError};
use std::time::Instant;
use tokio::sync::oneshot;

/// A queued entry of a mailbox.
pub enum Delivery {
    /// A message from the broker, and when it arrived.
    Message(Message, Instant),
    OperatorCall(OperatorCall),
    /// Asks for the open CALLs.
    GetOpenCalls(oneshot::Sender<OpenCalls>),
}

/// A CALL that the gateway sends on behalf of an operator.
#[derive(Debug)]
pub struct OperatorCall {
    /// Starts with [`ocpp_gateway_core::session::OPERATOR_ID_PREFIX`]; used once.
    pub id: String,
    pub action: String,
    /// JSON text of an object.
    pub payload: String,
    pub answer: oneshot::Sender<OperatorCallOutcome>,
}

/// Why a mailbox refused a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryError {
    Full,
    /// The memory for queued messages, of this charge point or of all, is used up.
    NoMemory,
    /// The charge point has disconnected.
    Gone,
}

/// Why a task has to end its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The same charge point connected again.
    Replaced,
    /// It connected to another gateway.
    TakenOver,
    /// An operator ended the connection.
    Kicked,
    /// The configuration no longer has the listener that it is connected to.
    ListenerRemoved,
    /// The broker refused the subscription to its topics. Boxed: rare, and larger than the other variants.
    NotSubscribed(Box<SubscribeError>),
    /// The broker has been away for too long.
    BrokerAway,
    /// The gateway stops: the connection ends when no CALL is open, at the latest at this instant.
    Shutdown { by: Instant },
}

/// The progress of a disconnect.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Departure {
    #[default]
    Connected,
    /// Event watchers, transforms and back ends are notified. Messages to back ends may still wait to be published.
    Announced,
    /// The publisher has the last message.
    Complete,
}

/// What a charge point's task takes from its mailbox.
pub enum Received {
    Stop(Stop),
    /// Results of publications of CALLs of the charge point.
    PublishOutcomes(Vec<PublishOutcome>),
    Delivery(Delivery),
}

/// What the broker answered to the publication of a CALL of the charge point.
pub enum PublishOutcome {
    /// The topic has no subscriber.
    NoSubscriber(Publication),
    /// The topic of the CALL with this number has a subscriber.
    Delivered(u32),
}

/// CALLs of operators that are not answered yet. There are at most as many as the session's queue holds, and usually
/// none.
#[derive(Default)]
pub(super) struct PendingCalls(Vec<(String, oneshot::Sender<OperatorCallOutcome>)>);

impl PendingCalls {
    pub(super) fn add(&mut self, OperatorCall { id, answer, .. }: OperatorCall) {
        self.0.push((id, answer));
    }

    /// Sends the outcome of the CALL `id` to the operator.
    pub(super) fn answer(&mut self, id: &str, answer: OperatorCallOutcome) {
        if let Some(index) = self.0.iter().position(|(pending, _)| pending == id) {
            // The operator's request may be over.
            let _ = self.0.swap_remove(index).1.send(answer);
        }
    }
}
