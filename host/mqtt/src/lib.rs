//! MQTT client that loses no messages: a [`Publisher`] and a [`Subscriber`], each with its own connection, and an
//! [`EmbeddedBroker`] for gateways without an external broker.
//!
//! Only this crate knows MQTT's wire format (through rumqttc's codec) and the embedded broker (mqtt5). It knows nothing
//! of OCPP.

mod availability;
mod dialer;
mod embedded;
mod link;
mod memory;
mod message;
mod options;
mod publisher;
mod stats;
mod subscriber;
mod tls;

pub use availability::Availability;
pub use embedded::{BrokerLimits, EmbeddedBroker, EmbeddedBrokerError};
pub use memory::{Acquire, MESSAGE_OVERHEAD, MemoryAccount, MemoryPermit, MemoryPool, POOL_STEP, Reservation};
pub use message::{Message, Observer, Publication, QoS, Tracking, Unpublishable};
pub use options::{BrokerUrl, BrokerUrlError, Credentials, Options, ProtocolVersion, Status, SubscriberLookup};
pub use publisher::{Permit, PublishError, Publisher, Stopped};
pub use stats::{ConnectionStats, ConnectionStatus, Counter, Gauge, Loss, PublisherStats, SubscriberStats};
pub use subscriber::{Recipient, SubscribeError, Subscriber, UnroutedHandler, is_topic_filter, topic_matches};
pub use tls::{TlsError, TlsFiles};
