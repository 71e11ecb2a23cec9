//! Transforms: loading them from the configuration, and replacing them while the gateway runs.
//!
//! - `load`: from `[[transforms]]` to a pipeline; `compile_process`: where components are compiled.
//! - `drop_in`: transforms that are files in a directory.
//! - `swap`: hot swaps, from changed files or a configuration that is read again.
//! - `fixture`: cases that a transform has to pass, from `samples` or those of `transform test`.
//! - `long_calls`: long calls, and the threads that they may occupy.

pub mod compile_process;
mod drop_in;
pub(crate) mod fixture;
mod load;
pub(crate) mod long_calls;
mod swap;

pub use drop_in::{DropInFault, DropInStatus, DropIns};
pub(crate) use load::compiled_cache;
pub use load::{ComponentFaults, component_versions, load, specs, validation};
pub use swap::HotSwap;

/// The largest component that is accepted over the API and from the drop-in directory, in bytes. Components from
/// JavaScript and Python have 12 to 19 MB.
pub(crate) const MAX_COMPONENT_SIZE: usize = 64 << 20;
