//! JSON Schemas for payloads, and the error code that says what is wrong with one.
//!
//! - [`Schema`]: what the Open Charge Alliance has published for a message, errata included.
//! - [`Schemas`]: what somebody else has to say besides, or instead.
//! - [`Payload`]: what they are held against.

mod cost;
mod description;
mod errata;
mod payload;
mod published;
mod rules;

pub use cost::TooCostly;
pub use payload::Payload;
pub use published::Schema;
pub use rules::{SchemaError, Schemas};
