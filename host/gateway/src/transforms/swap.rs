//! Hot swaps while the gateway runs: from a file that has changed, or from the configuration, read again.

use super::change::Changer;
use super::drop_in::{DropInWatch, DropIns};
use super::store::Store;
use super::trust::TrustedKeys;
use crate::config::Config;
use crate::operations::file_watch::{FileWatch, is_complete};
use ocpp_gateway_pipeline::Pipeline;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use tracing::{info, warn};

/// Watches the sources of transforms.
pub struct HotSwap {
    changer: Arc<Changer>,
    files: Mutex<WatchedFiles>,
    /// Watches the drop-in directory until it is dropped.
    _drop_in_watch: DropInWatch,
}

/// The files that the configuration names.
struct WatchedFiles {
    watch: FileWatch,
    by_path: Arc<Mutex<FilesByPath>>,
    /// Those at the start.
    trusted: TrustedKeys,
}

/// By the path whose changes are reported: the transforms that the file belongs to.
type FilesByPath = HashMap<PathBuf, Vec<FollowedFile>>;

/// A file that a transform is loaded from.
#[derive(Debug, Clone)]
struct FollowedFile {
    transform: String,
    /// The component or the program. What has changed may be its signature.
    path: PathBuf,
}

impl HotSwap {
    /// Watches the files of all transforms, and the drop-in directory. A component is loaded when its file was closed
    /// after writing, or moved there.
    pub fn start(
        pipeline: &Pipeline,
        drop_ins: DropIns,
        store: Arc<Store>,
        config: &Config,
    ) -> notify::Result<Arc<Self>> {
        let drop_ins = Arc::new(drop_ins);
        let changer = Arc::new(Changer::new(pipeline.clone(), store, Arc::clone(&drop_ins), config));
        let by_path = Arc::new(Mutex::new(FilesByPath::new()));
        let (changed, followed) = (Arc::clone(&changer), Arc::clone(&by_path));
        let watch = FileWatch::start("transform-watcher", is_complete, move |changes| {
            for path in changes {
                let files = followed.lock().get(&path).cloned();
                files.into_iter().flatten().for_each(|file| changed.file_changed(&file.transform, &file.path));
            }
        })?;
        let files = Mutex::new(WatchedFiles { watch, by_path, trusted: TrustedKeys::new(&config.trust) });
        let this = HotSwap { changer, files, _drop_in_watch: DropInWatch::start(drop_ins)? };
        this.files.lock().follow(config)?;
        this.changer.log_masked(config);
        Ok(Arc::new(this))
    }

    pub fn changer(&self) -> &Arc<Changer> {
        &self.changer
    }

    pub fn drop_ins(&self) -> &Arc<DropIns> {
        self.changer.drop_ins()
    }

    /// The configuration in force, with those keys of `new` that need no restart.
    pub fn with_live_keys(&self, new: &Config) -> Config {
        with_live_keys(&self.changer.config(), new)
    }

    /// Replaces the transforms and the validation by those of `config`, and loads the drop-ins again. What was uploaded
    /// stays in place of them. If there is any fault in `config`, all of them stay; a drop-in with a fault stays as it is
    /// alone. `false`: there is one, and it was logged.
    pub fn reload(&self, config: Config) -> bool {
        let _changing = self.changer.lock();
        match self.drop_ins().reload(&config) {
            Err(problem) => {
                log_faults(&problem);
                return false;
            }
            Ok(true) => {}
            Ok(false) => info!("SIGHUP: the same transforms run as before"),
        }
        // Compared with the configuration at the start, so that every SIGHUP names all keys that require a restart.
        let current = self.changer.config();
        let pending = changed_keys(&current, &config);
        if !pending.is_empty() {
            warn!("SIGHUP: these keys have changed and require a restart: {}", pending.join(", "));
        }
        self.changer.log_masked(&config);
        if let Err(error) = self.files.lock().follow(&config) {
            warn!("files of transforms cannot be watched: {error}");
        }
        self.changer.set_config(with_live_keys(&current, &config));
        true
    }
}

impl WatchedFiles {
    fn follow(&mut self, config: &Config) -> notify::Result<()> {
        let mut by_path = FilesByPath::new();
        for transform in &config.transforms {
            for path in [transform.component_file(), transform.program_file()].into_iter().flatten() {
                let path = self.watch.follow(path)?;
                let signature = self.trusted.signature_file(&path);
                for watched in signature.into_iter().chain([path.clone()]) {
                    let file = FollowedFile { transform: transform.name.clone(), path: path.clone() };
                    by_path.entry(self.watch.follow(&watched)?).or_default().push(file);
                }
            }
        }
        *self.by_path.lock() = by_path;
        Ok(())
    }
}

/// Logs one line per fault, because line breaks within a line are escaped.
pub fn log_faults(faults: &dyn Display) {
    warn!("SIGHUP: everything stays as it is");
    faults.to_string().lines().for_each(|fault| warn!("SIGHUP: {fault}"));
}

/// The configuration `current` with those keys of `new` that need no restart: transforms, validation and listeners.
fn with_live_keys(current: &Config, new: &Config) -> Config {
    Config {
        transforms: new.transforms.clone(),
        validation: new.validation,
        listeners: new.listeners.clone(),
        ocpp: current.ocpp.with_listener_of(&new.ocpp),
        ..current.clone()
    }
}

/// The keys whose values differ, except those that need no restart.
fn changed_keys(old: &Config, new: &Config) -> Vec<String> {
    let mut keys = Vec::new();
    let table = |config: &Config| toml::Table::try_from(config).unwrap_or_default();
    differences("", &table(&with_live_keys(old, new)), &table(new), &mut keys);
    // Secrets are not serialized.
    if old.mqtt.password != new.mqtt.password {
        keys.push("mqtt.password".to_owned());
    }
    keys
}

fn differences(section: &str, old: &toml::Table, new: &toml::Table, keys: &mut Vec<String>) {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        match (old.get(name), new.get(name)) {
            (Some(toml::Value::Table(old)), Some(toml::Value::Table(new))) => differences(&key, old, new, keys),
            (old, new) if old == new => {}
            _ => keys.push(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_require_a_restart_are_named() {
        let old = Config::default();
        let mut new = Config::default();
        assert_eq!(changed_keys(&old, &new), [""; 0]);
        new.ocpp.queue += 1;
        new.ocpp.idle_timeout = Some(new.ocpp.call_timeout);
        new.mqtt.embedded.listen.set_port(1);
        new.mqtt.password = Some("secret".into());
        new.validation.mode = crate::config::ValidationMode::Both;
        assert_eq!(
            changed_keys(&old, &new),
            ["mqtt.embedded.listen", "ocpp.idle_timeout", "ocpp.queue", "mqtt.password"]
        );
    }
}
