//! What the `transform` commands share: their limits, and loading a component.

use super::verdict::BadConfiguration;
use crate::config::{self, Bytes};
use crate::transforms;
use anyhow::{Context as _, anyhow};
use ocpp_gateway_pipeline::{Inspection, Limits, LoadError, LoadOptions, Source, TransformHarness, TransformSpec};
use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use tempfile::TempDir;

/// The memory limit, enough for a component with a JavaScript engine.
pub(super) const MEMORY: Bytes = Bytes::mebibytes(256);
/// The time limit of a call. It is generous, so that no case fails on a slow machine.
const TIME: Duration = Duration::from_secs(1);

/// A transform that a command is to run.
#[derive(Debug, Clone)]
pub enum TransformArg {
    Component(Source),
    /// A program for `builtin:jq`.
    JqProgram(PathBuf),
}

impl FromStr for TransformArg {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.parse()? {
            Source::File(path) => TransformArg::of(path),
            source => TransformArg::Component(source),
        })
    }
}

impl fmt::Display for TransformArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransformArg::Component(source) => source.fmt(f),
            TransformArg::JqProgram(path) => path.display().fmt(f),
        }
    }
}

impl TransformArg {
    pub(super) fn of(file: PathBuf) -> Self {
        match file.extension() {
            Some(extension) if extension == "jq" => TransformArg::JqProgram(file),
            _ => TransformArg::Component(Source::File(file)),
        }
    }

    /// Its file, if it has one.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            TransformArg::Component(Source::File(path)) | TransformArg::JqProgram(path) => Some(path),
            TransformArg::Component(_) => None,
        }
    }

    /// With the limits of `transform` commands. `config`: JSON text of an object.
    pub(super) fn spec(&self, config: String, memory: Bytes) -> TransformSpec {
        let name = match self.file() {
            Some(file) => file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            None => self.to_string(),
        };
        let (source, program) = match self {
            TransformArg::Component(source) => (source.clone(), None),
            TransformArg::JqProgram(path) => {
                (config::JQ.parse().unwrap_or_else(|never| match never {}), Some(path.clone()))
            }
        };
        let limits = Limits { time: Some(TIME), memory: memory.get(), ..Limits::default() };
        TransformSpec { name, source, program, config, limits, ..TransformSpec::standard() }
    }

    /// The content of its file, or of the component in this program.
    pub(super) fn read(&self) -> anyhow::Result<Cow<'_, [u8]>> {
        match self {
            TransformArg::Component(source) => source.read().with_context(|| source.to_string()),
            TransformArg::JqProgram(path) => Ok(fs::read(path).with_context(|| path.display().to_string())?.into()),
        }
    }

    /// The names of the hooks that it has. The error of a program that does not compile says where it does not.
    pub(super) fn hooks(&self, options: LoadOptions) -> anyhow::Result<Vec<String>> {
        if let Some(harness) = self.load_program(options.clone())? {
            return Ok(harness.hooks().into_iter().map(str::to_owned).collect());
        }
        Ok(hooks(&Inspection::of(&self.read()?, &options)).into_iter().map(str::to_owned).collect())
    }

    /// A program, loaded; `None` for a component.
    pub(super) fn load_program(&self, options: LoadOptions) -> anyhow::Result<Option<TransformHarness>> {
        let TransformArg::JqProgram(_) = self else { return Ok(None) };
        let loaded = load(&self.spec("{}".into(), MEMORY), options);
        // The place in the program follows, which says more.
        let place = |fault: String| match fault.strip_prefix("refuses its configuration: program: ") {
            Some(place) => anyhow!("{place}"),
            None => anyhow!(fault),
        };
        loaded.map(Some).map_err(place)
    }
}

/// The prefix of names in the WIT package of transforms.
pub(super) const PACKAGE: &str = "ocpp-gateway:transform/";

/// The names of the hooks that a component exports.
pub(super) fn hooks(inspection: &Inspection) -> Vec<&str> {
    let names = inspection.exports.iter().filter_map(|name| name.strip_prefix(PACKAGE));
    names.filter_map(|name| name.split('@').next()).filter(|name| !matches!(*name, "lifecycle" | "types")).collect()
}

/// A directory for compiled code: the one of the gateway, so that each uses what the other has compiled, or a temporary
/// one that is deleted on drop.
pub(super) struct CompiledCode {
    pub(super) path: PathBuf,
    _temporary: Option<TempDir>,
}

impl CompiledCode {
    /// `CACHE_DIRECTORY` if it is set, else a temporary directory. The engine requires that no other user has access to
    /// it.
    pub(super) fn directory() -> anyhow::Result<Self> {
        if let Some(path) = transforms::compiled_cache() {
            return Ok(CompiledCode { path, _temporary: None });
        }
        let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir();
        let directory = directory.context("a directory for compiled components")?;
        Ok(CompiledCode { path: directory.path().to_owned(), _temporary: Some(directory) })
    }

    /// Options with this directory.
    pub(super) fn options(&self) -> LoadOptions {
        LoadOptions { cache: Some(self.path.clone()), ..LoadOptions::default() }
    }
}

/// The configuration in a file, in TOML: the content of `[transforms.config]`, as JSON text of an object.
pub(super) fn configuration(file: Option<&Path>) -> Result<String, BadConfiguration> {
    let Some(file) = file else { return Ok("{}".into()) };
    let fault = |error: &dyn fmt::Display| BadConfiguration(format!("{}: {error}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| fault(&error))?;
    let table: toml::Table = text.parse().map_err(|error| fault(&error))?;
    Ok(config::to_json(&table))
}

/// Loads the component. The error lists all its faults, one per line.
pub(super) fn load(spec: &TransformSpec, options: impl Into<LoadOptions>) -> Result<TransformHarness, String> {
    TransformHarness::load(spec, options).map_err(|errors| lines(&errors))
}

/// All faults, one per line.
pub(super) fn lines(errors: &[LoadError]) -> String {
    errors.iter().map(|error| error.fault.to_string()).collect::<Vec<_>>().join("\n")
}

/// Writes what components log to the terminal: warnings, or more with RUST_LOG=info.
pub(super) fn show_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // In a test, there may be a subscriber already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().try_init();
}
