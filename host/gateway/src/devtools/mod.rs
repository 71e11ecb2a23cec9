//! Tools for people who write transforms: `ocpp-gateway transform …`. None of them is needed to run a gateway.

mod args;
mod bench;
mod build;
mod component;
mod crate_name;
mod dev;
mod inspect;
mod new;
mod run;
mod test;
mod verdict;

pub use args::{HookArg, TransformCommand};
pub use run::run;
