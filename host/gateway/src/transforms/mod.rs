//! Transforms: from the configuration to a chain that runs, and others in their place while it does.
//!
//! - `load`: from `[[transforms]]` to a pipeline; `compile_process`: where components are compiled.
//! - `swap`: from changed files, and from a configuration that is read anew.
//! - `fixture`: cases that a transform has to pass, from `samples` or those of `transform test`.
//! - `long_calls`: what calls that take long may do to the threads that serve.

pub mod compile_process;
pub(crate) mod fixture;
mod load;
pub(crate) mod long_calls;
mod swap;

pub(crate) use load::compiled_cache;
pub use load::{ComponentFaults, load, specs, validation};
pub use swap::HotSwap;
