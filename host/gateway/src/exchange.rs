//! Other transforms while the gateway runs: from a file that has changed, or from the configuration read anew.

use crate::config::{Config, Faults};
use crate::transforms;
use crate::watch::{Watch, is_complete};
use ocpp_gateway_pipeline::{ExchangeError, Pipeline, Source};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

/// Watches where transforms come from.
pub struct Exchange {
    pipeline: Pipeline,
    sources: Mutex<Sources>,
}

struct Sources {
    watch: Watch,
    files: Arc<Mutex<Files>>,
    config: Config,
}

/// The names of the transforms that come from a file.
type Files = HashMap<PathBuf, Vec<String>>;

impl Exchange {
    /// Watches the files of all transforms. A component is taken when its file was closed after writing, or moved there.
    pub fn start(pipeline: Pipeline, config: &Config) -> notify::Result<Arc<Self>> {
        let files = Arc::new(Mutex::new(Files::new()));
        let (exchanged, followed) = (pipeline.clone(), Arc::clone(&files));
        let watch = Watch::start("transform-watcher", is_complete, move |changes| {
            for path in changes {
                let names = lock(&followed).get(&path).cloned();
                for name in names.into_iter().flatten() {
                    exchange(&exchanged, &name, &path);
                }
            }
        })?;
        let sources = Sources { watch, files, config: config.clone() };
        let this = Exchange { pipeline, sources: Mutex::new(sources) };
        lock(&this.sources).follow()?;
        Ok(Arc::new(this))
    }

    /// Reads the configuration anew at every SIGHUP. Its transforms and its validation are put in the place of those in
    /// force; the rest of it takes a restart.
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

    /// Puts the transforms and the validation of `config` in the place of those in force; if anything is wrong with them,
    /// all stay.
    pub fn reload(&self, config: Config) {
        let mut sources = lock(&self.sources);
        if let Err(error) = self.pipeline.exchange_all(transforms::specs(&config), transforms::validation(&config)) {
            return warn!("SIGHUP: everything stays as it is:\n{error}");
        }
        info!("SIGHUP: {} transforms run as they are configured now", config.transforms.len());
        if rest_differs(&sources.config, &config) {
            warn!("SIGHUP: the configuration has changed beside its transforms and validation: that takes a restart");
        }
        sources.config = config;
        if let Err(error) = sources.follow() {
            warn!("files of transforms cannot be watched: {error}");
        }
    }
}

impl Sources {
    fn follow(&mut self) -> notify::Result<()> {
        let mut files = Files::new();
        for spec in transforms::specs(&self.config) {
            if let Source::File(path) = spec.source {
                let path = self.watch.follow(&path)?;
                files.entry(path).or_default().push(spec.name);
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
