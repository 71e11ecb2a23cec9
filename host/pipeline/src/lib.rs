//! Runs transforms: WebAssembly components that map messages between charge points and MQTT.
//!
//! This is the only crate that knows wasmtime; it speaks to the gateway in terms of `ocpp-gateway-core`. A component is
//! inspected, linked, configured and tried once, when it is loaded, and every reason not to use it is a [`LoadError`].
//! After that each thread that calls a [`Pipeline`] keeps a warm instance, and a call is an ordinary function call.
//!
//! - `load`, `inspect`, `compile`, `samples`: from bytes to something that may go live.
//! - `runtime`, `instance`, `warm`: the engine, one instance, and one for each thread.
//! - `hook`, `abi`: what crosses the border, and how.
//! - `guest`, `guest_log`, `state`, `meters`, `clock`, `wasi`: what a component may call.
//! - `transform`, `breaker`, `output`, `attributes`, `trap`: a call, the check of what comes back, and why nothing did.
//! - `matching`, `chain`, `walk`: the way of one message through all of them.
//! - `pipeline`: all of it together, and hot swaps to something newer.
//! - `probe`: one transform alone, hook by hook, for its developer.
//! - `error`, `spec`, `surroundings`, `stats`: what can go wrong, what is asked for, what is counted.

#![deny(unsafe_code)] // But for `compile`, which loads machine code.

mod abi;
mod attributes;
mod breaker;
mod chain;
mod clock;
mod compile;
mod error;
mod guest;
mod guest_log;
mod hook;
mod inspect;
mod instance;
mod load;
mod matching;
mod meters;
mod output;
mod pipeline;
mod probe;
mod runtime;
mod samples;
mod spec;
mod state;
mod stats;
mod surroundings;
mod swap_report;
mod transform;
mod trap;
mod walk;
mod warm;
mod wasi;

pub use chain::Generation;
pub use clock::Clock;
pub use compile::{Compile, CompileError, compile_component};
pub use error::{Cause, Failure, GuestFault, HostFault, IllegalOutput, LoadError, LoadFault, Mishap, Refusal};
pub use guest_log::LogFields;
pub use matching::Matching;
pub use meters::Reading;
pub use output::{FrameAction, PublishAction};
pub use pipeline::{Downlink, ExchangeError, ExchangeOutcome, Message, Pipeline, Uplink};
pub use probe::{Hooks, Inspection, Probe, SchemaRule};
pub use samples::{Candidate, Samples};
pub use spec::{Limits, OnError, OnViolation, Source, TransformSpec, UnknownActions, Validation, ValidationPoint};
pub use stats::TransformStatus;
pub use surroundings::{LongCalls, MAX_FUNCTIONS, Surroundings};
pub use swap_report::{Change, Exchanged, FewerHooks, SwapReport, TransformChange, TransformFault, TransformVersion};
pub use walk::{Answer, NotMapped};

/// The component that does the standard mapping, built from `transforms/standard`: `builtin:standard`.
pub const STANDARD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/standard.wasm"));
