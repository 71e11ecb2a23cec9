//! Other transforms while the gateway runs: from a file that has changed, or from the configuration read anew.

use crate::config::{Config, Faults};
use crate::transforms;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use ocpp_gateway_pipeline::{ExchangeError, Pipeline, Source};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

/// Watches where transforms come from.
pub struct Exchange {
    pipeline: Pipeline,
    watch: Mutex<Watch>,
}

struct Watch {
    watcher: RecommendedWatcher,
    directories: HashSet<PathBuf>,
    files: Arc<Mutex<Files>>,
    config: Config,
}

/// The name of the transform that comes from a file.
type Files = HashMap<PathBuf, String>;

impl Exchange {
    /// Watches the files of all transforms. A component is taken when its file was closed after writing, or moved there.
    pub fn start(pipeline: Pipeline, config: &Config) -> notify::Result<Arc<Self>> {
        let (changed, changes) = mpsc::channel::<PathBuf>();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| match event {
            // The receiver ends with the gateway.
            Ok(event) if is_complete(event.kind) => event.paths.into_iter().for_each(|path| drop(changed.send(path))),
            Ok(_) => {}
            Err(error) => warn!("files of transforms cannot be watched: {error}"),
        })?;
        let files = Arc::new(Mutex::new(Files::new()));
        let (exchanged, followed) = (pipeline.clone(), Arc::clone(&files));
        thread::Builder::new().name("transform-watcher".into()).spawn(move || {
            for path in changes {
                let name = lock(&followed).get(&path).cloned();
                if let Some(name) = name {
                    exchange(&exchanged, &name, &path);
                }
            }
        })?;
        let watch = Watch { watcher, directories: HashSet::new(), files, config: config.clone() };
        let this = Exchange { pipeline, watch: Mutex::new(watch) };
        lock(&this.watch).follow()?;
        Ok(Arc::new(this))
    }

    /// Reads the configuration anew at every SIGHUP. Its transforms are put in the place of those that run; the rest of
    /// it takes a restart.
    pub fn reload_on_hangup(
        self: &Arc<Self>,
        read: impl Fn() -> Result<Config, Faults> + Send + Sync + 'static,
    ) -> io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let (this, read) = (Arc::clone(self), Arc::new(read));
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                let (this, read) = (Arc::clone(&this), Arc::clone(&read));
                // Compiling is not for the threads that serve charge points.
                let reloaded = tokio::task::spawn_blocking(move || match read() {
                    Ok(config) => this.reload(config),
                    Err(faults) => warn!("SIGHUP: everything stays as it is: {faults}"),
                });
                if let Err(error) = reloaded.await {
                    warn!("SIGHUP: {error}");
                }
            }
        });
        Ok(())
    }

    /// Puts the transforms of `config` in the place of those that run; if anything is wrong with them, all stay.
    pub fn reload(&self, config: Config) {
        let mut watch = lock(&self.watch);
        if let Err(error) = self.pipeline.exchange_all(transforms::specs(&config), transforms::validation(&config)) {
            return warn!("SIGHUP: everything stays as it is:\n{error}");
        }
        info!("SIGHUP: {} transforms run as they are configured now", config.transforms.len());
        if rest_differs(&watch.config, &config) {
            warn!("SIGHUP: the configuration has changed beside its transforms: that takes a restart");
        }
        watch.config = config;
        if let Err(error) = watch.follow() {
            warn!("files of transforms cannot be watched: {error}");
        }
    }
}

impl Watch {
    /// Watches the directories of the files: the files themselves may be replaced.
    fn follow(&mut self) -> notify::Result<()> {
        let mut files = Files::new();
        for spec in transforms::specs(&self.config) {
            if let Source::File(path) = spec.source {
                let path = std::path::absolute(path)?;
                if let Some(directory) = path.parent()
                    && self.directories.insert(directory.to_owned())
                {
                    self.watcher.watch(directory, RecursiveMode::NonRecursive)?;
                }
                files.insert(path, spec.name);
            }
        }
        *lock(&self.files) = files;
        Ok(())
    }
}

fn exchange(pipeline: &Pipeline, name: &str, path: &Path) {
    match pipeline.exchange(name, Some(Source::File(path.to_owned()))) {
        Ok(()) => {}
        Err(error @ ExchangeError::Load(_)) => warn!(transform = name, "the one that runs stays: {error}"),
        Err(error) => warn!(transform = name, "{error}"),
    }
}

/// Whether nobody is still writing.
fn is_complete(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
            // The same is reported once more, together with where it came from.
            | EventKind::Modify(ModifyKind::Name(RenameMode::To))
    )
}

fn rest_differs(old: &Config, new: &Config) -> bool {
    let rest = |config: &Config| {
        let without = Config { transforms: Vec::new(), validation: Default::default(), ..config.clone() };
        without.to_toml().unwrap_or_default()
    };
    rest(old) != rest(new)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
