//! Who takes messages in, and what they are told.

use crate::message::Message;

/// Takes messages in. Called on the connection's own task, so it must return at once: put the message into a mailbox and
/// deal there with its being full. Of a message that is [`oversized`](Message::oversized) it gets the beginning, to tell whose
/// it was.
pub trait Recipient: Clone + Send + Sync + 'static {
    /// Takes the message, or gives it back: whoever it was for has gone.
    fn deliver(&self, message: Message) -> Result<(), Message>;

    /// None of those who subscribed to its topic takes this message any more; this is one of them.
    fn return_undeliverable(&self, message: Message);

    /// The broker has refused a subscription that it had granted before the latest reconnect: nothing comes on it any more. It
    /// is asked for again after the next reconnect, or when somebody else wants it.
    fn refused(&self, error: SubscribeError);
}

/// What becomes of a message on a topic that nobody subscribes to, or of its beginning. Must return at once.
pub type UnroutedHandler = Box<dyn FnMut(Message) + Send>;

/// Why an owner does not have the subscriptions it asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    #[error("`{0}` is not a topic filter")]
    BadFilter(String),
    #[error("the broker refuses the subscription to `{filter}`: {reason}")]
    Refused { filter: String, reason: String },
    #[error("nobody subscribes under this key")]
    UnknownOwner,
    #[error("a later request took the place of this one")]
    Superseded,
    #[error("the subscriber has stopped")]
    Stopped,
}
