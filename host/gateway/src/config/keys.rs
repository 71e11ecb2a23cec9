//! Every key there is: those of the structures, so that nothing is accepted and then ignored, and a misspelt key can be told
//! from one that works.

use super::sections::Config;
use super::security::{MqttTlsConfig, TlsConfig};
use super::transform::TransformConfig;
use serde_json::Value;
use std::sync::LazyLock;

/// Keys that are not always written: secrets never, and a table not while it is empty.
const UNWRITTEN: [&str; 3] = ["mqtt.password", "admin.token", "ocpp.tls.identities"];

static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut config = Config::default();
    // The sections that may be absent.
    (config.ocpp.tls, config.mqtt.tls) = (Some(TlsConfig::default()), Some(MqttTlsConfig::default()));
    config.transforms = vec![TransformConfig::default()];
    let mut keys: Vec<String> = UNWRITTEN.map(str::to_owned).into();
    add_leaves("", &serde_json::to_value(config).expect("it is texts and numbers"), &mut keys);
    keys
});

/// Adds the keys of all values. What is empty is one: common names are below `ocpp.tls.identities`, and what is below
/// `transforms.config` is the component's own affair.
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

fn is_below(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

/// Whether there is a dotted key, such as `ocpp.listen`. Indices of `[[transforms]]` are left out: `transforms.name`.
pub(super) fn is_known(key: &str) -> bool {
    KEYS.iter().any(|known| key == known || is_below(key, known))
}

/// Whether keys below `key` are to be looked up one by one.
pub(super) fn is_section(key: &str) -> bool {
    KEYS.iter().any(|known| is_below(known, key))
}

/// The key that somebody who wrote `key` most likely meant.
pub(super) fn nearest(key: &str) -> Option<&'static str> {
    KEYS.iter()
        .map(|known| (strsim::damerau_levenshtein(key, known), known.as_str()))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= key.len() / 3 + 1)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_every_key_and_no_other() {
        let readme = include_str!("../../../../README.md");
        let block = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
        // What has no default is commented out.
        let table: toml::Table = block.replace("\n# ", "\n").parse().expect("TOML");
        let mut shown = Vec::new();
        add_leaves("", &serde_json::to_value(table).expect("JSON"), &mut shown);
        assert_eq!(shown.iter().find(|key| !is_known(key)), None);
        let is_shown = |key: &&String| shown.iter().any(|shown| shown == *key || is_below(shown, key));
        let hidden: Vec<_> = KEYS.iter().filter(|key| !is_shown(key)).collect();
        assert_eq!(hidden, ["mqtt.password", "admin.token"], "these stand in comments");
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
