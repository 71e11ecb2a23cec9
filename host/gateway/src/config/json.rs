//! Configurations, converted from TOML to JSON.

/// The table as JSON text.
pub fn to_json(table: &toml::Table) -> String {
    serde_json::Value::from_iter(table.iter().map(|(key, value)| (key.clone(), json(value)))).to_string()
}

/// TOML as JSON; a date becomes its text.
pub(super) fn json(value: &toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(truth) => (*truth).into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(list) => list.iter().map(json).collect(),
        toml::Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_becomes_equivalent_json() {
        let table: toml::Table = "a = 1\nb = \"x\"\nc = [true, 1.5]\n[d]\ne = 2020-01-01".parse().expect("TOML");
        let expected = serde_json::json!({"a": 1, "b": "x", "c": [true, 1.5], "d": {"e": "2020-01-01"}});
        assert_eq!(json(&toml::Value::Table(table)), expected);
    }
}
