//! What to load, according to the configuration.

use crate::builtin::{Builtin, STANDARD_NAME};
use crate::compile::digest;
use crate::error::LoadFault;
use crate::matching::Matching;
use crate::samples::Samples;
use crate::settings::{Limits, OnError, OnViolation};
use data_encoding::HEXLOWER;
use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// One `[[transforms]]` of the configuration.
#[derive(Debug, Clone)]
pub struct TransformSpec {
    /// The name for logs and metrics, unique among the transforms.
    pub name: String,
    pub source: Source,
    /// The SHA-256 that the component has to have: 64 hex digits. `None`: any.
    pub sha256: Option<String>,
    /// Which version of its settings and its component this is, for the caller: it comes back with what runs. 0 for
    /// those of the configuration. Versions that differ in nothing else are the same.
    pub revision: u64,
    /// JSON text of an object, handed to the component's `configure`.
    pub config: String,
    /// A file whose text becomes `program` of the configuration, read whenever the transform is loaded.
    pub program: Option<PathBuf>,
    pub on_error: OnError,
    /// How a frame that breaks one of its rules is handled.
    pub on_violation: OnViolation,
    /// Which messages it is for. A mapping is for all of them.
    pub matching: Matching,
    pub limits: Limits,
    /// Its own samples, which it has to pass before it goes live.
    pub samples: Option<Arc<dyn Samples>>,
}

/// The default time limit for one call of any component but `builtin:standard`.
pub(crate) const DEFAULT_TIME: Duration = Duration::from_millis(20);

impl TransformSpec {
    /// The time limit of a call; `None`: calls are not limited.
    pub(crate) fn time_limit(&self) -> Option<Duration> {
        self.limits.time.or(if self.source.is_standard() { None } else { Some(DEFAULT_TIME) })
    }

    /// The default mapping, with its own defaults.
    pub fn standard() -> Self {
        TransformSpec {
            name: STANDARD_NAME.into(),
            source: Source::Builtin(STANDARD_NAME.into()),
            sha256: None,
            revision: 0,
            config: "{}".into(),
            program: None,
            on_error: OnError::default(),
            on_violation: OnViolation::default(),
            matching: Matching::default(),
            limits: Limits::default(),
            samples: None,
        }
    }
}

/// The largest file of a program, in bytes.
const MAX_PROGRAM: u64 = 1 << 20;

impl TransformSpec {
    /// The SHA-256 of the file of the program, if there is one: 64 hex digits.
    pub fn program_sha256(&self) -> Option<String> {
        let program = read_program(self.program.as_deref()?).ok()?;
        Some(HEXLOWER.encode(&digest(program.as_bytes())))
    }

    /// The same with the text of the program in the configuration, and the SHA-256 of that text. `verify`: whether the
    /// program may run.
    pub(crate) fn with_program(
        &self,
        verify: impl FnOnce(&Path, &[u8]) -> Result<(), LoadFault>,
    ) -> Result<(Cow<'_, Self>, Option<String>), LoadFault> {
        let Some(path) = &self.program else { return Ok((Cow::Borrowed(self), None)) };
        let fault = |reason: String| LoadFault::Program { path: path.display().to_string(), reason };
        let program = read_program(path).map_err(|error| fault(error.to_string()))?;
        verify(path, program.as_bytes())?;
        let mut config: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&self.config).map_err(|error| fault(error.to_string()))?;
        let sha256 = HEXLOWER.encode(&digest(program.as_bytes()));
        config.insert("program".into(), program.into());
        let config = serde_json::Value::Object(config).to_string();
        Ok((Cow::Owned(TransformSpec { config, ..self.clone() }), Some(sha256)))
    }
}

fn read_program(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One byte more than allowed shows that there is more.
    File::open(path)?.take(MAX_PROGRAM + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_PROGRAM {
        return Err(io::Error::other(format!("it has more than {MAX_PROGRAM} bytes")));
    }
    Ok(text)
}

/// Where a component comes from; written as `builtin:NAME` or as a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Builtin(String),
    File(PathBuf),
    /// A copy of a component from elsewhere. `origin`: where it is from, for people.
    Copy {
        origin: String,
        path: PathBuf,
    },
    /// The component itself.
    Bytes(Arc<[u8]>),
}

impl Source {
    /// Whether it is the default mapping. Its loops end with their input, so that it needs no time limit.
    pub(crate) fn is_standard(&self) -> bool {
        matches!(self, Source::Builtin(name) if name == STANDARD_NAME)
    }

    /// The component itself.
    pub fn read(&self) -> Result<Cow<'_, [u8]>, LoadFault> {
        match self {
            Source::Builtin(name) => match Builtin::find(name) {
                Some(builtin) => Ok(Cow::Borrowed(builtin.component)),
                None => Err(LoadFault::UnknownBuiltin(name.clone())),
            },
            Source::File(path) | Source::Copy { path, .. } => Ok(Cow::Owned(fs::read(path)?)),
            Source::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
        }
    }

    /// The SHA-256 of the component: 64 hex digits.
    pub fn sha256(&self) -> Result<String, LoadFault> {
        Ok(HEXLOWER.encode(&digest(&self.read()?)))
    }
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
            Source::Copy { origin, .. } => f.write_str(origin),
            Source::Bytes(bytes) => write!(f, "upload of {} bytes", bytes.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_standard_mapping_has_no_default_time_limit() {
        let limit = |source: &str| {
            let source = source.parse().unwrap_or_else(|never: Infallible| match never {});
            TransformSpec { source, ..TransformSpec::standard() }.time_limit()
        };
        assert_eq!(limit("builtin:standard"), None);
        for other in ["builtin:redact", "standard", "standard.wasm"] {
            assert_eq!(limit(other), Some(DEFAULT_TIME), "{other}");
        }
    }
}
