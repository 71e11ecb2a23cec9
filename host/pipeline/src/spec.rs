//! What to load, according to the configuration.

use crate::matching::Matching;
use crate::samples::Samples;
use crate::settings::{Limits, OnError, OnViolation};
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// One `[[transforms]]` of the configuration.
#[derive(Debug, Clone)]
pub struct TransformSpec {
    /// The name for logs and metrics, unique among the transforms.
    pub name: String,
    pub source: Source,
    /// JSON text of an object, handed to the component's `configure`.
    pub config: String,
    pub on_error: OnError,
    /// How a frame that breaks one of its rules is handled.
    pub on_violation: OnViolation,
    /// Which messages it is for. A mapping is for all of them.
    pub matching: Matching,
    pub limits: Limits,
    /// Its own samples, which it has to pass before it goes live.
    pub samples: Option<Arc<dyn Samples>>,
}

/// The default time limit for one call of a component that does not ship with the gateway.
pub(crate) const DEFAULT_TIME: Duration = Duration::from_millis(20);

impl TransformSpec {
    /// The time limit of a call; `None`: there is none.
    pub(crate) fn time_limit(&self) -> Option<Duration> {
        let is_builtin = matches!(self.source, Source::Builtin(_));
        self.limits.time.or(if is_builtin { None } else { Some(DEFAULT_TIME) })
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
    /// The component itself.
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
