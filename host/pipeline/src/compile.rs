//! Compiles components to machine code.
//!
//! A component with an interpreter takes some ten seconds and half a gigabyte, and a malicious one takes all that it
//! can get. So the functions of a component are counted first, and components are compiled one at a time and, for the
//! gateway, in another process, which has limits and returns all memory when it ends. The result can be cached on disk.

use crate::error::{CompileError, LoadFault};
use crate::runtime;
use data_encoding::HEXLOWER;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;
use tracing::warn;
use wasmparser::{Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::Component;

/// The most compiled components cached on disk; the oldest are removed.
const MAX_FILES: usize = 16;
/// The most compiled components cached in memory besides those that run; the oldest are removed.
const MAX_RECENT: usize = 8;
const EXTENSION: &str = "cwasm";
const DIGEST: usize = 32;

/// A SHA-256 digest.
pub(crate) type Digest256 = [u8; DIGEST];

/// The digest that identifies a component.
pub(crate) fn digest(bytes: &[u8]) -> Digest256 {
    Sha256::digest(bytes).into()
}

/// Compiles components in another process, within a budget.
pub trait Compile: fmt::Debug + Send + Sync {
    /// Returns exactly what [`compile_component`] returns for `component` in a process of this same program: the result
    /// is executed as it is.
    fn compile(&self, component: &[u8]) -> Result<Vec<u8>, CompileError>;
}

/// The machine code of a component, compiled without any limit: for the process behind [`Compile`].
pub fn compile_component(component: &[u8]) -> Result<Vec<u8>, CompileError> {
    let engine = runtime::engine().map_err(|error| CompileError::Io(io::Error::other(format!("{error:#}"))))?;
    engine.precompile_component(component).map_err(|error| CompileError::Invalid(format!("{error:#}")))
}

/// Refuses a component with more than `limit` functions, counting those of all its modules and those at its boundaries.
/// Faults of an invalid component are left to the compiler.
pub(crate) fn check_functions(component: &[u8], limit: usize) -> Result<(), LoadFault> {
    let mut count = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        let more = match payload {
            Ok(Payload::FunctionSection(functions)) => functions.count(),
            Ok(Payload::ComponentCanonicalSection(functions)) => functions.count(),
            Ok(_) => 0,
            Err(_) => break,
        };
        count = count.saturating_add(usize::try_from(more).unwrap_or(usize::MAX));
    }
    if count > limit { Err(LoadFault::TooManyFunctions { count, limit }) } else { Ok(()) }
}

/// Where a component comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ComponentOrigin {
    /// The default mapping, which a rollback may need at once: it is compiled in this process, without waiting for
    /// others.
    Standard,
    Other,
}

/// Compiles components, each only once.
pub(crate) struct Compiler {
    engine: Engine,
    /// `None`: components are compiled in this process.
    process: Option<Arc<dyn Compile>>,
    directory: Option<PathBuf>,
    /// Switching between two versions must not take seconds.
    recent: Mutex<VecDeque<(Digest256, Component)>>,
}

impl Compiler {
    /// `directory`: the cache of compiled code. If it cannot be used, that is logged, and there is no cache.
    pub(crate) fn new(engine: Engine, directory: Option<PathBuf>, process: Option<Arc<dyn Compile>>) -> Self {
        let directory = directory.filter(|directory| is_usable(directory));
        Compiler { engine, process, directory, recent: Mutex::default() }
    }

    /// `hash`: the digest of `bytes`.
    pub(crate) fn compile(
        &self,
        bytes: &[u8],
        hash: Digest256,
        origin: ComponentOrigin,
    ) -> Result<Component, CompileError> {
        let recent = || self.recent.lock();
        if let Some((_, component)) = recent().iter().find(|(known, _)| *known == hash) {
            return Ok(component.clone());
        }
        let component = match &self.directory {
            Some(directory) => self.compile_once(bytes, hash, directory, origin),
            None => self.compile_now(bytes, origin),
        }?;
        // Otherwise the first instance does this within its time limit.
        component.initialize_copy_on_write_image().map_err(unusable)?;
        let mut recent = recent();
        recent.truncate(MAX_RECENT - 1);
        recent.push_front((hash, component.clone()));
        Ok(component)
    }

    #[allow(unsafe_code)] // It loads what another process has compiled.
    fn compile_now(&self, bytes: &[u8], origin: ComponentOrigin) -> Result<Component, CompileError> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let here =
            || Component::from_binary(&self.engine, bytes).map_err(|error| CompileError::Invalid(format!("{error:#}")));
        if origin == ComponentOrigin::Standard {
            return here();
        }
        let _guard = ONE_AT_A_TIME.lock();
        let Some(process) = &self.process else { return here() };
        let code = process.compile(bytes)?;
        // SAFETY: `Compile` guarantees that this is the complete result of `compile_component` in a process of this
        // program. wasmtime itself checks that it fits its version and configuration.
        unsafe { Component::deserialize(&self.engine, code) }.map_err(unusable)
    }

    fn compile_once(
        &self,
        bytes: &[u8],
        hash: Digest256,
        directory: &Path,
        origin: ComponentOrigin,
    ) -> Result<Component, CompileError> {
        let file = directory.join(file_name(&self.engine, hash));
        if let Some(component) = read_cached(&self.engine, &file) {
            return Ok(component);
        }
        let component = self.compile_now(bytes, origin)?;
        let code = component.serialize().map_err(unusable)?;
        if let Err(fault) = write_cached(&code, directory, &file).and_then(|()| prune(directory)) {
            warn!(directory = %directory.display(), %fault, "a compiled component cannot be cached");
        }
        Ok(component)
    }
}

fn unusable(error: wasmtime::Error) -> CompileError {
    CompileError::Io(io::Error::other(format!("{error:#}")))
}

/// Whether the directory can be used; it is created if absent. Code that another user could have written is not
/// executed.
fn is_usable(directory: &Path) -> bool {
    let Err(fault) = create_private(directory) else { return true };
    warn!(directory = %directory.display(), %fault, "the directory for compiled components cannot be used");
    false
}

fn create_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let found = fs::metadata(directory)?;
    if found.permissions().mode() & 0o077 != 0 {
        return Err(io::Error::other("users other than its owner have access to it; chmod 700 it"));
    }
    // The user that owns the files of this process.
    let own = NamedTempFile::new_in(directory)?.as_file().metadata()?.uid();
    if found.uid() == own { Ok(()) } else { Err(io::Error::other("it belongs to another user")) }
}

/// Different for each component, version of wasmtime and configuration of the engine.
fn file_name(engine: &Engine, hash: Digest256) -> String {
    let mut environment = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut environment);
    format!("{}-{:016x}.{EXTENSION}", HEXLOWER.encode(&hash), environment.finish())
}

/// `None`: the file is absent, damaged, or made for another engine.
#[allow(unsafe_code)] // It loads what was compiled before.
fn read_cached(engine: &Engine, file: &Path) -> Option<Component> {
    let bytes = fs::read(file).ok()?;
    let (digest, code) = bytes.split_at_checked(DIGEST)?;
    if *Sha256::digest(code) != *digest {
        return None;
    }
    // SAFETY: the digest shows that this is the complete result of `Component::serialize`, and only this user can have
    // written the file, see `is_usable`. wasmtime itself checks that it fits its version and configuration.
    unsafe { Component::deserialize(engine, code) }.ok()
}

/// Writes the file atomically: it is never incomplete.
fn write_cached(code: &[u8], directory: &Path, file: &Path) -> io::Result<()> {
    let mut temporary = NamedTempFile::new_in(directory)?;
    temporary.write_all(&Sha256::digest(code))?;
    temporary.write_all(code)?;
    temporary.persist(file)?;
    Ok(())
}

/// Removes all but the newest files.
fn prune(directory: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            files.push((fs::metadata(&path)?.modified()?, path));
        }
    }
    files.sort();
    let surplus = files.len().saturating_sub(MAX_FILES);
    files.iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_file(directory: &Path) -> std::path::PathBuf {
        let files: Vec<_> = fs::read_dir(directory).expect("it is there").map(|entry| entry.expect("a file")).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].path()
    }

    #[test]
    fn cached_component_is_read_unless_the_file_is_damaged() {
        let parent = tempfile::tempdir().expect("a directory");
        let directory = parent.path().join("compiled");
        let engine = Engine::default();
        let bytes = wat::parse_str("(component)").expect("a component");
        // Each call makes a compiler that has nothing in memory.
        let hash = digest(&bytes);
        let compiler = || Compiler::new(engine.clone(), Some(directory.clone()), None);
        let compile = || compiler().compile(&bytes, hash, ComponentOrigin::Other).expect("it compiles");
        compile();
        let file = only_file(&directory);
        assert!(read_cached(&engine, &file).is_some());

        let whole = fs::read(&file).expect("the file");
        for length in [0, DIGEST, whole.len() - 1] {
            fs::write(&file, &whole[..length]).expect("a writable file");
            assert!(read_cached(&engine, &file).is_none(), "{length} bytes");
        }
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 1;
        fs::write(&file, &damaged).expect("a writable file");
        compile();
        assert_eq!(only_file(&directory), file);
        assert!(read_cached(&engine, &file).is_some());
    }

    #[test]
    fn directory_that_others_can_access_is_not_used() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("the test owns it");
        let bytes = wat::parse_str("(component)").expect("a component");
        let compiler = Compiler::new(Engine::default(), Some(directory.path().into()), None);
        compiler.compile(&bytes, digest(&bytes), ComponentOrigin::Other).expect("it compiles");
        assert_eq!(fs::read_dir(directory.path()).expect("it is there").count(), 0);
    }

    #[test]
    fn only_the_newest_cache_files_are_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        for number in 0..MAX_FILES + 2 {
            fs::write(directory.path().join(format!("{number}.{EXTENSION}")), "").expect("a writable directory");
        }
        fs::write(directory.path().join("other"), "").expect("a writable directory");
        prune(directory.path()).expect("a readable directory");
        assert_eq!(fs::read_dir(directory.path()).expect("it is there").count(), MAX_FILES + 1);
    }
}
