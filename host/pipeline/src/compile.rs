//! From the bytes of a component to machine code.
//!
//! That takes an interpreter's component some ten seconds and half a gigabyte, and as much as it likes where somebody means
//! harm: so components are counted before, compiled one at a time and, for the gateway, in another process, which has limits
//! and gives everything back. What comes of it can be kept on disk.

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

/// How many compiled components are kept on disk, and how many in memory besides those that run: those that were compiled
/// last.
const KEPT: usize = 16;
const REMEMBERED: usize = 8;
const EXTENSION: &str = "cwasm";
const DIGEST: usize = 32;

/// SHA-256.
pub(crate) type Digest256 = [u8; DIGEST];

/// What a component is known by.
pub(crate) fn digest(bytes: &[u8]) -> Digest256 {
    Sha256::digest(bytes).into()
}

/// Compiles components in the place of this process, within a budget.
pub trait Compile: fmt::Debug + Send + Sync {
    /// What [`compile_component`] makes of `component` in a process of this very program, and nothing else: the answer is
    /// run as it is.
    fn compile(&self, component: &[u8]) -> Result<Vec<u8>, CompileError>;
}

/// The machine code of a component. In no hurry and without any limit: for the process that [`Compile`] speaks of.
pub fn compile_component(component: &[u8]) -> Result<Vec<u8>, CompileError> {
    let engine = runtime::engine().map_err(|error| CompileError::Io(io::Error::other(format!("{error:#}"))))?;
    engine.precompile_component(component).map_err(|error| CompileError::Invalid(format!("{error:#}")))
}

/// Refuses a component with more functions than `limit`, those of all its modules together and those on its borders. What
/// is not valid is left to the compiler to say.
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

/// Whose component it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ComponentOrigin {
    /// It ships with the gateway: compiled here, and without a wait.
    Ours,
    Elsewhere,
}

/// Compiles components, each only once.
pub(crate) struct Compiler {
    engine: Engine,
    /// `None`: here.
    process: Option<Arc<dyn Compile>>,
    directory: Option<PathBuf>,
    /// Going back and forth between two versions must not take seconds.
    recent: Mutex<VecDeque<(Digest256, Component)>>,
}

impl Compiler {
    /// `directory`: where compiled code is kept. What is wrong with it is logged, and does no other harm.
    pub(crate) fn new(engine: Engine, directory: Option<PathBuf>, process: Option<Arc<dyn Compile>>) -> Self {
        let directory = directory.filter(|directory| is_private(directory));
        Compiler { engine, process, directory, recent: Mutex::default() }
    }

    /// `hash`: of `bytes`.
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
        // Otherwise the first instance does it, against its time limit.
        component.initialize_copy_on_write_image().map_err(unusable)?;
        let mut recent = recent();
        recent.truncate(REMEMBERED - 1);
        recent.push_front((hash, component.clone()));
        Ok(component)
    }

    #[allow(unsafe_code)] // It loads what another process has compiled.
    fn compile_now(&self, bytes: &[u8], origin: ComponentOrigin) -> Result<Component, CompileError> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let here =
            || Component::from_binary(&self.engine, bytes).map_err(|error| CompileError::Invalid(format!("{error:#}")));
        if origin == ComponentOrigin::Ours {
            return here();
        }
        let _turn = ONE_AT_A_TIME.lock();
        let Some(process) = &self.process else { return here() };
        let code = process.compile(bytes)?;
        // SAFETY: this is what `compile_component` gave in a process of this program, whole: `Compile` asks for that.
        // wasmtime checks by itself that it fits its version and configuration.
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
        if let Some(component) = find(&self.engine, &file) {
            return Ok(component);
        }
        let component = self.compile_now(bytes, origin)?;
        let code = component.serialize().map_err(unusable)?;
        if let Err(fault) = keep(&code, directory, &file).and_then(|()| prune(directory)) {
            warn!(directory = %directory.display(), %fault, "a compiled component cannot be kept");
        }
        Ok(component)
    }
}

fn unusable(error: wasmtime::Error) -> CompileError {
    CompileError::Io(io::Error::other(format!("{error:#}")))
}

/// Makes the directory if there is none. Code that somebody else could have put there is not run.
fn is_private(directory: &Path) -> bool {
    let Err(fault) = claim(directory) else { return true };
    warn!(directory = %directory.display(), %fault, "no directory for compiled components");
    false
}

fn claim(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let found = fs::metadata(directory)?;
    if found.permissions().mode() & 0o077 != 0 {
        return Err(io::Error::other("others than its owner have access to it"));
    }
    // Whose files the ones of this process are.
    let own = NamedTempFile::new_in(directory)?.as_file().metadata()?.uid();
    if found.uid() == own { Ok(()) } else { Err(io::Error::other("it belongs to somebody else")) }
}

/// Different for each component, version of wasmtime and configuration of the engine.
fn file_name(engine: &Engine, hash: Digest256) -> String {
    let mut environment = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut environment);
    format!("{}-{:016x}.{EXTENSION}", HEXLOWER.encode(&hash), environment.finish())
}

/// `None` also for a file that is damaged, or another's.
#[allow(unsafe_code)] // It loads what was compiled before.
fn find(engine: &Engine, file: &Path) -> Option<Component> {
    let kept = fs::read(file).ok()?;
    let (digest, code) = kept.split_at_checked(DIGEST)?;
    if *Sha256::digest(code) != *digest {
        return None;
    }
    // SAFETY: this is what `Component::serialize` gave, whole, as its digest shows; nobody but the gateway can have put it
    // there, see `is_private`. wasmtime checks by itself that it fits its version and configuration.
    unsafe { Component::deserialize(engine, code) }.ok()
}

/// Writes a file of which there is never a half.
fn keep(code: &[u8], directory: &Path, file: &Path) -> io::Result<()> {
    let mut draft = NamedTempFile::new_in(directory)?;
    draft.write_all(&Sha256::digest(code))?;
    draft.write_all(code)?;
    draft.persist(file)?;
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
    let surplus = files.len().saturating_sub(KEPT);
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
    fn what_is_kept_is_found_unless_it_is_damaged() {
        let parent = tempfile::tempdir().expect("a directory");
        let directory = parent.path().join("compiled");
        let engine = Engine::default();
        let bytes = wat::parse_str("(component)").expect("a component");
        // One that remembers nothing.
        let hash = digest(&bytes);
        let compiler = || Compiler::new(engine.clone(), Some(directory.clone()), None);
        let compile = || compiler().compile(&bytes, hash, ComponentOrigin::Elsewhere).expect("it compiles");
        compile();
        let file = only_file(&directory);
        assert!(find(&engine, &file).is_some());

        let whole = fs::read(&file).expect("the file");
        for length in [0, DIGEST, whole.len() - 1] {
            fs::write(&file, &whole[..length]).expect("a writable file");
            assert!(find(&engine, &file).is_none(), "{length} bytes");
        }
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 1;
        fs::write(&file, &damaged).expect("a writable file");
        compile();
        assert_eq!(only_file(&directory), file);
        assert!(find(&engine, &file).is_some());
    }

    #[test]
    fn a_directory_of_everybody_is_not_used() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let bytes = wat::parse_str("(component)").expect("a component");
        let compiler = Compiler::new(Engine::default(), Some(directory.path().into()), None);
        compiler.compile(&bytes, digest(&bytes), ComponentOrigin::Elsewhere).expect("it compiles");
        assert_eq!(fs::read_dir(directory.path()).expect("it is there").count(), 0);
    }

    #[test]
    fn only_the_newest_are_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        for number in 0..KEPT + 2 {
            fs::write(directory.path().join(format!("{number}.{EXTENSION}")), "").expect("a writable directory");
        }
        fs::write(directory.path().join("other"), "").expect("a writable directory");
        prune(directory.path()).expect("a readable directory");
        assert_eq!(fs::read_dir(directory.path()).expect("it is there").count(), KEPT + 1);
    }
}
