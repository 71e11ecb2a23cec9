//! The connected charge points. Each has a task that owns its socket and its session, and a mailbox for everything
//! else.
//!
//! - `task`: the event loop of a connection; `connection`: its state; `leave`: its end.
//! - `event`: the events of the loop; `messages`: uplink and downlink messages.
//! - `mailbox`, `delivery`: what other tasks send to it; `outbox`, `call_retries`: what it sends to the broker.
//! - `generations`, `hot_swap`: the transforms that map its messages.
//! - `memory`, `message_rate`, `call_time`: its limits.
//! - `missing_back_ends`: whose CALLs find no subscriber.
//! - `context`, `registry`: what all charge points share.
//! - `facts`, `faulted`, `activity`, `moment`: what operators see of a charge point.

mod activity;
mod call_retries;
mod call_time;
mod client_address;
pub mod coalescing;
mod connection;
mod context;
mod delivery;
mod disconnect_reason;
mod event;
mod exchanges;
mod facts;
mod faulted;
mod follow_swap;
mod generations;
mod leave;
mod mailbox;
mod message_rate;
mod messages;
mod missing_back_ends;
mod moment;
mod outbox;
mod read_memory;
mod registry;
mod socket;
mod tap;
mod task;

pub use activity::OpenCallCounts;
pub use client_address::{Arrival, ClientAddress};
pub use connection::ChargePoint;
pub use context::Context;
pub use delivery::{Delivery, DeliveryError, Departure, OperatorCall, PublishOutcome, Received, Stop};
pub use disconnect_reason::{DisconnectReason, NotSubscribed};
pub use facts::{Boot, Connector, Disconnect, Facts};
pub use faulted::Faulted;
pub use mailbox::{Mailbox, MailboxReceiver, Recipient};
pub use message_rate::{MessageRateLimiter, MessageRates};
pub use missing_back_ends::{MissingBackEnds, UnservedCalls};
pub use moment::{Moment, WallClock};
pub use registry::{Away, Connected, Registered, Registry, RegistryRefusal};
pub use socket::Socket;
