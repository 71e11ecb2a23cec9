//! What is wrong with a configuration beyond the form of its values: what is out of range, and keys that contradict each
//! other. No file is looked at.

use super::sections::Config;
use super::security::AuthMode;
use super::topic::TopicTemplate;
use super::values::{Bytes, DefaultVersion, OnDuplicate};
use ocpp_gateway_mqtt::BrokerUrl;
use std::borrow::Cow;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

/// Longer than this a message is not held up for the sake of others.
const MAX_COALESCE: Duration = Duration::from_millis(1);

/// What the program takes by itself, before it compiles anything, and the shortest time that can be limited.
const MIN_COMPILE_MEMORY: Bytes = Bytes::mebibytes(256);
const MIN_COMPILE_TIME: Duration = Duration::from_secs(1);

/// All of it: the key, and what is the matter. `is_set`: whether a key was written, rather than left at its default.
pub(super) fn faults(config: &Config, is_set: impl Fn(&str) -> bool) -> Vec<(Cow<'static, str>, String)> {
    let mut check = Check { faults: Vec::new() };
    check.ocpp(config);
    check.runtime(config);
    check.security(config);
    check.mqtt(config, is_set);
    check.presence(config);
    config.admin.faults().into_iter().for_each(|(key, problem)| check.fault(key, problem));
    if let Err(error) = config.log.filter() {
        check.fault("log.level", error.to_string());
    }
    check.transforms(config);
    check.ports(config);
    check.faults
}

struct Check {
    faults: Vec<(Cow<'static, str>, String)>,
}

impl Check {
    fn ocpp(&mut self, config: &Config) {
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
    }

    fn runtime(&mut self, config: &Config) {
        if config.runtime.compile_memory.get() < MIN_COMPILE_MEMORY.get() {
            self.fault("runtime.compile_memory", format!("has to be {MIN_COMPILE_MEMORY} at least"));
        }
        if config.runtime.compile_time.get() < MIN_COMPILE_TIME {
            self.fault("runtime.compile_time", format!("has to be {MIN_COMPILE_TIME:?} at least"));
        }
        if config.runtime.coalesce.get() > MAX_COALESCE {
            self.fault("runtime.coalesce", format!("has to be {MAX_COALESCE:?} at most: messages wait so long"));
        }
    }

    /// Whoever listens second would say that the address is in use, and not by whom.
    fn ports(&mut self, config: &Config) {
        let embedded = config.mqtt.url.is_none().then_some(("mqtt.embedded.listen", config.mqtt.embedded.listen));
        let all: Vec<(&'static str, SocketAddr)> =
            [("ocpp.listen", config.ocpp.listen), ("admin.listen", config.admin.listen)]
                .into_iter()
                .chain(embedded)
                .collect();
        for (place, (key, address)) in all.iter().enumerate() {
            let overlaps = |(_, other): &&(&'static str, SocketAddr)| {
                let everywhere = address.ip().is_unspecified() || other.ip().is_unspecified();
                address.port() != 0 && address.port() == other.port() && (everywhere || address.ip() == other.ip())
            };
            if let Some((first, other)) = all[..place].iter().find(overlaps) {
                self.fault(*key, format!("{address} is taken already: {first} is {other}"));
            }
        }
    }

    fn security(&mut self, config: &Config) {
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
        let has_tls =
            config.mqtt.url.as_deref().and_then(|url| url.parse::<BrokerUrl>().ok()).is_some_and(|url| url.tls);
        if config.mqtt.tls.is_some() && !has_tls {
            self.fault("mqtt.tls", "is for a broker whose mqtt.url begins with mqtts://");
        }
    }

    fn mqtt(&mut self, config: &Config, is_set: impl Fn(&str) -> bool) {
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
            if mqtt.url.is_some() && is_set(key) {
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
        if let Some(problem) = mqtt.client_id_fault() {
            self.fault("mqtt.client_id", problem);
        }
        if mqtt.version != 5 && is_set("mqtt.session_expiry") {
            self.fault("mqtt.session_expiry", "is for mqtt.version = 5: in MQTT 3.1.1 the broker alone says how long");
        }
        if !mqtt.embedded.listen.ip().is_loopback() {
            self.fault(
                "mqtt.embedded.listen",
                "only a loopback address: the embedded broker asks nobody for credentials",
            );
        }
    }

    fn transforms(&mut self, config: &Config) {
        let mut names = HashSet::new();
        for (index, transform) in config.transforms.iter().enumerate() {
            if !names.insert(&transform.name) {
                self.fault(format!("transforms[{index}].name"), format!("{:?} is taken already", transform.name));
            }
            if transform.limits.time.is_some_and(|time| time.get().is_zero()) {
                self.fault(format!("transforms[{index}].limits.time"), "has to be longer than nothing");
            }
        }
    }

    fn presence(&mut self, config: &Config) {
        if config.events.qos > 2 {
            self.fault("events.qos", "has to be 0, 1 or 2");
        }
        if config.mqtt.status_topic.as_ref().is_some_and(TopicTemplate::names_charge_point) {
            self.fault("mqtt.status_topic", "is one topic for the whole gateway: there is no ${cid} in it");
        }
        if let Some(claims) = &config.presence.claims {
            if claims.filter().is_none() {
                self.fault("presence.claims", "${cid} has to be one whole level of it, such as in ocpp/claims/${cid}");
            }
            if claims.names_gateway() {
                self.fault(
                    "presence.claims",
                    "has to be the same topic for all gateways: there is no ${gateway} in it",
                );
            }
            if config.ocpp.on_duplicate == OnDuplicate::Refuse {
                self.fault("presence.claims", "contradicts ocpp.on_duplicate = \"refuse\": the newest claim wins");
            }
        }
    }

    fn fault(&mut self, key: impl Into<Cow<'static, str>>, problem: impl Into<String>) {
        self.faults.push((key.into(), problem.into()));
    }
}
