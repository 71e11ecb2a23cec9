//! Watches files while the gateway runs.
//!
//! There is no debouncer: inotify reports when the last writer has closed a file, which is earlier than any quiet time
//! and never too early. `notify-debouncer-mini` does not distinguish a change from the opening of a file, so that
//! reading a changed file would be its next change. `notify-debouncer-full` would only add a delay.

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use tracing::warn;

/// Watches the directories that files are in: the files themselves may be replaced.
pub struct FileWatch {
    watcher: RecommendedWatcher,
    directories: HashSet<PathBuf>,
}

impl FileWatch {
    /// Calls `run` on a thread called `name`, with a channel for the path of each `relevant` change. The channel closes
    /// when the watch is dropped.
    pub fn start(
        name: &str,
        relevant: fn(EventKind) -> bool,
        run: impl FnOnce(mpsc::Receiver<PathBuf>) + Send + 'static,
    ) -> notify::Result<Self> {
        let (changed, changes) = mpsc::channel::<PathBuf>();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| match event {
            // The receiver ends with the gateway.
            Ok(event) if relevant(event.kind) => event.paths.into_iter().for_each(|path| drop(changed.send(path))),
            Ok(_) => {}
            Err(error) => warn!("files cannot be watched: {error}"),
        })?;
        thread::Builder::new().name(name.into()).spawn(move || run(changes))?;
        Ok(FileWatch { watcher, directories: HashSet::new() })
    }

    /// Watches one more file, and returns the path with which its changes are reported.
    pub fn follow(&mut self, file: &Path) -> notify::Result<PathBuf> {
        let path = std::path::absolute(file)?;
        if let Some(directory) = path.parent()
            && self.directories.insert(directory.to_owned())
        {
            self.watcher.watch(directory, RecursiveMode::NonRecursive)?;
        }
        Ok(path)
    }
}

/// Whether the file is complete: closed after writing, or moved to this path.
pub fn is_complete(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
            // A move is reported once more, together with its source.
            | EventKind::Modify(ModifyKind::Name(RenameMode::To))
    )
}

/// Whether a path may lead to other content now. Links are created, not written.
pub fn may_change_content(kind: EventKind) -> bool {
    is_complete(kind) || matches!(kind, EventKind::Create(_))
}
