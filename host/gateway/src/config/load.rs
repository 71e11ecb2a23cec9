//! From a TOML file and the environment to a [`Config`], with every fault at once.

use super::keys;
use super::{AuthMode, Bytes, Config, DefaultVersion};
use crate::security::Security;
use ocpp_gateway_mqtt::BrokerUrl;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::{Table, Value};

/// Environment variables that set a key: `OCPP_GATEWAY__MQTT__URL` is `mqtt.url`.
const PREFIX: &str = "OCPP_GATEWAY__";

/// Longer than this a message is not held up for the sake of others.
const MAX_COALESCE: Duration = Duration::from_millis(1);

/// What the program takes by itself, before it compiles anything, and the shortest time that can be limited.
const MIN_COMPILE_MEMORY: Bytes = Bytes::mebibytes(256);
const MIN_COMPILE_TIME: Duration = Duration::from_secs(1);

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file and key, or the environment variable.
    pub place: String,
    pub problem: String,
}

/// Everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (line, Fault { place, problem }) in self.0.iter().enumerate() {
            let separator = if line == 0 { "" } else { "\n" };
            write!(f, "{separator}{place}: {problem}")?;
        }
        Ok(())
    }
}

/// Reads `file`, if there is one, and then the variables of `environment`, which win.
pub fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Result<Config, Faults> {
    match read(file, environment) {
        (config, None) => Ok(config),
        (_, Some(faults)) => Err(faults),
    }
}

/// The same for whoever wants to look at the rest too if there are faults: what is wrong is left at its default.
pub fn read(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> (Config, Option<Faults>) {
    let mut draft = match Draft::read(file) {
        Ok(draft) => draft,
        Err(faults) => return (Config::default(), Some(faults)),
    };
    draft.apply(environment);
    draft.refuse_unknown_keys();
    let config = draft.resolve();
    draft.check(&config);
    let faults = (!draft.faults.is_empty()).then_some(Faults(draft.faults));
    (config, faults)
}

/// A configuration on its way: what was written, where, and what is wrong with it so far.
struct Draft {
    file: Option<PathBuf>,
    table: Table,
    /// Which keys came from the environment.
    variables: BTreeMap<String, Variable>,
    faults: Vec<Fault>,
}

/// Where a key comes from, and what it is as text.
struct Variable {
    name: String,
    text: String,
}

impl Draft {
    fn read(file: Option<&Path>) -> Result<Self, Faults> {
        let fault = |path: &Path, problem: String| Faults(vec![Fault { place: path.display().to_string(), problem }]);
        let table = match file {
            None => Table::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| fault(path, error.to_string()))?;
                text.parse::<Table>().map_err(|error| fault(path, error.to_string()))?
            }
        };
        Ok(Draft { file: file.map(Path::to_owned), table, variables: BTreeMap::new(), faults: Vec::new() })
    }

    fn apply(&mut self, environment: impl IntoIterator<Item = (String, String)>) {
        for (variable, text) in environment {
            let Some(name) = variable.strip_prefix(PREFIX) else { continue };
            let key = name.to_ascii_lowercase().replace("__", ".");
            let path: Vec<&str> = key.split('.').collect();
            if let Some(slot) = slot(&mut self.table, &path) {
                *slot = value_of(&text);
                self.variables.insert(key, Variable { name: variable, text });
            } else {
                let problem = "a key of that name is no section".to_owned();
                self.faults.push(Fault { place: variable, problem });
            }
        }
    }

    /// Takes out every key that there is not, so that the rest can still be looked at.
    fn refuse_unknown_keys(&mut self) {
        let mut strangers = Vec::new();
        find_strangers("", &mut self.table, &mut strangers);
        for key in strangers {
            let problem = match keys::nearest(&key) {
                Some(nearest) => format!("unknown key; did you mean {nearest}?"),
                None => "unknown key".to_owned(),
            };
            self.fault(&key, problem);
        }
    }

    /// Reads the values. One that cannot be read becomes a fault, and its default takes its place.
    fn resolve(&mut self) -> Config {
        loop {
            let error = match serde_path_to_error::deserialize::<_, Config>(Value::Table(self.table.clone())) {
                Ok(config) => return config,
                Err(error) => error,
            };
            let path: Vec<String> =
                error.path().iter().map(|segment| segment.to_string().replace(['[', ']'], "")).collect();
            let key = error.path().to_string();
            // A variable holds text; that it looks like a number does not mean that it is one (a password, say).
            if let Some(Variable { text, .. }) = self.variables.get(&key)
                && quote(&mut self.table, &path, text)
            {
                continue;
            }
            self.fault(&key, error.inner().message());
            if !remove(&mut self.table, &path) {
                return Config::default();
            }
        }
    }

    /// Looks for what no single value shows.
    fn check(&mut self, config: &Config) {
        let ocpp = &config.ocpp;
        if ocpp.versions.is_empty() {
            self.fault("ocpp.versions", "at least one version is needed");
        }
        if let DefaultVersion::Use(version) = ocpp.default_version
            && !ocpp.versions.contains(&version)
        {
            self.fault(
                "ocpp.default_version",
                format!("{version} is not among ocpp.versions; name one that is, or \"refuse\""),
            );
        }
        if !ocpp.path.starts_with('/') {
            self.fault("ocpp.path", "has to start with /");
        }
        for (key, span) in
            [("ocpp.call_timeout", ocpp.call_timeout), ("ocpp.handshake_timeout", ocpp.handshake_timeout)]
        {
            if span.get().is_zero() {
                self.fault(key, "has to be longer than nothing");
            }
        }
        for (key, number) in [
            ("ocpp.max_message_size", ocpp.max_message_size),
            ("ocpp.max_identity_length", ocpp.max_identity_length),
            ("ocpp.max_connections", ocpp.max_connections),
            ("ocpp.open_calls", ocpp.open_calls),
            ("ocpp.queue_memory", ocpp.queue_memory.get()),
            ("runtime.queue_memory", config.runtime.queue_memory.get()),
            ("runtime.threads", config.runtime.threads),
            ("runtime.compile_functions", config.runtime.compile_functions),
            ("ocpp.max_header_size", ocpp.max_header_size),
        ] {
            if number == 0 {
                self.fault(key, "has to be at least 1");
            }
        }
        if config.runtime.compile_memory.get() < MIN_COMPILE_MEMORY.get() {
            self.fault("runtime.compile_memory", format!("has to be {MIN_COMPILE_MEMORY} at least"));
        }
        if config.runtime.compile_time.get() < MIN_COMPILE_TIME {
            self.fault("runtime.compile_time", format!("has to be {MIN_COMPILE_TIME:?} at least"));
        }
        if config.runtime.coalesce.get() > MAX_COALESCE {
            self.fault("runtime.coalesce", format!("has to be {MAX_COALESCE:?} at most: messages wait so long"));
        }
        self.check_security(config);
        self.check_mqtt(config);
        super::presence::faults(config).into_iter().for_each(|(key, problem)| self.fault(key, problem));
        for (key, problem) in config.admin.faults() {
            self.fault(key, problem);
        }
        if let Err(error) = crate::log::filter(&config.log.level) {
            self.fault("log.level", error.to_string());
        }
        self.check_transforms(config);
        self.check_ports(config);
    }

    /// Whoever listens second would say that the address is in use, and not by whom.
    fn check_ports(&mut self, config: &Config) {
        let embedded = config.mqtt.url.is_none().then_some(("mqtt.embedded.listen", config.mqtt.embedded.listen));
        let all: Vec<(&str, SocketAddr)> = [("ocpp.listen", config.ocpp.listen), ("admin.listen", config.admin.listen)]
            .into_iter()
            .chain(embedded)
            .collect();
        for (place, (key, address)) in all.iter().enumerate() {
            let overlaps = |(_, other): &&(&str, SocketAddr)| {
                let everywhere = address.ip().is_unspecified() || other.ip().is_unspecified();
                address.port() != 0 && address.port() == other.port() && (everywhere || address.ip() == other.ip())
            };
            if let Some((first, other)) = all[..place].iter().find(overlaps) {
                self.fault(key, format!("{address} is taken already: {first} is {other}"));
            }
        }
    }

    fn check_security(&mut self, config: &Config) {
        let ocpp = &config.ocpp;
        match (ocpp.auth.mode, &ocpp.auth.users) {
            (AuthMode::Basic, None) => self.fault("ocpp.auth.users", "missing: with mode = \"basic\" it is needed"),
            (AuthMode::None, Some(_)) => {
                self.fault("ocpp.auth.users", "contradicts ocpp.auth.mode: nobody is asked for a password");
            }
            _ => {}
        }
        if ocpp.tls.as_ref().is_some_and(|tls| tls.client_ca.is_none() && !tls.identities.is_empty()) {
            self.fault("ocpp.tls.identities", "without ocpp.tls.client_ca no charge point shows a certificate");
        }
        if let Err(faults) = Security::load(ocpp) {
            faults.into_iter().for_each(|(key, problem)| self.fault(key, problem));
        }
        let url = config.mqtt.url.as_deref().and_then(|url| url.parse::<BrokerUrl>().ok());
        let tls = config.mqtt.tls_files();
        match (&config.mqtt.tls, url) {
            (_, Some(BrokerUrl { tls: true, .. })) => {
                if let Err(error) = tls.check() {
                    self.fault("mqtt.tls", error.to_string());
                }
            }
            (Some(_), _) => self.fault("mqtt.tls", "is for a broker whose mqtt.url begins with mqtts://"),
            (None, _) => {}
        }
    }

    fn check_mqtt(&mut self, config: &Config) {
        let mqtt = &config.mqtt;
        if mqtt.protocol_version().is_none() {
            self.fault("mqtt.version", format!("{} is neither 4 (MQTT 3.1.1) nor 5", mqtt.version));
        }
        let keep_alive = mqtt.keep_alive.get();
        if !(Duration::from_secs(1)..=Duration::from_secs(u16::MAX.into())).contains(&keep_alive) {
            self.fault("mqtt.keep_alive", "must be 1s to 65535s");
        }
        let embedded = ["mqtt.embedded.listen", "mqtt.embedded.max_retained", "mqtt.embedded.retained_memory"];
        for key in embedded {
            if mqtt.url.is_some() && self.is_set(key) {
                self.fault(key, "contradicts mqtt.url: with a broker of your own, the embedded one does not run");
            }
        }
        if mqtt.url.is_none() && (mqtt.username.is_some() || mqtt.password.is_some() || mqtt.password_file.is_some()) {
            self.fault("mqtt.username", "without mqtt.url there is nobody to show credentials to");
        }
        if mqtt.url.is_some() && mqtt.username.is_none() {
            for (key, set) in
                [("mqtt.password", mqtt.password.is_some()), ("mqtt.password_file", mqtt.password_file.is_some())]
            {
                if set {
                    self.fault(key, "is of no use without mqtt.username");
                }
            }
        }
        if mqtt.password.is_some() && mqtt.password_file.is_some() {
            self.fault("mqtt.password_file", "contradicts mqtt.password");
        }
        if let Some(Err(error)) = mqtt.url.as_deref().map(str::parse::<BrokerUrl>) {
            self.fault("mqtt.url", error.to_string());
        }
        if let Err(error) = mqtt.resolve_password() {
            self.fault("mqtt.password_file", error.to_string());
        }
        if let Some(problem) = mqtt.client_id_fault() {
            self.fault("mqtt.client_id", problem);
        }
        if mqtt.version != 5 && self.is_set("mqtt.session_expiry") {
            self.fault("mqtt.session_expiry", "is for mqtt.version = 5: in MQTT 3.1.1 the broker alone says how long");
        }
        if !mqtt.embedded.listen.ip().is_loopback() {
            self.fault(
                "mqtt.embedded.listen",
                "only a loopback address: the embedded broker asks nobody for credentials",
            );
        }
    }

    fn check_transforms(&mut self, config: &Config) {
        let mut names = HashSet::new();
        for (index, transform) in config.transforms.iter().enumerate() {
            if !names.insert(&transform.name) {
                self.fault(&format!("transforms[{index}].name"), format!("{:?} is taken already", transform.name));
            }
            if transform.limits.time.is_some_and(|time| time.get().is_zero()) {
                self.fault(&format!("transforms[{index}].limits.time"), "has to be longer than nothing");
            }
        }
    }

    fn is_set(&self, key: &str) -> bool {
        let mut names = key.split('.');
        let section = names.next().and_then(|name| self.table.get(name));
        names.fold(section, |value, name| value?.get(name)).is_some()
    }

    fn fault(&mut self, key: &str, problem: impl Into<String>) {
        let place = match (self.variables.get(key), &self.file) {
            (Some(variable), _) => variable.name.clone(),
            (None, Some(file)) => format!("{}: {key}", file.display()),
            (None, None) => key.to_owned(),
        };
        self.faults.push(Fault { place, problem: problem.into() });
    }
}

/// The value at `path`, made if need be; `None` where a part of the path is a value and not a section.
fn slot<'t>(table: &'t mut Table, path: &[&str]) -> Option<&'t mut Value> {
    let (name, rest) = path.split_first()?;
    let value = table.entry(*name).or_insert_with(|| Value::Table(Table::new()));
    if rest.is_empty() { Some(value) } else { slot(value.as_table_mut()?, rest) }
}

/// A variable's text as a number, a truth value or a list, where it is written like one.
fn value_of(text: &str) -> Value {
    let read = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    read.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Takes all keys that do not work out of `table`, and names them.
fn find_strangers(prefix: &str, table: &mut Table, strangers: &mut Vec<String>) {
    table.retain(|name, value| {
        let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        if keys::is_section(&key) {
            match value {
                Value::Table(section) => find_strangers(&key, section, strangers),
                Value::Array(list) => list
                    .iter_mut()
                    .filter_map(Value::as_table_mut)
                    .for_each(|item| find_strangers(&key, item, strangers)),
                // Not a section at all: the type error says so.
                _ => {}
            }
            return true;
        }
        match value {
            _ if keys::is_known(&key) => return true,
            // A section that there is not: its keys tell better which one was meant.
            Value::Table(section) if !section.is_empty() => find_strangers(&key, section, strangers),
            _ => strangers.push(key),
        }
        false
    });
}

/// Puts `text` in the place of the value at `path`. `false` if that is text already, or is not there.
fn quote(table: &mut Table, path: &[String], text: &str) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    let mut section = table;
    for name in parents {
        let Some(Value::Table(next)) = section.get_mut(name) else { return false };
        section = next;
    }
    match section.get_mut(last) {
        None | Some(Value::String(_) | Value::Table(_) | Value::Array(_)) => false,
        Some(value) => {
            *value = Value::String(text.to_owned());
            true
        }
    }
}

/// Removes the value at `path`, or the nearest one around it that can be removed.
fn remove(table: &mut Table, path: &[String]) -> bool {
    fn within(value: &mut Value, path: &[String]) -> bool {
        let Some((name, rest)) = path.split_first() else { return false };
        match value {
            Value::Table(table) => match table.get_mut(name) {
                Some(inner) => within(inner, rest) || table.remove(name).is_some(),
                None => false,
            },
            Value::Array(list) => match name.parse::<usize>() {
                Ok(index) if index < list.len() => {
                    if !within(&mut list[index], rest) {
                        list.remove(index);
                    }
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }
    let Some((name, rest)) = path.split_first() else { return false };
    match table.get_mut(name) {
        Some(inner) => within(inner, rest) || table.remove(name).is_some(),
        None => false,
    }
}

#[cfg(test)]
mod tests;
