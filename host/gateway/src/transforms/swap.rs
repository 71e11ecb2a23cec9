//! Hot swaps while the gateway runs: from a file that has changed, or from the configuration, read again.

use super::drop_in::{DropInWatch, DropIns};
use super::specs::specs;
use super::trust::TrustedKeys;
use crate::config::{Config, ConfigFaults};
use crate::operations::file_watch::{FileWatch, is_complete};
use crate::operations::shutdown::on_hangup;
use ocpp_gateway_pipeline::{FewerHooks, Pipeline, Source, SwapError};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tracing::{info, warn};

/// Watches the sources of transforms.
pub struct HotSwap {
    drop_ins: Arc<DropIns>,
    sources: Mutex<Sources>,
    /// Watches the drop-in directory until it is dropped.
    _drop_in_watch: DropInWatch,
}

struct Sources {
    watch: FileWatch,
    files: Arc<Mutex<Files>>,
    config: Config,
    /// Those at the start.
    trusted: TrustedKeys,
}

/// By the path whose changes are reported: the transforms that the file belongs to.
type Files = HashMap<PathBuf, Vec<Followed>>;

/// A file that a transform is loaded from.
#[derive(Debug, Clone)]
struct Followed {
    transform: String,
    role: Role,
    /// The component or the program. What has changed may be its signature.
    path: PathBuf,
}

#[derive(Debug, Clone, Copy)]
enum Role {
    Component,
    Program,
}

impl HotSwap {
    /// Watches the files of all transforms, and the drop-in directory. A component is loaded when its file was closed
    /// after writing, or moved there.
    pub fn start(pipeline: &Pipeline, drop_ins: DropIns, config: &Config) -> notify::Result<Arc<Self>> {
        let files = Arc::new(Mutex::new(Files::new()));
        let (swapped, followed) = (pipeline.clone(), Arc::clone(&files));
        let watch = FileWatch::start("transform-watcher", is_complete, move |changes| {
            for path in changes {
                let files = followed.lock().get(&path).cloned();
                for file in files.into_iter().flatten() {
                    swap(&swapped, &file);
                }
            }
        })?;
        let sources = Sources { watch, files, config: config.clone(), trusted: TrustedKeys::new(&config.trust) };
        let drop_ins = Arc::new(drop_ins);
        let watch = DropInWatch::start(Arc::clone(&drop_ins))?;
        let this = HotSwap { drop_ins, sources: Mutex::new(sources), _drop_in_watch: watch };
        this.sources.lock().follow()?;
        Ok(Arc::new(this))
    }

    pub fn drop_ins(&self) -> &Arc<DropIns> {
        &self.drop_ins
    }

    /// Reads the configuration again at every SIGHUP. Its transforms and its validation replace the current ones; other
    /// keys require a restart.
    pub fn reload_on_hangup(
        self: &Arc<Self>,
        read: impl Fn() -> Result<Config, ConfigFaults> + Send + Sync + 'static,
    ) -> io::Result<()> {
        let this = Arc::clone(self);
        on_hangup(move || match read() {
            Ok(config) => this.reload(config),
            Err(faults) => log_faults(&faults),
        })
    }

    /// Replaces the transforms and the validation by those of `config`, and loads the drop-ins again. If there is any
    /// fault in `config`, all of them stay; a drop-in with a fault stays as it is alone.
    pub fn reload(&self, config: Config) {
        let mut sources = self.sources.lock();
        match self.drop_ins.reload(&config) {
            Err(problem) => return log_faults(&problem),
            Ok(true) => {}
            Ok(false) => info!("SIGHUP: the same transforms run as before"),
        }
        // Compared with the configuration at the start, so that every SIGHUP names all keys that require a restart.
        let pending = changed_keys(&sources.config, &config);
        if !pending.is_empty() {
            warn!("SIGHUP: these keys have changed and require a restart: {}", pending.join(", "));
        }
        sources.config.transforms = config.transforms;
        sources.config.validation = config.validation;
        if let Err(error) = sources.follow() {
            warn!("files of transforms cannot be watched: {error}");
        }
    }
}

impl Sources {
    fn follow(&mut self) -> notify::Result<()> {
        let mut files = Files::new();
        for spec in specs(&self.config) {
            let component = match spec.source {
                Source::File(path) => Some((path, Role::Component)),
                Source::Builtin(_) | Source::Bytes(_) => None,
            };
            let program = spec.program.map(|path| (path, Role::Program));
            for (path, role) in component.into_iter().chain(program) {
                let path = self.watch.follow(&path)?;
                let signature = self.trusted.signature_file(&path);
                for watched in signature.into_iter().chain([path.clone()]) {
                    let file = Followed { transform: spec.name.clone(), role, path: path.clone() };
                    files.entry(self.watch.follow(&watched)?).or_default().push(file);
                }
            }
        }
        *self.files.lock() = files;
        Ok(())
    }
}

fn swap(pipeline: &Pipeline, Followed { transform: name, role, path }: &Followed) {
    let source = match role {
        Role::Component => Some(Source::File(path.clone())),
        // The configured component is loaded again, with the new program.
        Role::Program => None,
    };
    match pipeline.swap(name, source, FewerHooks::Refuse) {
        Ok(_) => {}
        Err(error @ SwapError::Load(_)) => warn!(transform = name, "the running version stays: {error}"),
        Err(error) => warn!(transform = name, "{error}"),
    }
}

/// Logs one line per fault, because line breaks within a line are escaped.
fn log_faults(faults: &dyn Display) {
    warn!("SIGHUP: everything stays as it is");
    faults.to_string().lines().for_each(|fault| warn!("SIGHUP: {fault}"));
}

/// The keys whose values differ, except those of transforms and validation.
fn changed_keys(old: &Config, new: &Config) -> Vec<String> {
    let mut keys = Vec::new();
    let table = |config: &Config| {
        let rest = Config { transforms: Vec::new(), validation: Default::default(), ..config.clone() };
        toml::Table::try_from(rest).unwrap_or_default()
    };
    differences("", &table(old), &table(new), &mut keys);
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
