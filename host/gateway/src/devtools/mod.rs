//! Tools for people who write transforms: `ocpp-gateway transform …`. None of them is needed to run a gateway.

mod args;
mod bench;
mod build;
mod crate_name;
mod desk;
mod dev;
mod hook;
mod inspect;
mod new;
mod run;
mod test;
mod verdict;

pub use args::Command;
pub use hook::Hook;
pub use run::run;
