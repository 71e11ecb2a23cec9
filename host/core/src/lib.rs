//! OCPP-J for a gateway: frames, payload schemas, and the session with one charge point.
//!
//! The crate opens no socket, reads no clock, spawns no task and runs no component. Bytes and instants come in as
//! arguments, decisions come out as values, so every protocol rule can be tested without waiting.
//!
//! - [`frame`]: one message, split into its parts and encoded.
//! - [`action`]: the names of the OCPP actions.
//! - [`call_error`]: the error code of each fault, per version.
//! - [`schema`]: JSON Schemas for payloads.
//! - [`session`]: the conversation with one charge point.
//! - [`peer`]: a charge point, before and after it is accepted.
//! - [`identity`], [`version`]: what the handshake determines.
//! - [`characters`]: characters that must not reach a terminal or a page.
//! - [`claims`]: which of several gateways holds a charge point.
//! - [`rate`]: rate limits.
//! - [`recent`]: recent message ids, to recognise repeats.
//! - [`publish`]: an MQTT message, as transforms see it.

pub mod action;
pub mod call_error;
pub mod characters;
pub mod claims;
pub mod frame;
pub mod identity;
pub mod peer;
pub mod publish;
pub mod rate;
pub mod recent;
pub mod schema;
pub mod session;
pub mod version;

pub use action::Action;
pub use call_error::{CallError, Fault, Violation};
pub use frame::{ErrorHead, Frame, MessageType};
pub use identity::Identity;
pub use peer::{Decision, Offer, Peer};
pub use publish::{Attributes, Publish, QoS, TopicFilter};
pub use schema::{Payload, Schema, SchemaError, Schemas, Senders, TooCostly};
pub use session::{Direction, Session, UnansweredCalls};
pub use version::Version;
