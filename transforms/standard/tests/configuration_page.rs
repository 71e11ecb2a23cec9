//! The table of this mapping's settings in docs/configuration.md is compared with the code.

use ocpp_transform_standard::config::Config;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../docs/configuration.md");

/// Dotted keys with their defaults, which are JSON too.
fn documented() -> Vec<(String, Value)> {
    let (_, section) = PAGE.split_once("## [transforms.config] of standard").expect("the section");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (key, rest) = row.split_once("` | `").expect("a key and a default");
        let (default, _) = rest.split_once("` |").expect("a default");
        (key.to_owned(), serde_json::from_str(default).unwrap_or_else(|error| panic!("{key}: {error}")))
    })
    .collect()
}

/// The names that a table takes, as the error about another one lists them.
fn accepted(table: &str) -> BTreeSet<String> {
    let prefix = if table.is_empty() { String::new() } else { format!("{table}.") };
    let json = if table.is_empty() { r#"{"-":0}"#.to_owned() } else { format!(r#"{{"{table}":{{"-":0}}}}"#) };
    let error = serde_json::from_str::<Config>(&json).expect_err("an unknown key").to_string();
    let (_, names) = error.split_once(", expected ").expect("a list of names");
    names.split('`').skip(1).step_by(2).map(|name| format!("{prefix}{name}")).collect()
}

#[test]
fn configuration_page_has_every_setting_and_its_default() {
    let documented = documented();
    let names: BTreeSet<String> = documented.iter().map(|(key, _)| key.clone()).collect();
    let tables = BTreeSet::from(["uplink".to_owned(), "downlink".to_owned()]);
    let top: BTreeSet<String> = accepted("").difference(&tables).cloned().collect();
    let all = top.into_iter().chain(tables.iter().flat_map(|table| accepted(table))).collect();
    assert_eq!(names, all);

    let mut settings = Map::new();
    for (key, default) in documented {
        match key.split_once('.') {
            None => drop(settings.insert(key, default)),
            Some((table, name)) => {
                let table = settings.entry(table).or_insert_with(|| Map::new().into());
                table[name] = default;
            }
        }
    }
    let written: Config = serde_json::from_value(settings.into()).expect("settings");
    assert_eq!(written, Config::default());
}
