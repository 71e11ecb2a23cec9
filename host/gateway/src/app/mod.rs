//! Starts, runs and stops the whole gateway.

mod broker;
mod drain;
mod error;
pub mod files;
mod gateway;
mod outage;
mod reload;

pub use broker::{Broker, ListenAddresses};
pub use error::{RunError, StartError};
pub use gateway::Gateway;
