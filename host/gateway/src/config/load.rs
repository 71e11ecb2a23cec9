//! From a TOML file and the environment to a [`Config`], with every fault at once.

use super::check;
use super::fault::{ConfigFault, ConfigFaults};
use super::keys;
use super::listener::section;
use super::paths;
use super::sections::Config;
use super::transform::TransformConfig;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Environment variables that set a key: `OCPP_GATEWAY__MQTT__URL` is `mqtt.url`.
const PREFIX: &str = "OCPP_GATEWAY__";

/// The environment variables that are UTF-8. Others cannot set a key.
pub fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Reads `file`, if there is one, and then the variables of `environment`, which win.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigFaults> {
    read(file, environment).into_result()
}

/// Like [`load`], but returns a configuration even if there are faults. Faulty values have their defaults.
pub fn read(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> LoadedConfig {
    let mut draft = match Draft::read(file) {
        Ok(draft) => draft,
        Err(fault) => {
            return LoadedConfig { config: Config::default(), sources: KeySources::default(), faults: vec![fault] };
        }
    };
    draft.apply(environment);
    draft.refuse_unknown_keys();
    let mut config = draft.resolve();
    if !config.listeners.is_empty() && !draft.is_set("ocpp.listen") {
        config.ocpp.listen = None;
    }
    paths::resolve(&mut config, file);
    for (key, problem) in check::faults(&config, |key| draft.is_set(key)) {
        draft.fault(&key, problem);
    }
    LoadedConfig { config, sources: draft.sources, faults: draft.faults }
}

/// A configuration, and the faults found while reading it.
pub struct LoadedConfig {
    pub config: Config,
    sources: KeySources,
    faults: Vec<ConfigFault>,
}

impl LoadedConfig {
    /// Adds a fault, such as one of a file that the configuration names, if it is not among the faults already.
    pub fn fault(&mut self, key: &str, problem: String) {
        let fault = ConfigFault { place: self.sources.place(key), problem };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// The faults so far, if there are any.
    pub fn faults(&self) -> Option<ConfigFaults> {
        (!self.faults.is_empty()).then(|| ConfigFaults(self.faults.clone()))
    }

    pub fn into_result(self) -> Result<Config, ConfigFaults> {
        if self.faults.is_empty() { Ok(self.config) } else { Err(ConfigFaults(self.faults)) }
    }
}

/// The sources of keys.
#[derive(Default)]
struct KeySources {
    file: Option<PathBuf>,
    /// Whether the file has the keys of one transform only.
    is_one_transform: bool,
    /// The keys that came from the environment.
    variables: BTreeMap<String, Variable>,
}

impl KeySources {
    fn place(&self, key: &str) -> String {
        match (self.variables.get(key), &self.file) {
            (Some(variable), _) => variable.name.clone(),
            (None, Some(file)) => format!("{}: {}", file.display(), self.name(key)),
            (None, None) => self.name(key).to_owned(),
        }
    }

    /// The key as the author of the file writes it.
    fn name<'k>(&self, key: &'k str) -> &'k str {
        let below = |section| key.strip_prefix(section).filter(|_| self.is_one_transform);
        below("transforms[0].").or_else(|| below("transforms.")).unwrap_or(key)
    }
}

/// A configuration while it is read: its values, their sources, and the faults so far.
pub(super) struct Draft {
    table: Value,
    sources: KeySources,
    faults: Vec<ConfigFault>,
}

/// The environment variable that sets a key, and its text.
struct Variable {
    name: String,
    text: String,
}

impl Draft {
    fn read(file: Option<&Path>) -> Result<Self, ConfigFault> {
        let fault = |path: &Path, problem: String| ConfigFault { place: path.display().to_string(), problem };
        let table = match file {
            None => Table::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| fault(path, error.to_string()))?;
                text.parse::<Table>().map_err(|error| fault(path, error.to_string()))?
            }
        };
        let sources = KeySources { file: file.map(Path::to_owned), ..KeySources::default() };
        Ok(Draft { table: table.into(), sources, faults: Vec::new() })
    }

    /// `transform`: the keys of one transform, which are in `file` if there is one.
    pub(super) fn of_one_transform(file: Option<&Path>, transform: Table) -> Self {
        let table = Table::from_iter([("transforms".to_owned(), Value::Array(vec![transform.into()]))]);
        let sources = KeySources { file: file.map(Path::to_owned), is_one_transform: true, ..KeySources::default() };
        Draft { table: table.into(), sources, faults: Vec::new() }
    }

    /// The first transform.
    pub(super) fn into_transform(mut self) -> Result<TransformConfig, ConfigFaults> {
        self.refuse_unknown_keys();
        let config = self.resolve();
        for (key, problem) in check::faults(&config, |key| self.is_set(key)) {
            self.fault(&key, problem);
        }
        let transform = config.transforms.into_iter().next().filter(|_| self.faults.is_empty());
        transform.ok_or(ConfigFaults(self.faults))
    }

    fn apply(&mut self, environment: impl IntoIterator<Item = (String, String)>) {
        for (variable, text) in environment {
            let Some(name) = variable.strip_prefix(PREFIX) else { continue };
            let key = name.to_ascii_lowercase().replace("__", ".");
            let path: Vec<&str> = key.split('.').collect();
            if let Some(value) = value_at(&mut self.table, &path) {
                *value = value_of(&text);
                self.sources.variables.insert(key, Variable { name: variable, text });
            } else {
                let problem = "a part of this key is a value, not a section".to_owned();
                self.faults.push(ConfigFault { place: variable, problem });
            }
        }
    }

    /// Removes every unknown key, so that the rest can be checked.
    fn refuse_unknown_keys(&mut self) {
        let mut unknown = Vec::new();
        remove_unknown_keys("", &mut self.table, &mut unknown);
        for key in unknown {
            let problem = match keys::nearest(&key) {
                Some(nearest) => format!("unknown key; did you mean {}?", self.sources.name(nearest)),
                None => "unknown key".to_owned(),
            };
            self.fault(&key, problem);
        }
    }

    /// Reads the values. A value that cannot be read is a fault, and its default replaces it.
    fn resolve(&mut self) -> Config {
        loop {
            let error = match serde_path_to_error::deserialize::<_, Config>(self.table.clone()) {
                Ok(config) => return config,
                Err(error) => error,
            };
            let path: Vec<String> =
                error.path().iter().map(|segment| segment.to_string().replace(['[', ']'], "")).collect();
            let key = error.path().to_string();
            // A variable holds text. One that looks like a number may be a text, such as a password.
            if let Some(Variable { text, .. }) = self.sources.variables.get(&key)
                && quote(&mut self.table, &path, text)
            {
                continue;
            }
            self.fault(&self.named(&key), without_type_names(error.inner().message()));
            if !remove(&mut self.table, &path) {
                return Config::default();
            }
        }
    }

    /// The key with an entry of `[[listeners]]` as texts call it.
    fn named<'k>(&self, key: &'k str) -> Cow<'k, str> {
        let of_entry = key.strip_prefix("listeners[").and_then(|rest| rest.split_once("]."));
        let Some((index, rest)) = of_entry else { return key.into() };
        let index = index.parse().unwrap_or_default();
        let entry = self.table.get("listeners").and_then(|listeners| listeners.get(index));
        let name = entry.and_then(|entry| entry.get("name")).and_then(Value::as_str).unwrap_or_default();
        format!("{}.{rest}", section(index, name)).into()
    }

    fn is_set(&self, key: &str) -> bool {
        key.split('.').try_fold(&self.table, |value, name| value.get(name)).is_some()
    }

    fn fault(&mut self, key: &str, problem: impl Into<String>) {
        let place = self.sources.place(key);
        self.faults.push(ConfigFault { place, problem: problem.into() });
    }
}

/// The value at `path`, created if it is missing. `None`: a part of the path is a value, not a section.
fn value_at<'t>(value: &'t mut Value, path: &[&str]) -> Option<&'t mut Value> {
    let Some((name, rest)) = path.split_first() else { return Some(value) };
    value_at(value.as_table_mut()?.entry(*name).or_insert_with(|| Table::new().into()), rest)
}

/// The text of a variable as a number, a boolean or a list if it is written like one.
fn value_of(text: &str) -> Value {
    let read = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    read.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Removes all unknown keys from a section, and collects their names.
fn remove_unknown_keys(prefix: &str, section: &mut Value, unknown: &mut Vec<String>) {
    let table = match section {
        Value::Table(table) => table,
        Value::Array(list) => return list.iter_mut().for_each(|item| remove_unknown_keys(prefix, item, unknown)),
        // Not a section: reading the values reports that.
        _ => return,
    };
    table.retain(|name, value| {
        let key = keys::below(prefix, name);
        match value {
            _ if keys::is_section(&key) => remove_unknown_keys(&key, value, unknown),
            _ if keys::is_known(&key) => {}
            // An unknown section: its keys show better which section was meant.
            Value::Table(section) if !section.is_empty() => {
                remove_unknown_keys(&key, value, unknown);
                return false;
            }
            _ => {
                unknown.push(key);
                return false;
            }
        }
        true
    });
}

/// Replaces the value at `path` by `text`. `false`: it is text or a section already, or does not exist.
fn quote(table: &mut Value, path: &[String], text: &str) -> bool {
    match path.iter().try_fold(table, |value, name| value.get_mut(name)) {
        None | Some(Value::String(_) | Value::Table(_) | Value::Array(_)) => false,
        Some(value) => {
            *value = text.into();
            true
        }
    }
}

/// Replaces names of Rust types in an error of serde, which authors of a configuration do not know.
fn without_type_names(problem: &str) -> String {
    const NAMES: [(&str, &str); 10] = [
        ("u8", "a whole number from 0 to 255"),
        ("u16", "a whole number from 0 to 65535"),
        ("u32", "a whole number from 0 to 4294967295"),
        ("u64", "a whole number of 0 or more"),
        ("usize", "a whole number of 0 or more"),
        ("a nonzero u32", "a whole number of 1 or more"),
        ("a nonzero usize", "a whole number of 1 or more"),
        ("a boolean", "true or false"),
        ("a sequence", "a list in brackets"),
        ("a string", "a text in quotes"),
    ];
    let Some((found, expected)) = problem.rsplit_once(", expected ") else { return problem.to_owned() };
    let plain = match NAMES.iter().find(|(name, _)| *name == expected) {
        Some((_, plain)) => plain,
        None if expected.starts_with("struct ") || expected == "a map" => "a section",
        None => expected,
    };
    format!("{found}, expected {plain}")
}

/// Removes the value at `path`, or the nearest one around it that can be removed.
fn remove(value: &mut Value, path: &[String]) -> bool {
    let Some((name, rest)) = path.split_first() else { return false };
    match value {
        Value::Table(table) => match table.get_mut(name) {
            Some(inner) => remove(inner, rest) || table.remove(name).is_some(),
            None => false,
        },
        Value::Array(list) => match name.parse::<usize>() {
            Ok(index) if index < list.len() => {
                if !remove(&mut list[index], rest) {
                    list.remove(index);
                }
                true
            }
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests;
