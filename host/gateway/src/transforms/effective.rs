//! The transforms that are to run: those of the configuration, with what is stored for them, and those that were added.

use super::store::{Code, CodeKind, Index, Store, StoredVersion};
use crate::config::{self, Config, TransformConfig};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

/// A transform as it is to run.
#[derive(Debug, Clone)]
pub(super) struct EffectiveTransform {
    pub(super) config: TransformConfig,
    /// The number of the stored version that it is; 0: what the configuration says.
    pub(super) revision: u64,
    /// The component of the stored version, in the place of that in `config`.
    pub(super) upload: Option<UploadedComponent>,
}

/// A component that is stored with its version.
#[derive(Debug, Clone)]
pub(super) struct UploadedComponent {
    /// Where it is from, for people.
    pub(super) origin: String,
    pub(super) path: PathBuf,
}

/// An address, if it was fetched for the version; else it was uploaded.
fn origin_of(settings: &Map<String, Value>, code: &Code) -> String {
    let address = settings.get("component").and_then(Value::as_str).filter(|component| config::is_remote(component));
    address.map_or_else(|| format!("upload of {} bytes", code.size), config::without_secrets)
}

impl EffectiveTransform {
    /// As the configuration has it.
    pub(super) fn of_configuration(config: TransformConfig) -> Self {
        EffectiveTransform { config, revision: 0, upload: None }
    }

    /// The transform `name` with what is stored for it. `configured`: as the configuration has it, if it does.
    pub(super) fn new(
        name: &str,
        configured: Option<&TransformConfig>,
        version: &StoredVersion,
        store: &Store,
    ) -> Result<Self, String> {
        let (settings, code) = (&version.settings, version.code.as_ref());
        let mut config = merged(name, configured, settings, code.is_some())?;
        let mut upload = None;
        if let Some(code) = code {
            let missing = || format!("the file with sha256 {} is missing in the store", code.sha256);
            let path = store.path(code).ok_or_else(missing)?.display().to_string();
            match code.kind {
                CodeKind::Component => {
                    // That of a jq program, which another component has no use for.
                    if config.program_file().is_some() && !version.settings.contains_key("config") {
                        config.config.remove("file");
                    }
                    config.component = path.clone();
                    upload = Some(UploadedComponent { origin: origin_of(&version.settings, code), path: path.into() });
                    config.sha256 = Some(code.sha256.clone());
                }
                CodeKind::Program => {
                    // A component is compared when it is loaded.
                    let content = fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
                    if Code::of(code.kind, &content) != *code {
                        return Err(format!("{path} is damaged: its sha256 is not {}", code.sha256));
                    }
                    config.config.remove("program");
                    config.config.insert("file".into(), path.into());
                }
            }
        }
        Ok(EffectiveTransform { config, revision: version.number, upload })
    }
}

/// The settings of the configuration with those that replace them.
fn merged(
    name: &str,
    configured: Option<&TransformConfig>,
    settings: &Map<String, Value>,
    has_code: bool,
) -> Result<TransformConfig, String> {
    let mut table = match configured {
        Some(configured) => toml::Table::try_from(configured).map_err(|error| error.to_string())?,
        None => toml::Table::from_iter([("name".to_owned(), name.into())]),
    };
    if has_code || settings.contains_key("component") {
        // It is of the component that is replaced.
        table.remove("sha256");
    }
    if has_code && !settings.contains_key("component") {
        // Replaced below by that of the upload.
        table.insert("component".into(), "upload".into());
    }
    for (key, value) in settings {
        let value = toml::Value::try_from(value).map_err(|_| {
            format!("{key}: has a null or a number of more than 63 bits, which a configuration cannot have")
        })?;
        table.insert(key.clone(), value);
    }
    config::transform_of(table).map_err(|faults| faults.to_string())
}

/// The name of the mapping that the gateway adds if no transform maps.
pub(super) const DEFAULT_MAPPING: &str = "standard";

/// The transform `name` as the configuration has it.
pub(super) fn configured<'c>(name: &str, config: &'c Config) -> Option<&'c TransformConfig> {
    config.transforms.iter().find(|transform| transform.name == name)
}

/// The names of the transforms that come before the drop-ins, in their order.
pub(super) fn names(config: &Config, index: &Index) -> Vec<String> {
    let configured = config.transforms.iter().map(|transform| transform.name.as_str());
    let is_configured: HashSet<&str> = configured.clone().collect();
    let added = index.added().map(|(name, _)| name).filter(|name| !is_configured.contains(name));
    ordered(configured.chain(added).map(str::to_owned).collect(), &index.order)
}

/// `names` in the order that was asked for. One that is not in it stays behind the one that it follows otherwise.
fn ordered(names: Vec<String>, order: &[String]) -> Vec<String> {
    let mut result: Vec<String> = order.iter().filter(|name| names.contains(name)).cloned().collect();
    for (index, name) in names.iter().enumerate() {
        if !order.contains(name) {
            let before = index.checked_sub(1).and_then(|before| result.iter().position(|it| *it == names[before]));
            result.insert(before.map_or(0, |before| before + 1), name.clone());
        }
    }
    result
}

/// The transform `name` of `configured` as it is to run.
pub(super) fn effective(
    name: &str,
    configured: Option<&TransformConfig>,
    index: &Index,
    store: &Store,
) -> Option<Result<EffectiveTransform, String>> {
    let is_added = index.transforms.get(name).is_some_and(|stored| stored.is_added);
    match index.running(name) {
        Some(version) if configured.is_some() || is_added => {
            Some(EffectiveTransform::new(name, configured, version, store).map_err(|problem| {
                format!("transform {name:?}, version {} that was uploaded: {problem}", version.number)
            }))
        }
        _ => configured.cloned().map(EffectiveTransform::of_configuration).map(Ok),
    }
}

/// All transforms that come before the drop-ins, or why they cannot run.
pub(super) fn all(config: &Config, store: &Store) -> Vec<Result<EffectiveTransform, String>> {
    let index = store.index();
    // One with a name that is taken is a fault of the configuration, found elsewhere.
    let of = |name: &String| effective(name, configured(name, config), &index, store);
    names(config, &index).iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_names_follow_the_one_that_they_follow_in_the_configuration() {
        let names = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        for (configured, order, expected) in [
            ("abc", "", "abc"),
            ("abc", "cab", "cab"),
            ("abcd", "cab", "cdab"),
            ("xabc", "cab", "xcab"),
            ("ab", "cab", "ab"),
            ("abxy", "ba", "bxya"),
        ] {
            assert_eq!(ordered(names(configured), &names(order)), names(expected), "{configured} by {order}");
        }
    }
}
