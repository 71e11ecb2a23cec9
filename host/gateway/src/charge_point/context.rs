//! The shared services of a gateway.

use super::mailbox::Recipient;
use super::message_rate::MessageRates;
use super::registry::Registry;
use crate::cluster::PresenceEvents;
use crate::routing::{MessageRouter, UndeliverableQueue};
use ocpp_gateway_core::session::Settings;
use ocpp_gateway_mqtt::Subscriber;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What every charge point's task shares with the others.
pub struct Context {
    pub router: Arc<MessageRouter>,
    pub registry: Arc<Registry>,
    pub subscriber: Subscriber<Recipient>,
    pub undeliverable: UndeliverableQueue,
    pub message_rates: MessageRates,
    pub presence: PresenceEvents,
    pub session_settings: Arc<Settings>,
    /// How long a CALL that nobody subscribes to is published again.
    pub wait_for_back_end: Duration,
    /// A permit for each charge point that may be served at once of those whose messages take long.
    pub slow_share: Arc<Semaphore>,
}
