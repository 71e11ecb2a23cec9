//! Recipients of messages, and the errors reported to them.

use crate::message::Message;

/// Receives messages. Called on the connection's own task, so it must return at once: put the message into a mailbox,
/// and handle a full mailbox there. Of a message that is [`oversized`](Message::oversized) it gets the beginning, which
/// identifies the message.
pub trait Recipient: Clone + Send + Sync + 'static {
    /// Accepts the message, or returns it because its recipient is gone.
    fn deliver(&self, message: Message) -> Result<(), Message>;

    /// Reports a message that every subscriber of the topic has returned. Called on one of them.
    fn return_undeliverable(&self, message: Message);

    /// The broker has refused a subscription that it had granted before the latest reconnect: no messages arrive on it
    /// any more. It is requested again after the next reconnect, or when another owner wants it.
    fn refused(&self, error: SubscribeError);
}

/// Handles a message, or the beginning of one, on a topic that no owner subscribes to. Must return at once.
pub type UnroutedHandler = Box<dyn FnMut(Message) + Send>;

/// Why an owner does not have the subscriptions that it requested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    #[error("`{0}` is not a topic filter")]
    BadFilter(String),
    #[error("the broker refuses the subscription to `{filter}`: {reason}")]
    Refused { filter: String, reason: String },
    #[error("no owner with this key")]
    UnknownOwner,
    #[error("a later request replaced this one")]
    Superseded,
    #[error("the subscriber has stopped")]
    Stopped,
}
