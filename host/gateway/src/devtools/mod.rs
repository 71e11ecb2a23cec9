//! Tools for authors of transforms: `ocpp-gateway transform …`. A running gateway needs none of them.

mod args;
mod bench;
mod build;
mod candidate;
mod component;
mod dev;
mod hook;
mod inspect;
mod language;
mod list;
mod new;
mod replay;
mod run;
mod test;
mod verdict;

pub use args::TransformCommand;
pub use run::run;
