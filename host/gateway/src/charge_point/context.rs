//! The shared services of a gateway.

use super::mailbox::Recipient;
use super::message_rate::MessageRates;
use super::missing_back_ends::MissingBackEnds;
use super::registry::Registry;
use crate::cluster::ConnectionEvents;
use crate::routing::{MessageRouter, UndeliverableQueue};
use ocpp_gateway_core::session::Settings;
use ocpp_gateway_mqtt::Subscriber;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What the tasks of all charge points share.
pub struct Context {
    pub router: Arc<MessageRouter>,
    pub registry: Arc<Registry>,
    pub subscriber: Subscriber<Recipient>,
    pub undeliverable: UndeliverableQueue,
    pub message_rates: MessageRates,
    pub presence: ConnectionEvents,
    pub session_settings: Arc<Settings>,
    pub missing_back_ends: MissingBackEnds,
    /// How long a CALL without a subscriber is published again.
    pub wait_for_back_end: Duration,
    /// One permit for each message of slow charge points that may be handled at a time.
    pub slow_permits: Arc<Semaphore>,
}
