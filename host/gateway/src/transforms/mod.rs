//! Transforms: loading them from the configuration, and replacing them while the gateway runs.
//!
//! - `load`: from `[[transforms]]` to a pipeline; `compile_process`: where components are compiled.
//! - `swap`: hot swaps, from changed files or a configuration that is read again.
//! - `fixture`: cases that a transform has to pass, from `samples` or those of `transform test`.
//! - `long_calls`: long calls, and the threads that they may occupy.

pub mod compile_process;
pub(crate) mod fixture;
mod load;
pub(crate) mod long_calls;
mod swap;

pub(crate) use load::compiled_cache;
pub use load::{ComponentFaults, component_versions, load, specs, validation};
pub use swap::HotSwap;
