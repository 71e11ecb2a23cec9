//! The tables of docs/configuration.md are compared with the code: every key, and its default.

use super::keys;
use super::listener::ListenerConfig;
use super::sections::Config;
use super::transform::TransformConfig;
use super::values::Span;
use std::collections::BTreeMap;
use toml::{Table, Value};

const PAGE: &str = include_str!("../../../../docs/configuration.md");

/// Keys that have a default only because the table that they are in does not exist by default, or that depends on the machine.
const WITHOUT_DEFAULT: &str = "–";

/// Dotted keys with the text of their default, as the tables of the page have them.
fn documented() -> BTreeMap<String, &'static str> {
    let mut section = None;
    let mut keys = BTreeMap::new();
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")) {
            section = match heading {
                "match" | "limits" => Some(format!("transforms.{heading}")),
                // Checked by the transform itself.
                _ if heading.contains(" of standard") => None,
                _ if heading.starts_with('[') => Some(heading.trim_matches(['[', ']']).to_owned()),
                _ => None,
            };
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if let (Some(section), [key, default, _]) = (&section, &cells[..])
            && let Some(key) = key.strip_prefix('`').and_then(|key| key.strip_suffix('`'))
        {
            let key = keys::below(section, key);
            assert_eq!(keys.insert(key.clone(), default.trim_matches('`')), None, "{key} stands there twice");
        }
    }
    // The page describes the keys that both have once.
    let of_ocpp = keys
        .iter()
        .filter(|(key, _)| ["ocpp.tls.", "ocpp.auth.", "ocpp.deflate."].iter().any(|section| key.starts_with(section)));
    let of_listeners: Vec<_> = of_ocpp.map(|(key, default)| (key.replacen("ocpp", "listeners", 1), *default)).collect();
    keys.extend(of_listeners);
    keys
}

#[test]
fn configuration_page_has_every_key_once_and_no_other() {
    let documented = documented();
    let missing: Vec<_> = keys::all().iter().filter(|key| !documented.contains_key(*key)).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
    let unknown: Vec<_> = documented.keys().filter(|key| !keys::all().contains(key)).collect();
    assert!(unknown.is_empty(), "on the page, but no keys: {unknown:?}");
}

#[test]
fn configuration_page_has_the_defaults_of_the_code() {
    let mut default = Config::default();
    default.transforms =
        vec![TransformConfig { name: "a".into(), component: "b".into(), ..TransformConfig::default() }];
    default.listeners = vec![ListenerConfig::default()];
    let expected = Value::try_from(&default).expect("TOML");
    for (key, text) in documented() {
        let list = ["transforms", "listeners"].into_iter().find(|list| keys::is_below(&key, list));
        let levels: Vec<&str> = key.split('.').skip(usize::from(list.is_some())).collect();
        let root = list.map_or(&expected, |list| &expected[list][0]);
        let value = levels.iter().try_fold(root, |value, level| value.get(level));
        // Absent: that of `[ocpp]`.
        if key.starts_with("listeners.deflate.") {
            continue;
        }
        if text == WITHOUT_DEFAULT {
            let is_chosen_elsewhere =
                ["runtime.threads", "transforms.name", "transforms.component", "listeners.name"].contains(&&*key);
            assert!(value.is_none() || is_chosen_elsewhere, "{key} has a default: {value:?}");
            continue;
        }
        let table: Table = format!("value = {text}").parse().unwrap_or_else(|error| panic!("{key}: {error}"));
        let (Some(value), documented) = (value, &table["value"]) else { panic!("{key} has no default") };
        // "300s" and "5m" are the same.
        let span = |value: &Value| value.as_str().and_then(|text| text.parse::<Span>().ok());
        if span(value).is_none() || span(value) != span(documented) {
            assert_eq!(value, documented, "{key}");
        }
    }
}
