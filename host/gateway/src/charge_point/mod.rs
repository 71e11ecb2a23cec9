//! The connected charge points: a task for each, which owns its socket and its session, and what others reach it by.
//!
//! - `task`: from the first message of a connection to its end; `connection`: what it consists of; `leave`: its end.
//! - `event`: what can happen to it, one thing at a time; `messages`: those that pass through it.
//! - `mailbox`, `delivery`: what comes for it; `outbox`, `call_retries`: what goes from it to the broker.
//! - `generations`, `hot_swap`: the transforms that its messages take.
//! - `memory`, `message_rate`, `slow_share`: what it may use.
//! - `context`, `registry`: what all of them share.

mod call_retries;
mod client_address;
pub mod coalescing;
mod connection;
mod context;
mod delivery;
mod disconnect_reason;
mod event;
mod generations;
mod hot_swap;
mod leave;
mod mailbox;
mod memory;
mod message_rate;
mod messages;
mod outbox;
mod registry;
mod slow_share;
mod socket;
mod task;

pub use client_address::ClientAddress;
pub use connection::ChargePoint;
pub use context::Context;
pub use delivery::{Delivery, Departure, NotTaken, OperatorCall, Received, Stop, Told};
pub use disconnect_reason::{DisconnectReason, NotSubscribed};
pub use mailbox::{Mailbox, MailboxReceiver, Recipient};
pub use message_rate::{MessageRateLimiter, MessageRates};
pub use registry::{Connected, Entered, NotEntered, Registry};
pub use socket::Socket;
