//! Tools for people who write transforms: `ocpp-gateway transform …`. None of them is needed to run a gateway.

mod args;
mod bench;
mod build;
mod crate_name;
mod desk;
mod dev;
mod inspect;
mod new;
mod run;
mod test;
mod verdict;

pub use args::{Command, Hook};
pub use run::run;
