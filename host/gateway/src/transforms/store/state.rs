//! What is stored, in memory and in the directory: reads and changes both.

use super::code::{Code, CodeKind};
use super::files::StoreFiles;
use super::index::{FORMAT, Index, StoredSource};
use crate::config::StorageConfig;
use crate::operations::events::rfc3339;
use arc_swap::ArcSwap;
use ocpp_gateway_pipeline::{SwapOutcome, SwapReport};
use parking_lot::Mutex;
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;
use tempfile::TempDir;
use tracing::{error, warn};

/// What was uploaded and fetched.
#[derive(Debug)]
pub struct Store {
    /// Whether it survives the process.
    is_kept: bool,
    index: ArcSwap<Index>,
    /// Locked while the index is written.
    written: Mutex<WrittenIndex>,
    /// The directory that is written: the configured one, or a temporary one that is made when something is stored.
    files: OnceLock<StoreFiles>,
    temporary: OnceLock<TempDir>,
    /// The directory of another process, which is only read.
    read_only: Option<StoreFiles>,
    /// What was fetched, by its address, while the transform that it is for is loaded.
    fetched: Mutex<BTreeMap<String, StoredSource>>,
}

/// How the file of the index compares with the index in use.
#[derive(Debug, Default)]
struct WrittenIndex {
    /// The file may have other content: writing it has failed.
    is_stale: bool,
    /// Another gateway may use the directory.
    is_closed: bool,
}

/// Why the directory of the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("storage.directory: {path}: {error}", path = .path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error(
        "storage.directory: {path} was written by a newer gateway (format {found}, this one knows up to {FORMAT}): \
         run that one, or another directory",
        path = .path.display()
    )]
    Newer { path: PathBuf, found: u32 },
    #[error(
        "storage.directory: {path} cannot be read: {error}; without this file, the gateway starts with the transforms \
         of its configuration",
        path = .path.display()
    )]
    Damaged { path: PathBuf, error: serde_json::Error },
}

impl Store {
    /// Opens the configured directory for this gateway alone, or a store that ends with the process.
    pub fn open(config: &StorageConfig) -> Result<Self, StoreError> {
        let Some(path) = &config.directory else { return Ok(Self::new(Index::default(), None)) };
        let files = StoreFiles::open(path).map_err(|error| StoreError::Io { path: path.clone(), error })?;
        let index = read_index(&files, path)?;
        files.remove_all_but(&index, []);
        let store = Store { is_kept: true, ..Self::new(index, None) };
        let _ = store.files.set(files);
        Ok(store)
    }

    /// What is stored in the configured directory, for commands beside the gateway that uses it. What is fetched ends
    /// with the process.
    pub fn read(config: &StorageConfig) -> Result<Self, StoreError> {
        let Some(path) = &config.directory else { return Self::open(config) };
        let files = StoreFiles::read_only(path);
        Ok(Self::new(read_index(&files, path)?, Some(files)))
    }

    fn new(index: Index, read_only: Option<StoreFiles>) -> Self {
        Store {
            is_kept: false,
            index: ArcSwap::from_pointee(index),
            written: Mutex::default(),
            files: OnceLock::new(),
            temporary: OnceLock::new(),
            read_only,
            fetched: Mutex::default(),
        }
    }

    /// Lets another gateway use the directory: nothing is stored from now on.
    pub fn close(&self) {
        self.written.lock().is_closed = true;
        if let Some(files) = self.files.get() {
            files.unlock();
        }
    }

    /// Whether what is stored survives the process.
    pub fn is_kept(&self) -> bool {
        self.is_kept && !self.written.lock().is_stale
    }

    /// How to start with the configuration alone, if a stored version runs in its place.
    pub(in crate::transforms) fn how_to_start_without(&self) -> Option<String> {
        let index = self.index();
        let running = index.transforms.iter().filter(|(_, stored)| stored.running.is_some());
        let names: Vec<_> = running.map(|(name, _)| name.as_str()).collect();
        if names.is_empty() {
            return None;
        }
        let path = self.read_only.as_ref().or(self.files.get())?.index_path();
        let (names, path) = (names.join(", "), path.display());
        Some(format!("uploaded, or with uploaded settings: {names}; without {path}, only the configuration starts"))
    }

    pub(in crate::transforms) fn index(&self) -> Arc<Index> {
        self.index.load_full()
    }

    /// The file of a component or program.
    pub(in crate::transforms) fn path(&self, code: &Code) -> Option<PathBuf> {
        let files = [self.files.get(), self.read_only.as_ref()].into_iter().flatten();
        files.map(|files| files.code_path(code)).find(|path| path.exists())
    }

    /// The copy of a component from elsewhere.
    pub(in crate::transforms) fn copy_of(&self, address: &str) -> Option<(StoredSource, PathBuf)> {
        let source = self.index().sources.get(address)?.clone();
        let path = self.path(&source.code)?;
        Some((source, path))
    }

    /// Stores a component or a program. Until the index names it, [`Store::remove_unused`] removes it. The signature of
    /// one that is stored already is replaced only if the new one `is_verified`.
    pub(in crate::transforms) fn put(
        &self,
        kind: CodeKind,
        bytes: &[u8],
        signature: Option<&str>,
        is_verified: bool,
    ) -> io::Result<Code> {
        let code = Code::of(kind, bytes);
        self.open_files()?.write_code(&code, bytes, signature, is_verified)?;
        Ok(code)
    }

    /// Stores a component that was fetched. Its copy from before stays the one of this address until
    /// [`Store::settle_fetched`].
    pub(in crate::transforms) fn put_fetched(
        &self,
        address: &str,
        bytes: &[u8],
        signature: Option<&str>,
        is_verified: bool,
    ) -> io::Result<PathBuf> {
        let code = self.put(CodeKind::Component, bytes, signature, is_verified)?;
        let path = self.open_files()?.code_path(&code);
        let source = StoredSource { code, fetched_at: rfc3339(SystemTime::now()) };
        self.fetched.lock().insert(address.to_owned(), source);
        Ok(path)
    }

    /// Ends a load. `is_running`: whether what was fetched from an address for it runs now. It is used from now on if it
    /// cannot be fetched another time.
    pub(in crate::transforms) fn settle_fetched(&self, is_running: impl Fn(&str) -> bool) {
        let mut fetched = std::mem::take(&mut *self.fetched.lock());
        fetched.retain(|address, _| is_running(address));
        if fetched.is_empty() {
            return;
        }
        if let Err(error) = self.change(|index| index.sources.extend(fetched)) {
            warn!("what was fetched is not stored, so that a start has to fetch it again: {error}");
        }
    }

    /// Forgets the copies of components that no transform names any more. `used`: the addresses in the configuration.
    pub(in crate::transforms) fn forget_copies_but(&self, used: &HashSet<&str>) {
        if self.index().sources.keys().all(|address| used.contains(address.as_str())) {
            return;
        }
        match self.change(|index| index.sources.retain(|address, _| used.contains(address.as_str()))) {
            Ok(()) => self.remove_unused(),
            Err(error) => warn!("unused copies of components stay: {error}"),
        }
    }

    /// Changes the index. If it cannot be written, it stays.
    pub(in crate::transforms) fn change(&self, change: impl FnOnce(&mut Index)) -> io::Result<()> {
        let mut written = self.written.lock();
        let mut index = Index::clone(&self.index());
        change(&mut index);
        if index != **self.index.load() || written.is_stale {
            self.write(&mut written, &index)?;
            self.index.store(Arc::new(index));
        }
        Ok(())
    }

    fn write(&self, written: &mut WrittenIndex, index: &Index) -> io::Result<()> {
        if written.is_closed {
            return Err(io::Error::other("the gateway is stopping"));
        }
        let result = self.open_files().and_then(|files| files.write_index(index));
        // A rename may have happened all the same.
        written.is_stale = result.is_err();
        result
    }

    /// Records what runs after a rollback, which has happened: it is not undone if it cannot be written.
    pub fn record_rollback(&self, report: &SwapReport) {
        if report.outcome != SwapOutcome::RolledBack {
            return;
        }
        let mut written = self.written.lock();
        let mut index = Index::clone(&self.index());
        for change in &report.transforms {
            let (Some(stored), Some(now)) = (index.transforms.get_mut(&change.name), &change.now) else { continue };
            let before = change.before.as_ref().map(|before| before.revision);
            let failed = before.filter(|before| report.reason.is_some() && *before != now.revision);
            if let Some(failed) = stored.versions.iter_mut().find(|version| Some(version.number) == failed) {
                failed.fault = report.reason.clone();
            }
            stored.running = (now.revision != 0).then_some(now.revision);
        }
        if index == **self.index.load() {
            return;
        }
        let result = self.write(&mut written, &index);
        self.index.store(Arc::new(index));
        if let Err(error) = result {
            error!("the rollback is not stored, so that a restart undoes it: {error}");
        }
    }

    /// Forgets a trial that has ended.
    pub fn forget_trial(&self, name: &str) {
        if !self.index().trials.contains_key(name) {
            return;
        }
        if let Err(error) = self.change(|index| drop(index.trials.remove(name))) {
            error!("the end of the trial of {name:?} is not stored, so that a restart starts it again: {error}");
        }
    }

    /// Removes components and programs that no version needs. Nothing else may store any meanwhile.
    pub(in crate::transforms) fn remove_unused(&self) {
        let written = self.written.lock();
        // The file of an index that could not be written may name others.
        if let Some(files) = self.files.get().filter(|_| !written.is_stale && !written.is_closed) {
            files.remove_all_but(&self.index(), self.fetched.lock().values().map(|source| &source.code));
        }
    }

    fn open_files(&self) -> io::Result<&StoreFiles> {
        if let Some(files) = self.files.get() {
            return Ok(files);
        }
        let permissions = Permissions::from_mode(0o700);
        let temporary = tempfile::Builder::new().prefix("ocpp-gateway-").permissions(permissions).tempdir()?;
        let files = StoreFiles::open(temporary.path())?;
        // Another thread may have been faster.
        if self.files.set(files).is_ok() {
            let _ = self.temporary.set(temporary);
        }
        self.files.get().ok_or_else(|| io::Error::other("no directory"))
    }
}

/// Only the number is read first: all else may have another form.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

fn read_index(files: &StoreFiles, directory: &Path) -> Result<Index, StoreError> {
    let io_error = |error| StoreError::Io { path: directory.to_owned(), error };
    let Some(text) = files.read_index().map_err(io_error)? else { return Ok(Index::default()) };
    let path = files.index_path();
    let damaged = |error| StoreError::Damaged { path: path.clone(), error };
    let Format { format } = serde_json::from_str(&text).map_err(damaged)?;
    if format > FORMAT {
        return Err(StoreError::Newer { path, found: format });
    }
    serde_json::from_str(&text).map_err(damaged)
}
