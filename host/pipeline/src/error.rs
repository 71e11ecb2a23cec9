//! Why a transform was not loaded, and why a call of one failed.
//!
//! A refusal by a guest, a fault of a guest and a fault of the host are three types: the first is caused by the
//! message, the second by the transform, the third by the gateway.

use crate::builtin;
use crate::package::IMPORTS;
use ocpp_gateway_core::{CallError, Fault, SchemaError, TooCostly};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A failure in processing a message, or a message dropped or rejected by a transform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformIncident {
    /// The name of the transform in the configuration; `(published schemas)` for faults that these find.
    pub transform: Arc<str>,
    /// The version that the transform reports for itself; for published schemas that of OCPP.
    pub version: Arc<str>,
    pub cause: Cause,
}

impl fmt::Display for TransformIncident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "transform {}: {}", self.transform, self.cause)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The transform has dropped the message, for this reason.
    #[error("dropped: {0}")]
    Dropped(String),
    /// The transform has rejected the message with this error.
    #[error("rejected: {0}")]
    Rejected(String),
    /// The payload or the action of the message is invalid. `rejected`: its sender gets an error; otherwise the message
    /// goes on.
    #[error("breaks a rule: {text}")]
    Invalid { fault: Fault, rejected: bool, text: String },
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The transform refuses the message with this error.
    #[error("refused: {0}")]
    Refused(CallError),
    #[error(transparent)]
    Guest(#[from] GuestFault),
    #[error(transparent)]
    Host(#[from] HostFault),
}

/// A fault of the transform. An instance that did not finish its call is discarded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuestFault {
    #[error("took longer than {limit:?}")]
    Deadline { limit: Duration },
    #[error("wanted {wanted} bytes of memory, where {limit} are allowed")]
    Memory { wanted: usize, limit: usize },
    #[error("ran out of stack")]
    Stack,
    /// Its first line is what the guest has said before it gave up, if it has said something. With a backtrace.
    #[error("trapped: {0}")]
    Trap(String),
    #[error("has a schema that cannot be applied: {0}")]
    Schema(#[from] TooCostly),
    #[error("answered with {0}")]
    Output(#[from] IllegalOutput),
    #[error(
        "fails for most {}: not called for another {remaining:?}",
        if *.for_all { "charge points" } else { "messages of this charge point" }
    )]
    Stopped {
        remaining: Duration,
        /// False: for this charge point only.
        for_all: bool,
    },
}

impl From<IllegalOutput> for Failure {
    fn from(illegal: IllegalOutput) -> Self {
        GuestFault::Output(illegal).into()
    }
}

/// An illegal answer of a transform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IllegalOutput {
    #[error("{count} items, where {limit} are allowed")]
    TooMany { count: usize, limit: usize },
    #[error("{bytes} bytes, where {limit} are allowed")]
    TooLarge { bytes: usize, limit: usize },
    #[error("{count} attributes in one list, where {limit} are allowed")]
    TooManyAttributes { count: usize, limit: usize },
    #[error("a text of {bytes} bytes about itself, where {limit} are allowed")]
    LongText { bytes: usize, limit: usize },
    #[error("an empty topic")]
    EmptyTopic,
    #[error("a topic of {0} bytes, where MQTT allows 65535")]
    LongTopic(usize),
    #[error("{0:?} in a topic")]
    TopicCharacter(char),
    #[error("a topic filter that MQTT does not allow: {0:?}")]
    Filter(String),
    #[error("QoS {0}")]
    QoS(u8),
    #[error("a message id of {0} characters, where 1 to 255 are allowed")]
    MessageId(usize),
    #[error("a CALL or SEND without an action")]
    NoAction,
    #[error("a CALLERROR without an error code")]
    NoErrorCode,
    #[error("a payload that is not a JSON object")]
    Payload,
    #[error("the HTTP status {0}, where 400 to 599 refuse a connection")]
    Status(u16),
}

/// A fault of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostFault {
    #[error("an instance of the transform cannot be made: {0}")]
    Instance(String),
}

/// Why a component was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error("not a valid component: {0}")]
    Invalid(String),
    /// The limit that was exceeded, and how to raise it.
    #[error("takes too much to compile: {0}")]
    Budget(String),
    /// A fault that the component did not cause.
    #[error("could not be compiled: {0}")]
    Io(#[from] io::Error),
}

/// Why a transform cannot go live.
#[derive(Debug, thiserror::Error)]
#[error("transform {transform:?} ({component}): {fault}")]
pub struct LoadError {
    /// Its name in the configuration.
    pub transform: String,
    /// `builtin:NAME`, a path, or `upload of N bytes`.
    pub component: String,
    pub fault: LoadFault,
}

/// The fault of a transform, with what was expected and what was found.
#[derive(Debug, thiserror::Error)]
pub enum LoadFault {
    #[error("the component cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("no ready-made transform has this name; {}", builtin::suggestion(.0))]
    UnknownBuiltin(String),
    #[error("has sha256 {found}, where {wanted} is configured")]
    OtherSha256 { wanted: String, found: String },
    #[error("another transform has this name already")]
    DuplicateName,
    #[error("wanted a WebAssembly component, but the file is not WebAssembly at all")]
    NotWasm,
    #[error("wanted a WebAssembly component, but the file is a core module: encode it as a component first")]
    CoreModule,
    #[error("has {count} functions, where {limit} are allowed (runtime.compile_functions)")]
    TooManyFunctions { count: usize, limit: usize },
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error("built against ocpp-gateway:transform@{built}, while this gateway runs {runs} (any 1.x)")]
    OtherVersion { built: String, runs: &'static str },
    #[error("imports {0}, which is not available to transforms; this gateway offers {IMPORTS}")]
    ForeignImport(String),
    #[error("exports no {wanted}; it exports {offered}")]
    MissingHook { wanted: &'static str, offered: String },
    #[error(
        "has no hook {missing}, which the one that runs has: refused, as messages would be handled differently; \
         allow_fewer_hooks=true allows it for an upload, and removing the file before for a drop-in"
    )]
    FewerHooks { missing: String },
    /// What is wrong with its files.
    #[error("{0}")]
    DropIn(String),
    #[error("was rolled back while this version was being loaded: it is discarded")]
    RolledBackMeanwhile,
    #[error("{hook} has other types than in wit/transform.wit: {reason}")]
    OtherShape { hook: String, reason: String },
    #[error("an instance has {count} {what}, where {limit} are allowed")]
    TooMany { what: &'static str, count: u64, limit: usize },
    #[error("cannot be linked: {0}")]
    Link(String),
    #[error("is a second mapping: {first:?} is one already, and a chain has exactly one")]
    SecondMapping { first: String },
    #[error(
        "on_error = \"bypass\" is not for a mapping, without which messages cannot be forwarded; \
         use \"reject\" or \"drop\""
    )]
    BypassedMapping,
    #[error("a mapping is for every message and cannot have `match`: move it to a transform with other hooks")]
    MatchedMapping,
    #[error("the thread that limits the time of its calls cannot be started: {0}")]
    Ticker(io::Error),
    #[error("{path} may not run: {reason}")]
    Untrusted { path: String, reason: String },
    #[error("its program {path} cannot be used: {reason}")]
    Program { path: String, reason: String },
    #[error("refuses its configuration: {0}")]
    Config(String),
    #[error("cannot start: {0}")]
    Start(Failure),
    #[error("fails on a sample message: {0}")]
    Sample(Failure),
    /// The expected and the actual results.
    #[error("fails on its own samples:\n{0}")]
    OwnSamples(String),
    #[error("fails to list its schemas: {0}")]
    Schemas(Failure),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error("has a schema for {0:?}, which is not a version of OCPP that this gateway supports")]
    SchemaVersion(String),
    #[error("the engine cannot be set up: {0}")]
    Engine(String),
}
