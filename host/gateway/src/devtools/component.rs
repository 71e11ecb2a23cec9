//! What the commands share: the limits of `transform` commands, and loading one component to look at it.

use crate::config::Bytes;
use crate::transforms;
use anyhow::Context as _;
use ocpp_gateway_pipeline::{Limits, LoadError, LoadOptions, Source, TransformHarness, TransformSpec};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Enough for a component with a JavaScript engine in it.
pub(super) const MEMORY: Bytes = Bytes::mebibytes(256);
/// Generous, as nobody waits: a slow machine must not fail a case.
const TIME: Duration = Duration::from_secs(1);

/// A component from a file, with the limits of `transform` commands. `config`: JSON text of an object.
pub(super) fn spec(file: &Path, config: String, memory: Bytes) -> TransformSpec {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let limits = Limits { time: Some(TIME), memory: memory.get(), ..Limits::default() };
    TransformSpec { name, source: Source::File(file.to_owned()), config, limits, ..TransformSpec::standard() }
}

/// A directory for compiled code: where the gateway keeps it too, as what one has compiled the other finds, or one that is
/// gone when this is dropped.
pub(super) struct CompiledCode {
    pub(super) path: PathBuf,
    _temporary: Option<TempDir>,
}

impl CompiledCode {
    /// `CACHE_DIRECTORY`, if it is set; else one of its own, which nobody else has access to: the engine uses no other.
    pub(super) fn directory() -> anyhow::Result<Self> {
        if let Some(path) = transforms::compiled_cache() {
            return Ok(CompiledCode { path, _temporary: None });
        }
        let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir();
        let directory = directory.context("a directory for compiled components")?;
        Ok(CompiledCode { path: directory.path().to_owned(), _temporary: Some(directory) })
    }
}

/// Loads it, or says everything that is wrong with it, a line each.
pub(super) fn load(spec: &TransformSpec, options: impl Into<LoadOptions>) -> Result<TransformHarness, String> {
    TransformHarness::load(spec, options).map_err(|errors| lines(&errors))
}

fn lines(errors: &[LoadError]) -> String {
    errors.iter().map(|error| error.fault.to_string()).collect::<Vec<_>>().join("\n")
}

/// What components log goes to the terminal; RUST_LOG=info shows more of it than warnings.
pub(super) fn show_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // There may be one already, in a test.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().try_init();
}
