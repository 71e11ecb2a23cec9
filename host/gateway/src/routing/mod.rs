//! Processing of messages between charge points and the broker, independent of their connections.

mod echoes;
mod memory;
mod message_id;
mod router;
mod undeliverable;

pub use echoes::Echoes;
pub use memory::QueueMemory;
pub use router::{Downlinked, ExpectedPeer, MessageRouter, REPORT, Uplinked, publish};
pub use undeliverable::{UndeliverableQueue, UndeliverableWorker, is_empty_message};
