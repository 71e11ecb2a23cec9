//! What the `transform` commands share: their limits, and loading a component.

use crate::config::Bytes;
use crate::transforms;
use anyhow::Context as _;
use ocpp_gateway_pipeline::{Limits, LoadError, LoadOptions, Source, TransformHarness, TransformSpec};
use std::borrow::Cow;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// The memory limit, enough for a component with a JavaScript engine.
pub(super) const MEMORY: Bytes = Bytes::mebibytes(256);
/// The time limit of a call. It is generous, so that no case fails on a slow machine.
const TIME: Duration = Duration::from_secs(1);

/// A component with the limits of `transform` commands. `config`: JSON text of an object.
pub(super) fn spec(source: &Source, config: String, memory: Bytes) -> TransformSpec {
    let name = match source {
        Source::File(file) => file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        other => other.to_string(),
    };
    let limits = Limits { time: Some(TIME), memory: memory.get(), ..Limits::default() };
    TransformSpec { name, source: source.clone(), config, limits, ..TransformSpec::standard() }
}

/// The component itself.
pub(super) fn read(source: &Source) -> anyhow::Result<Cow<'_, [u8]>> {
    source.read().with_context(|| source.to_string())
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
}

/// Loads the component. The error lists all its faults, one per line.
pub(super) fn load(spec: &TransformSpec, options: impl Into<LoadOptions>) -> Result<TransformHarness, String> {
    TransformHarness::load(spec, options).map_err(|errors| lines(&errors))
}

fn lines(errors: &[LoadError]) -> String {
    errors.iter().map(|error| error.fault.to_string()).collect::<Vec<_>>().join("\n")
}

/// Writes what components log to the terminal: warnings, or more with RUST_LOG=info.
pub(super) fn show_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // In a test, there may be a subscriber already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().try_init();
}
