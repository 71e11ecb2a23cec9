//! Transforms: loading them from the configuration, and replacing them while the gateway runs.
//!
//! - `specs`: from `[[transforms]]` to what the pipeline loads; `load`: to a pipeline; `component_fault`: why not.
//! - `compile_process`: where components are compiled.
//! - `drop_in`: transforms that are files in a directory.
//! - `fetch`: components that are on the web or in a registry.
//! - `swap`: hot swaps, from changed files or a configuration that is read again.
//! - `fixture`: cases that a transform has to pass, from `samples` or those of `transform test`.
//! - `trust`: whether code is signed with a key of `[trust]`.
//! - `long_calls`: long calls, and the threads that they may occupy.

pub mod compile_process;
mod component_fault;
mod drop_in;
mod fetch;
pub(crate) mod fixture;
mod load;
pub(crate) mod long_calls;
mod specs;
mod swap;
mod trust;

pub use component_fault::ComponentFaults;
pub use drop_in::{DropInFault, DropInStatus, DropIns};
pub(crate) use load::{compiled_cache, has_any};
pub use load::{component_versions, load};
pub(crate) use specs::MAX_COMPONENT_SIZE;
pub use swap::HotSwap;
