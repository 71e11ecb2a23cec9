//! Every key there is.
//!
//! One table, so that a misspelt key can be told from one that works, and so that nothing is accepted and then ignored.

const KEYS: &[&str] = &[
    "ocpp.listen",
    "ocpp.path",
    "ocpp.versions",
    "ocpp.default_version",
    "ocpp.call_timeout",
    "ocpp.open_calls",
    "ocpp.queue",
    "ocpp.queue_memory",
    "ocpp.unmatched_responses",
    "ocpp.on_duplicate",
    "ocpp.ping_interval",
    "ocpp.heartbeat_interval",
    "ocpp.idle_timeout",
    "ocpp.handshake_timeout",
    "ocpp.max_message_size",
    "ocpp.max_identity_length",
    "ocpp.max_connections",
    "ocpp.max_connections_per_address",
    "ocpp.max_header_size",
    "ocpp.accept_rate",
    "ocpp.message_rate",
    "ocpp.total_message_rate",
    "ocpp.trusted_proxies",
    "ocpp.origins",
    "ocpp.identities",
    "ocpp.tls.cert",
    "ocpp.tls.key",
    "ocpp.tls.client_ca",
    // Common names are below it.
    "ocpp.tls.identities",
    "ocpp.auth.mode",
    "ocpp.auth.users",
    "mqtt.url",
    "mqtt.client_id",
    "mqtt.session_expiry",
    "mqtt.username",
    "mqtt.password",
    "mqtt.password_file",
    "mqtt.version",
    "mqtt.keep_alive",
    "mqtt.outage_after",
    "mqtt.wait_for_back_end",
    "mqtt.status_topic",
    "mqtt.tls.ca",
    "mqtt.tls.cert",
    "mqtt.tls.key",
    "mqtt.embedded.listen",
    "mqtt.embedded.max_retained",
    "mqtt.embedded.retained_memory",
    "admin.listen",
    "admin.token",
    "admin.token_file",
    "log.format",
    "log.level",
    "validation.mode",
    "validation.at",
    "validation.on_violation",
    "validation.unknown_actions",
    "presence.claims",
    "events.connected",
    "events.disconnected",
    "events.qos",
    "events.retain",
    "runtime.coalesce",
    "runtime.compile_functions",
    "runtime.compile_memory",
    "runtime.compile_time",
    "runtime.queue_memory",
    "runtime.threads",
    "shutdown.grace",
    "transforms.name",
    "transforms.component",
    "transforms.on_error",
    "transforms.samples",
    "transforms.limits.time",
    "transforms.limits.memory",
    "transforms.limits.actions",
    "transforms.limits.output",
    "transforms.limits.log_lines",
    "transforms.limits.state_keys",
    "transforms.limits.state",
    "transforms.match.charge_points",
    "transforms.match.versions",
    "transforms.match.actions",
    "transforms.match.directions",
    // Anything below it is the component's own affair.
    "transforms.config",
];

/// Whether there is a dotted key, such as `ocpp.listen`. Indices of `[[transforms]]` are left out: `transforms.name`.
pub(super) fn is_known(key: &str) -> bool {
    KEYS.iter().any(|known| key == *known || key.strip_prefix(known).is_some_and(|rest| rest.starts_with('.')))
}

/// Whether keys below `key` are to be looked up one by one.
pub(super) fn is_section(key: &str) -> bool {
    KEYS.iter().any(|known| known.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

/// The key that somebody who wrote `key` most likely meant.
pub(super) fn nearest(key: &str) -> Option<&'static str> {
    KEYS.iter()
        .map(|known| (strsim::damerau_levenshtein(key, known), *known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= key.len() / 3 + 1)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Limits, Match, MqttTls, Span, Tls, Transform, values};
    use super::*;

    /// A configuration in which every key has a value.
    fn full() -> toml::Table {
        let mut config = Config::default();
        config.ocpp.idle_timeout = Some(Span::seconds(1));
        config.ocpp.identities = Some(values::Identities::List(vec!["CP1".into()]));
        config.ocpp.tls = Some(Tls {
            cert: "cert".into(),
            key: "key".into(),
            client_ca: Some("ca".into()),
            identities: [("name".into(), "CP1".into())].into(),
        });
        config.ocpp.auth.users = Some("users".into());
        config.mqtt.tls = Some(MqttTls { ca: Some("ca".into()), cert: Some("cert".into()), key: Some("key".into()) });
        config.mqtt.url = Some("mqtt://broker".into());
        config.mqtt.username = Some("name".into());
        config.mqtt.password_file = Some("file".into());
        config.mqtt.status_topic = Some("status".parse().expect("a topic"));
        config.presence.claims = Some("claims/${cid}".parse().expect("a topic"));
        config.events.connected = Some("connected".parse().expect("a topic"));
        config.events.disconnected = Some("disconnected".parse().expect("a topic"));
        config.admin.token_file = Some("file".into());
        config.transforms = vec![Transform {
            name: "standard".into(),
            component: "builtin:standard".into(),
            on_error: values::OnError::Reject,
            matching: Match::default(),
            limits: Limits { time: Some(Span::seconds(1)), ..Limits::default() },
            samples: Some("fixtures".into()),
            config: toml::Table::new(),
        }];
        let mut table = toml::Table::try_from(config).expect("a table");
        // Never printed, so not serialised either.
        for (section, key) in [("mqtt", "password"), ("admin", "token")] {
            table[section].as_table_mut().expect("a section").insert(key.into(), "secret".into());
        }
        table
    }

    fn leaves(prefix: &str, value: &toml::Value, found: &mut Vec<String>) {
        match value {
            toml::Value::Table(table) if is_section(prefix) || prefix.is_empty() => {
                for (name, value) in table {
                    let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                    leaves(&key, value, found);
                }
            }
            toml::Value::Array(list) if is_section(prefix) => list.iter().for_each(|item| leaves(prefix, item, found)),
            _ => found.push(prefix.to_owned()),
        }
    }

    #[test]
    fn the_table_and_the_structures_agree() {
        let mut found = Vec::new();
        leaves("", &toml::Value::Table(full()), &mut found);
        found.sort();
        let mut working = KEYS.to_vec();
        working.sort();
        assert_eq!(found, working);
    }

    #[test]
    fn keys_are_told_apart() {
        assert!(is_known("ocpp.listen"));
        assert!(is_known("ocpp.tls.identities.SN-1"));
        assert!(is_known("validation.mode"));
        assert!(is_known("transforms.config.uplink.topic"));
        assert!(!is_known("ocpp.listens"));
        assert_eq!(nearest("ocpp.quue"), Some("ocpp.queue"));
        assert_eq!(nearest("mqt.url"), Some("mqtt.url"));
        assert_eq!(nearest("colour"), None);
    }
}
