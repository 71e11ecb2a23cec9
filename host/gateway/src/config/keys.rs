//! All keys of the configuration. They are taken from the structures, so that no key is accepted and then ignored, and
//! misspelt keys are recognised.

use super::deflate::DeflateConfig;
use super::listener::ListenerConfig;
use super::sections::Config;
use super::security::{AdminTlsConfig, CertificateConfig, MqttTlsConfig, TlsConfig};
use super::transform::TransformConfig;
use serde_json::Value;
use std::sync::LazyLock;

/// Keys that are not always serialized: secrets never, and a table only if it is not empty.
const NOT_SERIALIZED: [&str; 7] = [
    "mqtt.password",
    "admin.token",
    "admin.viewer_token",
    "ocpp.tls.identities",
    "ocpp.auth.proxy_identities",
    "listeners.tls.identities",
    "listeners.auth.proxy_identities",
];

static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut config = Config::default();
    // The sections that may be absent.
    let tls = TlsConfig { certificates: vec![CertificateConfig::default()], ..TlsConfig::default() };
    (config.ocpp.tls, config.mqtt.tls) = (Some(tls.clone()), Some(MqttTlsConfig::default()));
    config.admin.tls = Some(AdminTlsConfig::default());
    config.listeners =
        vec![ListenerConfig { tls: Some(tls), deflate: Some(DeflateConfig::default()), ..ListenerConfig::default() }];
    config.transforms = vec![TransformConfig::default()];
    let mut keys: Vec<String> = NOT_SERIALIZED.map(str::to_owned).into();
    add_leaves("", &serde_json::to_value(config).expect("it is texts and numbers"), &mut keys);
    keys
});

/// Adds the keys of all values. An empty table counts as a value: the keys below `ocpp.tls.identities` are common
/// names, and those below `transforms.config` are defined by the component.
fn add_leaves(prefix: &str, value: &Value, keys: &mut Vec<String>) {
    match value {
        Value::Object(section) if !section.is_empty() => {
            for (name, value) in section {
                add_leaves(&below(prefix, name), value, keys);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            list.iter().for_each(|item| add_leaves(prefix, item, keys));
        }
        _ => keys.push(prefix.to_owned()),
    }
}

/// The dotted key of `name` in a section.
pub(super) fn below(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

/// Whether a dotted key is in a section.
pub(super) fn is_below(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a dotted key such as `ocpp.listen` exists. Indices of `[[transforms]]` are omitted: `transforms.name`.
pub(super) fn is_known(key: &str) -> bool {
    KEYS.iter().any(|known| key == known || is_below(key, known))
}

/// Every dotted key.
#[cfg(test)]
pub(super) fn all() -> &'static [String] {
    &KEYS
}

/// Whether `key` is a section, whose keys are looked up one by one.
pub(super) fn is_section(key: &str) -> bool {
    KEYS.iter().any(|known| is_below(known, key))
}

/// The known key or section that is most similar to a misspelt `key`.
pub(super) fn nearest(key: &str) -> Option<&'static str> {
    let sections = KEYS.iter().filter_map(|known| Some(known.rsplit_once('.')?.0));
    let nearest = nearest_name(key, KEYS.iter().map(String::as_str).chain(sections))?;
    // Sections that both have in common make no names similar.
    let name = key.rsplit('.').next().unwrap_or(key);
    (strsim::damerau_levenshtein(key, nearest) <= name.len() / 3 + 1).then_some(nearest)
}

/// The one of `known` that is most similar to a misspelt `name`, if it is similar.
pub(crate) fn nearest_name<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= name.len() / 3 + 1)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_keys_are_recognised() {
        assert!(is_known("ocpp.listen"));
        assert!(is_known("ocpp.tls.identities.SN-1"));
        assert!(is_known("validation.mode"));
        assert!(is_known("transforms.config.uplink.topic"));
        assert!(!is_known("ocpp.listens"));
        assert_eq!(nearest("ocpp.quue"), Some("ocpp.queue"));
        assert_eq!(nearest("mqt.url"), Some("mqtt.url"));
        assert_eq!(nearest("transforms.limts"), Some("transforms.limits"));
        assert_eq!(nearest("transforms.foo"), None);
        assert_eq!(nearest("colour"), None);
    }
}
