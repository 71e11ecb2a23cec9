//! Files that are followed while the gateway runs.
//!
//! Without a debouncer: inotify says when the last writer has closed a file, which is earlier than any quiet time and
//! never too early. `notify-debouncer-mini` does not tell a change from the opening of a file, so that reading a changed
//! file would be its next change; `notify-debouncer-full` adds a delay and nothing else here.

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use tracing::warn;

/// Watches the directories that files are in: the files themselves may be replaced.
pub struct Watch {
    watcher: RecommendedWatcher,
    directories: HashSet<PathBuf>,
}

impl Watch {
    /// `run` gets a thread called `name`, and the path of each change that is `relevant`; the paths end with the watch.
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
        Ok(Watch { watcher, directories: HashSet::new() })
    }

    /// Follows one more file, and answers the path by which changes of it are told.
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

/// Whether nobody is still writing.
pub fn is_complete(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
            // The same is reported once more, together with where it came from.
            | EventKind::Modify(ModifyKind::Name(RenameMode::To))
    )
}

/// Whether a name may stand for something else now. Links are made, not written.
pub fn may_matter(kind: EventKind) -> bool {
    is_complete(kind) || matches!(kind, EventKind::Create(_))
}
