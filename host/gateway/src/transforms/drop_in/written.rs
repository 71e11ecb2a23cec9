//! Files that are being written, and are not complete yet.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A file that was written to and not closed counts as complete after this time: a network file system may not report
/// that it was closed, and `truncate` closes nothing.
const STALLED: Duration = Duration::from_secs(10);

/// The files of the drop-in directory that were written to, and are still open, with the time of the last write.
#[derive(Debug, Default)]
pub(super) struct BeingWritten(HashMap<PathBuf, Instant>);

impl BeingWritten {
    pub(super) fn written(&mut self, path: &Path) {
        self.0.insert(path.to_owned(), Instant::now());
    }

    /// The file is complete, or is another one now.
    pub(super) fn complete(&mut self, path: &Path) {
        self.0.remove(path);
    }

    /// A file can be moved while it is written.
    pub(super) fn moved(&mut self, from: &Path, to: &Path) {
        if let Some(since) = self.0.remove(from) {
            self.0.insert(to.to_owned(), since);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn contains(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    /// Forgets files that are gone, or were not written to for long. Returns whether there were any.
    pub(super) fn forget_stalled(&mut self) -> bool {
        let before = self.0.len();
        self.0.retain(|path, since| since.elapsed() < STALLED && path.exists());
        self.0.len() < before
    }
}
