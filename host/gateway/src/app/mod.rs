//! The whole gateway: started, run, stopped.

mod broker;
mod drain;
mod error;
pub mod files;
mod gateway;
mod outage;

pub use broker::{Broker, ListenAddresses};
pub use error::{RunError, StartError};
pub use gateway::Gateway;
