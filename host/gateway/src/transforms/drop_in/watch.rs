//! Notices changes in the drop-in directory.

use super::drop_ins::DropIns;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::Mutex;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use tracing::warn;

/// Changes with no more than this between them count as one, because an editor saves in several steps.
const QUIET_TIME: Duration = Duration::from_millis(50);
/// How long changes may follow each other before they are used.
const MAX_DELAY: Duration = Duration::from_millis(300);
/// How often to look at what no event reports: a link further up leads to another directory, or a writer has stalled.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Watches the drop-in directory until it is dropped.
pub(in crate::transforms) struct DropInWatch {
    /// `None`: there is no directory.
    shared: Option<Arc<Shared>>,
}

/// What the thread of the watcher tells the one that loads. However many events there are, they are one flag.
struct Shared {
    drop_ins: Arc<DropIns>,
    notes: Mutex<Notes>,
    wake: SyncSender<()>,
}

#[derive(Default)]
struct Notes {
    is_changed: bool,
    /// The directory that is watched may be gone, or be another one.
    is_moved: bool,
    is_stopped: bool,
    /// The canonical path of the directory that is watched.
    watched: Option<PathBuf>,
}

impl DropInWatch {
    pub(in crate::transforms) fn start(drop_ins: Arc<DropIns>) -> notify::Result<Self> {
        let Some(directory) = drop_ins.directory().map(Path::to_owned) else {
            return Ok(DropInWatch { shared: None });
        };
        let (wake, woken) = sync_channel(1);
        let shared = Arc::new(Shared { drop_ins, notes: Mutex::default(), wake });
        let (noted, of_directory) = (Arc::clone(&shared), directory.clone());
        let on_event = move |event| noted.note(event, &of_directory);
        // A link may lead anywhere. What it leads to is no drop-in unless it is in the directory.
        let watcher = RecommendedWatcher::new(on_event, Config::default().with_follow_symlinks(false))?;
        let watching = Watching { watcher, directory, identity: None, parent: None };
        let of_thread = Arc::clone(&shared);
        thread::Builder::new().name("drop-in-watcher".into()).spawn(move || watching.run(&of_thread, &woken))?;
        Ok(DropInWatch { shared: Some(shared) })
    }
}

impl Drop for DropInWatch {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.notes.lock().is_stopped = true;
            shared.wake();
        }
    }
}

impl Shared {
    fn wake(&self) {
        // A full channel wakes the thread as well.
        let _ = self.wake.try_send(());
    }

    /// `directory`: as configured.
    fn note(&self, event: notify::Result<Event>, directory: &Path) {
        let event = match event {
            Ok(event) => event,
            Err(error) => return warn!("drop-ins cannot be watched: {error}"),
        };
        let mut notes = self.notes.lock();
        if event.need_rescan() {
            // Events were lost.
            self.drop_ins.being_written().clear();
            (notes.is_changed, notes.is_moved) = (true, true);
            return self.wake();
        }
        let watched = notes.watched.as_deref();
        let is_inside = |path: &PathBuf| watched.is_some_and(|watched| path.starts_with(watched));
        // Other files beside the directory do not matter.
        let is_directory = |path: &PathBuf| path == directory || Some(path.as_path()) == watched;
        let concerns_directory = event.paths.iter().any(is_directory);
        if !concerns_directory && !event.paths.iter().any(is_inside) {
            return;
        }
        let is_other_entry =
            matches!(event.kind, EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
        notes.is_moved |= concerns_directory && is_other_entry;
        if self.follow_writes(&event) {
            notes.is_changed = true;
            self.wake();
        }
    }

    /// Tracks files that are being written. Returns whether the event may be a change.
    fn follow_writes(&self, event: &Event) -> bool {
        let mut being_written = self.drop_ins.being_written();
        match event.kind {
            EventKind::Modify(ModifyKind::Data(_)) => {
                event.paths.iter().for_each(|path| being_written.written(path));
                return false;
            }
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Create(_)
            | EventKind::Remove(_)
            | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => {
                event.paths.iter().for_each(|path| being_written.complete(path));
            }
            EventKind::Access(_) => return false,
            // Reported once more after each move within the directory.
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {
                if let [from, to] = &event.paths[..] {
                    being_written.moved(from, to);
                }
            }
            _ => {}
        }
        true
    }
}

/// Which directory a path leads to: device, inode and the time of its creation, as inodes are used again.
type Identity = (u64, u64, Option<SystemTime>);

fn identity(directory: &Path) -> Option<Identity> {
    let of = |metadata: Metadata| (metadata.dev(), metadata.ino(), metadata.created().ok());
    fs::metadata(directory).ok().filter(Metadata::is_dir).map(of)
}

struct Watching {
    watcher: RecommendedWatcher,
    /// As configured.
    directory: PathBuf,
    /// That of the directory which is watched.
    identity: Option<Identity>,
    /// That of its parent.
    parent: Option<Identity>,
}

impl Watching {
    fn run(mut self, shared: &Shared, woken: &Receiver<()>) {
        // What has changed since the start of the gateway.
        shared.notes.lock().is_changed = true;
        loop {
            let is_other = self.follow(shared);
            let is_stalled = shared.drop_ins.being_written().forget_stalled();
            let is_changed = std::mem::take(&mut shared.notes.lock().is_changed);
            if is_changed || is_other || is_stalled {
                shared.drop_ins.rescan();
            }
            match woken.recv_timeout(CHECK_INTERVAL) {
                Ok(()) => Self::wait_until_quiet(woken),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if shared.notes.lock().is_stopped {
                return;
            }
        }
    }

    fn wait_until_quiet(woken: &Receiver<()>) {
        let since = Instant::now();
        while let Some(left) = MAX_DELAY.checked_sub(since.elapsed()) {
            if woken.recv_timeout(QUIET_TIME.min(left)).is_err() {
                return;
            }
        }
    }

    /// Watches the directory that the path leads to now, and its parent, in which it may be created or replaced. Returns
    /// whether it is another directory than before.
    fn follow(&mut self, shared: &Shared) -> bool {
        let parent = self.directory.parent().unwrap_or(&self.directory).to_owned();
        let is_moved = std::mem::take(&mut shared.notes.lock().is_moved);
        let (now, parent_now) = (identity(&self.directory), identity(&parent));
        if parent_now != self.parent {
            self.parent = parent_now.filter(|_| self.watch(&parent, RecursiveMode::NonRecursive));
        }
        if now == self.identity && !is_moved {
            return false;
        }
        // Not under the lock, for which the thread of the watcher may wait.
        let before = shared.notes.lock().watched.take();
        if let Some(before) = before {
            // It may have ended with the directory.
            let _ = self.watcher.unwatch(&before);
        }
        shared.drop_ins.being_written().clear();
        self.identity = now;
        if let Ok(directory) = fs::canonicalize(&self.directory) {
            // Before the first event.
            shared.notes.lock().watched = Some(directory.clone());
            // With its subdirectories: a link may lead to a file in one. Not all of them need to be readable.
            let _ =
                self.watch(&directory, RecursiveMode::Recursive) || self.watch(&directory, RecursiveMode::NonRecursive);
        }
        true
    }

    fn watch(&mut self, directory: &Path, mode: RecursiveMode) -> bool {
        match self.watcher.watch(directory, mode) {
            Ok(()) => true,
            Err(error) => {
                // One that is not there is watched for in its parent.
                if directory.exists() {
                    warn!("{} cannot be watched: {error}", directory.display());
                }
                false
            }
        }
    }
}
