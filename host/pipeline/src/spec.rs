//! What to load, as the configuration says it.

use crate::matching::Matching;
use crate::samples::Samples;
use ocpp_gateway_core::Direction;
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// One `[[transforms]]` of the configuration.
#[derive(Debug, Clone)]
pub struct TransformSpec {
    /// For logs and metrics; different for each transform.
    pub name: String,
    pub source: Source,
    /// JSON text of an object, handed to the component's `configure`.
    pub config: String,
    pub on_error: OnError,
    /// What becomes of a frame that breaks one of its rules.
    pub on_violation: OnViolation,
    /// Which messages it is for. A mapping is for all of them.
    pub matching: Matching,
    pub limits: Limits,
    /// What else it is tried on before it goes live.
    pub samples: Option<Arc<dyn Samples>>,
}

/// For one call of a component from elsewhere.
pub(crate) const TIME: Duration = Duration::from_millis(20);

impl TransformSpec {
    /// How long a call may take; `None`: nobody looks.
    pub(crate) fn time_limit(&self) -> Option<Duration> {
        let ours = matches!(self.source, Source::Builtin(_));
        self.limits.time.or(if ours { None } else { Some(TIME) })
    }

    /// The component that ships with the gateway, with its own defaults.
    pub fn standard() -> Self {
        TransformSpec {
            name: "standard".into(),
            source: Source::Builtin("standard".into()),
            config: "{}".into(),
            on_error: OnError::default(),
            on_violation: OnViolation::default(),
            matching: Matching::default(),
            limits: Limits::default(),
            samples: None,
        }
    }
}

/// Where a component comes from; written as `builtin:NAME` or as a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Builtin(String),
    File(PathBuf),
    /// Handed over as it is.
    Bytes(Arc<[u8]>),
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.strip_prefix("builtin:") {
            Some(name) => Source::Builtin(name.into()),
            None => Source::File(text.into()),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Builtin(name) => write!(f, "builtin:{name}"),
            Source::File(path) => path.display().fmt(f),
            Source::Bytes(bytes) => write!(f, "upload of {} bytes", bytes.len()),
        }
    }
}

/// What becomes of a message when its transform traps, breaks a limit or answers nonsense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// A CALL is answered with an error.
    #[default]
    Reject,
    /// The message goes on as if the transform were not there. Not for a mapping.
    Bypass,
    /// The message ends here, counted.
    Drop,
}

/// What becomes of a frame that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnViolation {
    /// Its sender is told.
    #[default]
    Reject,
    /// It goes on, and the log tells of it.
    Log,
}

/// What becomes of a message whose action no schema names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownActions {
    /// The same as of one that breaks a rule.
    #[default]
    Reject,
    /// It goes on.
    Accept,
}

/// Where frames from a charge point are judged, by published schemas and by rules of transforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValidationPoint {
    /// As the charge point sent them, before any transform sees them.
    Arrival,
    /// As the last `uplink` hook leaves them, before the mapping: what a transform mends is judged mended.
    #[default]
    AfterTransforms,
}

/// Which payloads are held against the schemas that the Open Charge Alliance publishes; by default none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validation {
    /// In force for the rules of transforms too.
    pub at: ValidationPoint,
    pub uplink: bool,
    pub downlink: bool,
    pub on_violation: OnViolation,
    pub unknown_actions: UnknownActions,
}

impl Validation {
    pub(crate) fn covers(self, direction: Direction) -> bool {
        match direction {
            Direction::Uplink => self.uplink,
            Direction::Downlink => self.downlink,
        }
    }
}

/// What one transform may use. Each limit binds on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Per call; making an instance and configuring it may take ten times as long. `None`: 20 ms for a component from
    /// elsewhere. One that ships with the gateway is no more timed than the gateway itself.
    pub time: Option<Duration>,
    /// All memories and tables of one instance, in bytes.
    pub memory: usize,
    /// Messages that one call may answer with.
    pub items: usize,
    /// Bytes that one call may answer with. A call with a large message may answer with twice its size instead, so
    /// that a mapping can always pass on what it was given.
    pub bytes_out: usize,
    /// Log lines per second, over all instances.
    pub log_lines: u32,
    /// Values that the gateway keeps for it.
    pub state_keys: usize,
    /// Bytes of these keys and values together.
    pub state_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            time: None,
            memory: 16 << 20,
            items: 16,
            bytes_out: 256 << 10,
            log_lines: 100,
            state_keys: 10_000,
            state_bytes: 4 << 20,
        }
    }
}
