//! Runs transforms: WebAssembly components that map messages between charge points and MQTT.
//!
//! This is the only crate that knows wasmtime; it speaks to the gateway in terms of `ocpp-gateway-core`. A component is
//! inspected, linked, configured and tried once, when it is loaded, and every reason not to use it is a [`LoadError`].
//! After that each thread that calls a [`Pipeline`] keeps a warm instance, and a call is an ordinary function call.
//!
//! - `load`, `inspect`: from bytes to something that may go live.
//! - `runtime`, `instance`, `warm`: the engine, one instance, and one for each thread.
//! - `abi`, `guest`, `guest_log`: what crosses the border, and what a component may call.
//! - `transform`, `pipeline`, `output`: a call, and the check of what comes back.
//! - `error`, `spec`, `stats`: what can go wrong, what is asked for, what is counted.

mod abi;
mod error;
mod guest;
mod guest_log;
mod inspect;
mod instance;
mod load;
mod output;
mod pipeline;
mod runtime;
mod spec;
mod stats;
mod transform;
mod warm;

pub use error::{Failure, GuestFault, HostFault, IllegalOutput, LoadError, LoadFault, Refusal};
pub use pipeline::{Message, Pipeline};
pub use spec::{Limits, OnError, Source, TransformSpec};
pub use stats::TransformStatus;

/// The component that does the standard mapping, built from `transforms/standard`: `builtin:standard`.
pub const STANDARD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/standard.wasm"));
