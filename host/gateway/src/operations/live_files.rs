//! Values that are read from files, and reloaded when the files change.

use super::file_watch::{FileWatch, may_change_content};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Files are reloaded after this long without a change, because certificate and key are written one after the other,
/// and links are replaced in several steps.
const QUIET_TIME: Duration = Duration::from_millis(200);
/// Files are reloaded after this long even if changes in their folders go on.
const MAX_DELAY: Duration = Duration::from_secs(2);

/// Reads a value from its files; the argument is the previous value. The error names the faulty file, and contains no
/// secret.
type Read<T> = Box<dyn Fn(Option<&T>) -> Result<T, String> + Send + Sync>;

/// A value from files. [`get`](Self::get) returns the newest value that could be read; earlier snapshots stay valid.
pub struct Live<T> {
    /// The configuration key of the files, for the log.
    key: Cow<'static, str>,
    files: Vec<PathBuf>,
    read: Read<T>,
    current: ArcSwap<T>,
    /// Hash of the content that was read last, so that each change is logged once.
    fingerprint: Mutex<u64>,
}

impl<T: Send + Sync> Live<T> {
    pub fn new(
        key: impl Into<Cow<'static, str>>,
        files: Vec<PathBuf>,
        read: impl Fn(Option<&T>) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let fingerprint = Mutex::new(fingerprint(&files));
        let current = ArcSwap::from_pointee(read(None)?);
        Ok(Live { key: key.into(), files, read: Box::new(read), current, fingerprint })
    }

    pub fn get(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// The configuration key of the files.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// A value that can be reloaded from its files.
pub trait Reload: Send + Sync {
    fn files(&self) -> &[PathBuf];

    /// Reads the files again. If they are unchanged or invalid, the current value stays.
    fn reload(&self);
}

impl<T: Send + Sync> Reload for Live<T> {
    fn files(&self) -> &[PathBuf] {
        &self.files
    }

    fn reload(&self) {
        let mut last = self.fingerprint.lock();
        let now = fingerprint(&self.files);
        if std::mem::replace(&mut *last, now) == now {
            return;
        }
        match (self.read)(Some(&self.current.load())) {
            Ok(value) => {
                self.current.store(Arc::new(value));
                info!("{}: reloaded", self.key);
            }
            Err(error) => warn!("{}: the files that were read before stay in use: {error}", self.key),
        }
    }
}

/// Reloads files when they change, until the returned watch is dropped. `None`: there is nothing to watch.
pub fn watch(reloads: Vec<Arc<dyn Reload>>) -> notify::Result<Option<FileWatch>> {
    if reloads.is_empty() {
        return Ok(None);
    }
    let followed = reloads.clone();
    let mut watch = FileWatch::start("security-watcher", may_change_content, move |changes| {
        while wait_for_changes(&changes) {
            reloads.iter().for_each(|files| files.reload());
        }
    })?;
    for file in followed.iter().flat_map(|files| files.files()) {
        watch.follow(file)?;
    }
    Ok(Some(watch))
}

/// Waits until files have changed and then no longer change. `false`: the watch has ended.
fn wait_for_changes(changes: &mpsc::Receiver<PathBuf>) -> bool {
    if changes.recv().is_err() {
        return false;
    }
    let by = Instant::now() + MAX_DELAY;
    while changes.recv_timeout(QUIET_TIME).is_ok() && Instant::now() < by {}
    true
}

/// A hash of the contents, or of the errors of unreadable files.
fn fingerprint(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        std::fs::read(file).map_err(|error| error.kind()).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_files_leave_the_previous_value() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().to_owned();
        let write = |text: &str| std::fs::write(&path, text).expect("written");
        write("1");
        let number = {
            let path = path.clone();
            move |before: Option<&u32>| {
                let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
                text.parse::<u32>().map(|it| it + before.map_or(0, |before| before * 10)).map_err(|e| e.to_string())
            }
        };
        let live = Live::new("key", vec![path.clone()], number).expect("a number");
        for (text, value) in [("1", 1), ("2", 12), ("x", 12), ("2", 122)] {
            write(text);
            live.reload();
            assert_eq!(*live.get(), value, "{text}");
        }
        drop(file);
        live.reload();
        assert_eq!(*live.get(), 122);
    }
}
