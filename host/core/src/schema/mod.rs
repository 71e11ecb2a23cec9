//! JSON Schemas for payloads, and the error codes of violations.
//!
//! - [`Schema`]: the schema that the Open Charge Alliance has published for a message, with its errata.
//! - [`Schemas`]: the schemas of a transform, which add to the published ones or replace them.
//! - [`Senders`]: which side sends an action.
//! - [`Payload`]: a payload to validate.

mod cost;
mod description;
mod errata;
mod payload;
mod published;
mod rules;
mod senders;

pub use cost::TooCostly;
pub use payload::Payload;
pub use published::Schema;
pub use rules::{SchemaError, Schemas};
pub use senders::Senders;
