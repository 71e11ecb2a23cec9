//! Runs transforms: WebAssembly components that map messages between charge points and MQTT.
//!
//! This is the only crate that uses wasmtime; towards the gateway it uses the types of `ocpp-gateway-core`. A component
//! is inspected, linked, configured and tried once, when it is loaded, and every reason to refuse it is a
//! [`LoadError`]. After that each thread that calls a [`Pipeline`] keeps an instance, and a call is an ordinary
//! function call.
//!
//! The modules in layers; none uses a module of a later line:
//!
//! - `package`, `builtin`, `settings`, `error`, `clock`, `matching`: names, ready-made components, limits, errors.
//! - `caller`, `subject`, `message`, `actions`: the subject of a call, and its answer; `abi`, `output`, `attributes`:
//!   conversion into and out of a component, and the checks of its answers; `hook`: the exported functions with their
//!   types.
//! - `runtime`, `compile`, `load_options`: the engine, and compilation to machine code.
//! - `guest_log`, `console`, `last_error`, `state`, `custom_metrics`, `guest`, `wasi`: the imports of a component;
//!   `stats`, `swap_report`: call counts, and reports of hot swaps.
//! - `trial`: the charge points that take part in a trial, and the figures of their CALLs.
//! - `instance`, `trap`, `breaker`, `transform`: one instance, and calls of the instance of a thread.
//! - `trace`, `shadow`: what stages made of a message; calls that a candidate repeats without any effect.
//! - `chain`, `chain_run`: the transforms in order, and one message passing through them.
//! - `harness`: one transform alone, hook by hook; `samples`, `spec`, `inspect`, `load`: from the configuration to
//!   loaded transforms.
//! - `pipeline`: all of it together, hot swaps and trials.

#![deny(unsafe_code)] // Exceptions: `compile` loads machine code, and `abi` implements unsafe traits.

mod abi;
mod actions;
mod attributes;
mod breaker;
mod builtin;
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
mod last_error;
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
mod shadow;
mod spec;
mod state;
mod stats;
mod subject;
mod swap_report;
mod trace;
mod transform;
mod trap;
mod trial;
mod wasi;

pub use actions::{FrameAction, PublishAction, SchemaRule};
pub use builtin::{BUILTINS, Builtin, STANDARD};
pub use chain::Generation;
pub use chain_run::{Answer, NotMapped};
pub use clock::{Clock, SetClock};
pub use compile::{Compile, compile_component};
pub use custom_metrics::Reading;
pub use error::{
    Cause, CompileError, Failure, GuestFault, HostFault, IllegalOutput, LoadError, LoadFault, TransformIncident,
};
pub use guest_log::{LogFields, TracedLine};
pub use harness::{Hooks, TransformHarness};
pub use inspect::Inspection;
pub use load_options::{LoadOptions, LongCalls, MAX_FUNCTIONS, Verify};
pub use matching::{Glob, Matching};
pub use message::Message;
pub use pipeline::{
    CallCounts, DownlinkOutcome, DropIn, Edit, MAX_RUNNING_TRIALS, MappedTopics, Pipeline, RollbackMark, Tracing,
    TrialEnd, TrialEnding, TrialError, TrialMode, TrialRequest, TrialStatus, TryChain, TryOutcome, UplinkOutcome,
};
pub use samples::{Samples, TrialTransform};
pub use settings::{Limits, OnError, OnViolation, UnknownActions, Validation, ValidationPoint};
pub use shadow::{Shadow, ShadowAnswer, ShadowCall, ShadowInput};
pub use spec::{Source, TransformSpec};
pub use stats::TransformStatus;
pub use swap_report::{
    Change, FewerHooks, SwapError, SwapOutcome, SwapReport, Swapped, SwappedAll, TransformChange, TransformFault,
    TransformVersion, short_hashes, short_sha256,
};
pub use trace::{TraceStep, TracedAction, TracedMessage};
pub use trial::{GroupFigures, Membership, Selection, TrialGroup};
