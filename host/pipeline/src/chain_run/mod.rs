//! One message on its way through a chain: `uplink` and `downlink` are the two ways.

mod downlink;
mod run;
mod uplink;
mod validation;

pub(crate) use run::ChainRun;
pub use run::{Answer, NotMapped};
