//! Runs transforms: WebAssembly components that map messages between charge points and MQTT.
//!
//! This is the only crate that knows wasmtime; it speaks to the gateway in terms of `ocpp-gateway-core`. A component is
//! inspected, linked, configured and tried once, when it is loaded, and every reason not to use it is a [`LoadError`].
//! After that each thread that calls a [`Pipeline`] keeps a warm instance, and a call is an ordinary function call.
//!
//! From what anything may use to what uses all of it; no module uses one of a later line:
//!
//! - `package`, `settings`, `error`, `clock`, `matching`: names, limits, what can go wrong.
//! - `caller`, `subject`, `message`, `actions`: what a call is about, and what is answered; `abi`, `output`, `attributes`: how
//!   that crosses the border, and the check of what comes back; `hook`: the functions with their types.
//! - `runtime`, `compile`, `options`: the engine, and from bytes to machine code.
//! - `guest_log`, `console`, `state`, `custom_metrics`, `guest`, `wasi`: what a component may call; `stats`, `swap_report`: what is counted,
//!   and what a hot swap has changed.
//! - `instance`, `trap`, `breaker`, `transform`: one instance, and a call in that of the thread.
//! - `chain`, `chain_run`: the way of one message through all transforms.
//! - `harness`: one transform alone, hook by hook; `samples`, `spec`, `inspect`, `load`: from the configuration to what may go live.
//! - `pipeline`: all of it together, and hot swaps to something newer.

#![deny(unsafe_code)] // But for `compile`, which loads machine code, and the traits of `abi` that are unsafe.

mod abi;
mod actions;
mod attributes;
mod breaker;
mod caller;
mod chain;
mod chain_run;
mod clock;
mod compile;
mod console;
mod custom_metrics;
mod error;
mod guest;
mod guest_log;
mod harness;
mod hook;
mod inspect;
mod instance;
mod load;
mod load_options;
mod matching;
mod message;
mod output;
mod package;
mod pipeline;
mod runtime;
mod samples;
mod settings;
mod spec;
mod state;
mod stats;
mod subject;
mod swap_report;
mod transform;
mod trap;
mod wasi;

pub use actions::{FrameAction, PublishAction, SchemaRule};
pub use chain::Generation;
pub use chain_run::{Answer, NotMapped};
pub use clock::Clock;
pub use compile::{Compile, compile_component};
pub use custom_metrics::Reading;
pub use error::{
    Cause, CompileError, Failure, GuestFault, HostFault, IllegalOutput, LoadError, LoadFault, TransformIncident,
};
pub use guest_log::LogFields;
pub use harness::{Hooks, TransformHarness};
pub use inspect::Inspection;
pub use load::STANDARD;
pub use load_options::{LoadOptions, LongCalls, MAX_FUNCTIONS};
pub use matching::Matching;
pub use message::Message;
pub use pipeline::{DownlinkOutcome, MappedTopics, Pipeline, UplinkOutcome};
pub use samples::{Samples, TrialTransform};
pub use settings::{Limits, OnError, OnViolation, UnknownActions, Validation, ValidationPoint};
pub use spec::{Source, TransformSpec};
pub use stats::TransformStatus;
pub use swap_report::{
    Change, FewerHooks, SwapError, SwapOutcome, SwapReport, Swapped, TransformChange, TransformFault, TransformVersion,
};
