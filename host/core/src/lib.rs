//! OCPP-J for a gateway: what a charge point and a back end may say to each other, and when.
//!
//! Nothing here opens a socket, reads a clock, spawns a task or runs a component: bytes and instants come in as
//! arguments, decisions come out as values. That makes every rule of the protocol testable without waiting.
//!
//! - [`frame`]: one message, split into its parts and put together again.
//! - [`action`]: the names of what one may ask the other for.
//! - [`call_error`]: which error code answers which fault, in which version.
//! - [`schema`]: what payloads have to look like.
//! - [`session`]: the conversation with one charge point.
//! - [`peer`]: the other end of it, before and after it is let in.
//! - [`identity`], [`version`]: what is agreed on when a charge point connects.
//! - [`claims`]: which of several gateways has a charge point.
//! - [`pace`]: how often something may happen.
//! - [`recent`]: what came lately, to know it when it comes again.
//! - [`publish`]: an MQTT message, as far as a mapping is concerned.

pub mod action;
pub mod call_error;
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
pub use schema::{Payload, Schema, SchemaError, Schemas, TooCostly};
pub use session::{Direction, Session, UnansweredCalls};
pub use version::Version;
