//! What happens to a message between a charge point and the broker, without either end.

mod echoes;
mod memory;
mod message_id;
mod router;
mod undeliverable;

pub use echoes::Echoes;
pub use memory::QueueMemory;
pub use router::{Downlinked, MessageRouter, REPORT, Uplinked, publish};
pub use undeliverable::{UndeliverableQueue, UndeliverableWorker, says_nothing};
