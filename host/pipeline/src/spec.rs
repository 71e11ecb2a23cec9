//! What to load, as the configuration says it.

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
