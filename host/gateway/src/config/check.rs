//! Faults of a configuration whose values have the right form: values out of range, and keys that contradict each
//! other. Files that it names are not read here.

use super::listener::{DEFAULT_LISTENER, Listener, ListenerConfig, section};
use super::sections::Config;
use super::topic::TopicTemplate;
use super::transform::{JQ, RESERVED_NAMES};
use super::values::{Bytes, OnDuplicate};
use ocpp_gateway_mqtt::BrokerUrl;
use std::borrow::Cow;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

/// The longest time that coalescing may delay a message.
const MAX_COALESCE: Duration = Duration::from_millis(1);

/// The memory of the program before it compiles anything, and the shortest time that can be limited.
const MIN_COMPILE_MEMORY: Bytes = Bytes::mebibytes(256);
const MIN_COMPILE_TIME: Duration = Duration::from_secs(1);

/// All faults: the key and the problem. `is_set`: whether a key was set, and not left at its default.
pub(super) fn faults(config: &Config, is_set: impl Fn(&str) -> bool) -> Vec<(Cow<'static, str>, String)> {
    let mut check = ConfigCheck(Vec::new());
    check.ocpp(config);
    check.listeners(config, &is_set);
    check.runtime(config);
    check.security(config);
    check.mqtt(config, &is_set);
    check.drop_in(config, is_set);
    check.storage(config);
    check.presence(config);
    config.admin.faults().into_iter().for_each(|(key, problem)| check.fault(key, problem));
    check.transforms(config);
    check.ports(config);
    check.0
}

struct ConfigCheck(Vec<(Cow<'static, str>, String)>);

impl ConfigCheck {
    fn ocpp(&mut self, config: &Config) {
        let ocpp = &config.ocpp;
        self.refuse(ocpp.call_timeout.get().is_zero(), "ocpp.call_timeout", "has to be longer than 0s");
        for (key, number) in [
            ("ocpp.max_connections", ocpp.max_connections),
            ("ocpp.open_calls", ocpp.open_calls),
            ("ocpp.queue_memory", ocpp.queue_memory.get()),
            ("runtime.queue_memory", config.runtime.queue_memory.get()),
            ("runtime.threads", config.runtime.threads),
            ("runtime.compile_functions", config.runtime.compile_functions),
        ] {
            self.refuse(number == 0, key, "has to be at least 1");
        }
    }

    /// Each listener, and what they must not have in common.
    fn listeners(&mut self, config: &Config, is_set: impl Fn(&str) -> bool) {
        let mut names = HashSet::from([DEFAULT_LISTENER]);
        for (index, ListenerConfig { name, listen, .. }) in config.listeners.iter().enumerate() {
            let key = |name: &str| format!("listeners[{index}].{name}");
            if name.is_empty() {
                self.fault(key("name"), "missing: the API and the log name the listener by it");
            } else if !names.insert(name) {
                self.fault(key("name"), format!("{name:?} is taken already"));
            } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
                self.fault(key("name"), "may have ASCII letters and digits, and - _ .");
            }
            if listen.is_none() {
                let key = format!("{}.listen", section(index, name));
                self.fault(key, "missing: an address such as \"0.0.0.0:33443\"");
            }
        }
        if config.ocpp.listen.is_none() {
            for name in ["path", "access", "mountpoint", "identities", "tls", "auth"] {
                if is_set(&format!("ocpp.{name}")) {
                    let problem = "has no effect: with [[listeners]], the one of [ocpp] needs ocpp.listen";
                    self.fault(format!("ocpp.{name}"), problem);
                }
            }
        }
        for (index, listener) in config.listeners.iter().enumerate() {
            let ListenerConfig { name, max_message_size, max_connections, .. } = listener;
            let section = section(index, name);
            for (key, own, all) in [
                ("max_message_size", max_message_size, config.ocpp.max_message_size),
                ("max_connections", max_connections, config.ocpp.max_connections),
            ] {
                if own.is_some_and(|own| own > all) {
                    let problem = format!("is more than ocpp.{key} = {all}, the limit of all listeners");
                    self.fault(format!("{section}.{key}"), problem);
                }
            }
        }
        // Without a listener of its own, the values of [ocpp] are those of others.
        config.all_listeners().iter().flat_map(Listener::faults).for_each(|(key, problem)| self.fault(key, problem));
    }

    fn runtime(&mut self, config: &Config) {
        if config.runtime.compile_memory.get() < MIN_COMPILE_MEMORY.get() {
            self.fault("runtime.compile_memory", format!("has to be {MIN_COMPILE_MEMORY} at least"));
        }
        if config.runtime.compile_time.get() < MIN_COMPILE_TIME {
            self.fault("runtime.compile_time", format!("has to be {MIN_COMPILE_TIME:?} at least"));
        }
        if config.runtime.coalesce.get() > MAX_COALESCE {
            self.fault("runtime.coalesce", format!("has to be {MAX_COALESCE:?} at most: it delays messages"));
        }
    }

    /// Two listeners with one address. The error of the second one would not name the first.
    fn ports(&mut self, config: &Config) {
        let embedded = config.mqtt.url.is_none().then_some(("mqtt.embedded.listen", config.mqtt.embedded.listen));
        let of_charge_points =
            config.all_listeners().into_iter().map(|listener| (listener.key("listen"), listener.listen));
        let others = [("admin.listen", config.admin.listen)].into_iter().chain(embedded);
        let all: Vec<(String, SocketAddr)> =
            of_charge_points.chain(others.map(|(key, address)| (key.to_owned(), address))).collect();
        for (index, (key, address)) in all.iter().enumerate() {
            let overlaps = |(_, other): &&(String, SocketAddr)| {
                let everywhere = address.ip().is_unspecified() || other.ip().is_unspecified();
                address.port() != 0 && address.port() == other.port() && (everywhere || address.ip() == other.ip())
            };
            if let Some((first, other)) = all[..index].iter().find(overlaps) {
                self.fault(key.clone(), format!("{address} is taken already: {first} is {other}"));
            }
        }
    }

    fn security(&mut self, config: &Config) {
        let url = config.mqtt.url.as_deref().and_then(|url| url.parse::<BrokerUrl>().ok());
        let is_plain = !url.is_some_and(|url| url.tls);
        let problem = "is for a broker whose mqtt.url begins with mqtts://";
        self.refuse(config.mqtt.tls.is_some() && is_plain, "mqtt.tls", problem);
    }

    fn mqtt(&mut self, config: &Config, is_set: impl Fn(&str) -> bool) {
        let mqtt = &config.mqtt;
        let (has_url, has_name) = (mqtt.url.is_some(), mqtt.username.is_some());
        let (has_password, has_file) = (mqtt.password.is_some(), mqtt.password_file.is_some());
        if mqtt.protocol_version().is_none() {
            self.fault("mqtt.version", format!("{} is neither 4 (MQTT 3.1.1) nor 5", mqtt.version));
        }
        let allowed = Duration::from_secs(1)..=Duration::from_secs(u16::MAX.into());
        self.refuse(!allowed.contains(&mqtt.keep_alive.get()), "mqtt.keep_alive", "must be 1s to 65535s");
        for key in ["mqtt.embedded.listen", "mqtt.embedded.max_retained", "mqtt.embedded.retained_memory"] {
            let problem = "contradicts mqtt.url: with a broker of your own, the embedded one does not run";
            self.refuse(has_url && is_set(key), key, problem);
        }
        let has_credentials = has_name || has_password || has_file;
        let problem = "without mqtt.url, the embedded broker runs, which asks for no credentials";
        self.refuse(!has_url && has_credentials, "mqtt.username", problem);
        for (key, set) in [("mqtt.password", has_password), ("mqtt.password_file", has_file)] {
            self.refuse(has_url && !has_name && set, key, "is of no use without mqtt.username");
        }
        self.refuse(has_password && has_file, "mqtt.password_file", "contradicts mqtt.password");
        if let Some(Err(error)) = mqtt.url.as_deref().map(str::parse::<BrokerUrl>) {
            self.fault("mqtt.url", error.to_string());
        }
        if let Some(problem) = mqtt.client_id_fault() {
            self.fault("mqtt.client_id", problem);
        }
        let problem = "requires mqtt.version = 5: in MQTT 3.1.1 the broker alone decides";
        self.refuse(mqtt.version != 5 && is_set("mqtt.session_expiry"), "mqtt.session_expiry", problem);
        let problem = "only a loopback address is allowed: the embedded broker asks for no credentials";
        self.refuse(!mqtt.embedded.listen.ip().is_loopback(), "mqtt.embedded.listen", problem);
    }

    fn transforms(&mut self, config: &Config) {
        let mut names = HashSet::new();
        for (index, transform) in config.transforms.iter().enumerate() {
            if !names.insert(&transform.name) {
                self.fault(format!("transforms[{index}].name"), format!("{:?} is taken already", transform.name));
            }
            if RESERVED_NAMES.contains(&&*transform.name) {
                let problem = format!("{:?} is the name of a page of the API: take another", transform.name);
                self.fault(format!("transforms[{index}].name"), problem);
            }
            let has = |key| transform.config.contains_key(key);
            if transform.component == JQ && has("program") && has("file") {
                self.fault(format!("transforms[{index}].config.file"), "contradicts program: give one of them");
            }
            let is_digest = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !transform.sha256.as_ref().is_none_or(is_digest) {
                self.fault(format!("transforms[{index}].sha256"), "has to be 64 hex digits, as sha256sum prints them");
            }
            if transform.limits.time.is_some_and(|time| time.get().is_zero()) {
                self.fault(format!("transforms[{index}].limits.time"), "has to be longer than 0s");
            }
        }
    }

    fn drop_in(&mut self, config: &Config, is_set: impl Fn(&str) -> bool) {
        let is_missing = config.drop_in.directory.as_deref().is_some_and(|directory| !directory.is_dir());
        self.refuse(
            is_set("drop_in.directory") && is_missing,
            "drop_in.directory",
            "there is no directory of this name",
        );
    }

    fn storage(&mut self, config: &Config) {
        let is_empty = config.storage.directory.as_ref().is_some_and(|path| path.as_os_str().is_empty());
        self.refuse(is_empty, "storage.directory", "is empty: leave it out, or name a directory");
    }

    fn presence(&mut self, config: &Config) {
        self.refuse(config.events.qos > 2, "events.qos", "has to be 0, 1 or 2");
        let names_one = config.mqtt.status_topic.as_ref().is_some_and(TopicTemplate::names_charge_point);
        let problem = "is one topic for the whole gateway: it must not contain ${cid}";
        self.refuse(names_one, "mqtt.status_topic", problem);
        if let Some(claims) = &config.presence.claims {
            let problem = "${cid} has to be one whole level of it, such as in ocpp/claims/${cid}";
            self.refuse(claims.filter().is_none(), "presence.claims", problem);
            let problem = "has to be the same topic for all gateways: it must not contain ${gateway}";
            self.refuse(claims.names_gateway(), "presence.claims", problem);
            let problem = "contradicts ocpp.on_duplicate = \"refuse\": the newest claim wins";
            self.refuse(config.ocpp.on_duplicate == OnDuplicate::Refuse, "presence.claims", problem);
        }
    }

    fn refuse(&mut self, is_wrong: bool, key: &'static str, problem: &str) {
        if is_wrong {
            self.fault(key, problem);
        }
    }

    fn fault(&mut self, key: impl Into<Cow<'static, str>>, problem: impl Into<String>) {
        self.0.push((key.into(), problem.into()));
    }
}
