//! One message passing a chain: `uplink` and `downlink` are its two directions.

mod about;
mod downlink;
mod run;
mod uplink;
mod validation;

pub(crate) use run::ChainRun;
pub use run::{Answer, NotMapped};
pub(crate) use uplink::ConnectionEvent;
