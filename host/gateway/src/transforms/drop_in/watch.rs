//! Notices changes in the drop-in directory.

use super::drop_ins::DropIns;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};
use tracing::warn;

/// Changes with no more than this between them count as one, because an editor saves in several steps.
const QUIET_TIME: Duration = Duration::from_millis(50);
/// How long changes may follow each other before they are used.
const MAX_DELAY: Duration = Duration::from_millis(300);

/// `None` ends the thread.
type Notice = Option<notify::Result<Event>>;

/// Watches the drop-in directory until it is dropped.
pub(in crate::transforms) struct DropInWatch {
    stop: Sender<Notice>,
}

impl DropInWatch {
    pub(in crate::transforms) fn start(drop_ins: Arc<DropIns>) -> notify::Result<Self> {
        let (sender, notices) = mpsc::channel();
        let stop = sender.clone();
        if let Some(directory) = drop_ins.directory().map(Path::to_owned) {
            // The receiver ends with the gateway.
            let watcher = notify::recommended_watcher(move |event| drop(sender.send(Some(event))))?;
            let mut watching = Watching { watcher, directory, watched: None, being_written: HashSet::new() };
            watching.follow_parent();
            thread::Builder::new().name("drop-in-watcher".into()).spawn(move || watching.run(&drop_ins, &notices))?;
        }
        Ok(DropInWatch { stop })
    }
}

impl Drop for DropInWatch {
    fn drop(&mut self) {
        // Without a directory there is no thread.
        let _ = self.stop.send(None);
    }
}

struct Watching {
    watcher: RecommendedWatcher,
    /// As configured.
    directory: PathBuf,
    /// The canonical path of the directory, while it is watched.
    watched: Option<PathBuf>,
    /// Files that were written to, and are still open.
    being_written: HashSet<PathBuf>,
}

impl Watching {
    fn run(mut self, drop_ins: &DropIns, notices: &Receiver<Notice>) {
        self.follow_directory();
        // What has changed since the start of the gateway.
        drop_ins.rescan(&self.being_written);
        while let Ok(Some(first)) = notices.recv() {
            let mut is_relevant = self.note(first);
            let since = Instant::now();
            while let Some(left) = MAX_DELAY.checked_sub(since.elapsed()) {
                match notices.recv_timeout(QUIET_TIME.min(left)) {
                    Ok(Some(next)) => is_relevant |= self.note(next),
                    Ok(None) => return,
                    Err(_) => break,
                }
            }
            if is_relevant {
                self.being_written.retain(|path| path.exists());
                drop_ins.rescan(&self.being_written);
            }
        }
    }

    /// Watches the parent of the directory, which may be created, replaced or removed later.
    fn follow_parent(&mut self) {
        let Some(parent) = self.directory.parent().filter(|parent| parent.is_dir()) else { return };
        if let Err(error) = self.watcher.watch(parent, RecursiveMode::NonRecursive) {
            warn!("{} cannot be watched: {error}", parent.display());
        }
    }

    /// Watches the directory that the path leads to now, with its subdirectories: a link may lead to a file in one.
    fn follow_directory(&mut self) {
        if let Some(before) = self.watched.take() {
            // It may have ended with the directory.
            let _ = self.watcher.unwatch(&before);
        }
        let Ok(directory) = fs::canonicalize(&self.directory) else { return };
        match self.watcher.watch(&directory, RecursiveMode::Recursive) {
            Ok(()) => self.watched = Some(directory),
            Err(error) => warn!("{} cannot be watched: {error}", directory.display()),
        }
    }

    /// Whether the event may be a change of a drop-in.
    fn note(&mut self, event: notify::Result<Event>) -> bool {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                warn!("drop-ins cannot be watched: {error}");
                return false;
            }
        };
        if event.need_rescan() {
            // Events were lost.
            self.being_written.clear();
            self.follow_directory();
            return true;
        }
        let is_inside = |path: &PathBuf| self.watched.as_ref().is_some_and(|directory| path.starts_with(directory));
        let concerns_directory = event.paths.contains(&self.directory);
        if !concerns_directory && !event.paths.iter().any(is_inside) {
            return false;
        }
        let is_other_entry =
            matches!(event.kind, EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
        if concerns_directory && is_other_entry {
            self.follow_directory();
        }
        self.follow_writes(&event)
    }

    /// Keeps account of files that are being written. Returns whether the event may be a change.
    fn follow_writes(&mut self, event: &Event) -> bool {
        match event.kind {
            EventKind::Modify(ModifyKind::Data(_)) => {
                self.being_written.extend(event.paths.iter().cloned());
                return false;
            }
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Create(_)
            | EventKind::Remove(_)
            | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => {
                self.being_written.retain(|path| !event.paths.contains(path));
            }
            EventKind::Access(_) => return false,
            // Reported once more after each move within the directory: a file can be moved while it is written.
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {
                if let [from, to] = &event.paths[..]
                    && self.being_written.remove(from)
                {
                    self.being_written.insert(to.clone());
                }
            }
            _ => {}
        }
        true
    }
}
