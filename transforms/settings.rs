//! For the tests of the ready-made transforms: compares a `settings.toml` with the configuration of its crate.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Panics unless `settings` has every key of `C`, each with its default. Keys without a default, `commented`, are
/// commented out, with no space behind the `#`. Keys of tables are dotted.
#[track_caller]
pub(crate) fn assert_settings<C: DeserializeOwned + Default + PartialEq>(settings: &str, commented: &[&str]) {
    let in_force = read(settings);
    let written: C = serde_json::from_value(in_force.clone().into()).expect("settings");
    assert!(written == C::default(), "not the defaults: {in_force:?}");

    let lines: Vec<_> = settings.lines().map(uncommented).collect();
    let complete = read(&lines.join("\n"));
    let loaded = serde_json::from_value::<C>(complete.clone().into());
    assert!(loaded.is_ok(), "with those that are commented out: {:?}", loaded.err());
    let all = Keys::of::<C>(&complete);
    assert_eq!(all.written, all.accepted);
    let left_out: BTreeSet<_> = all.written.difference(&Keys::of::<C>(&in_force).written).cloned().collect();
    assert_eq!(left_out, commented.iter().map(|key| (*key).to_owned()).collect());
}

fn read(toml: &str) -> Map<String, Value> {
    toml::from_str(toml).expect("TOML")
}

fn uncommented(line: &str) -> &str {
    line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line)
}

/// Dotted keys.
#[derive(Default)]
struct Keys {
    written: BTreeSet<String>,
    /// Those of the same tables that the configuration accepts.
    accepted: BTreeSet<String>,
}

impl Keys {
    fn of<C: DeserializeOwned>(settings: &Map<String, Value>) -> Self {
        let mut keys = Keys::default();
        keys.add::<C>("", settings, &|unknown| unknown);
        keys
    }

    /// `within`: a configuration that has its argument as the table at `prefix`.
    fn add<C: DeserializeOwned>(&mut self, prefix: &str, table: &Map<String, Value>, within: &dyn Fn(Value) -> Value) {
        // The keys of other tables, such as topics by action, are up to the user.
        let Some(names) = accepted::<C>(within(json!({ "-": 0 }))) else { return };
        self.accepted.extend(names.iter().map(|name| format!("{prefix}{name}")));
        for (key, value) in table {
            self.written.insert(format!("{prefix}{key}"));
            let below = format!("{prefix}{key}.");
            match value {
                Value::Object(table) => self.add::<C>(&below, table, &|inner| within(json!({ key: inner }))),
                Value::Array(list) => {
                    for table in list.iter().filter_map(Value::as_object) {
                        self.add::<C>(&below, table, &|inner| within(json!({ key: [inner] })));
                    }
                }
                _ => {}
            }
        }
    }
}

/// The names that a table with the unknown key `-` may have, as the error lists them.
fn accepted<C: DeserializeOwned>(config: Value) -> Option<Vec<String>> {
    let error = serde_json::from_value::<C>(config).err()?.to_string();
    let names = error.strip_prefix("unknown field `-`, expected ")?;
    Some(names.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}
