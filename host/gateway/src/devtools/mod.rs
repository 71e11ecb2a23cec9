//! Tools for authors of transforms: `ocpp-gateway transform …`. A running gateway needs none of them.

mod args;
mod bench;
mod build;
mod component;
mod crate_name;
mod dev;
mod inspect;
mod list;
mod new;
mod run;
mod test;
mod verdict;

pub use args::{HookArg, TransformCommand};
pub use run::run;
