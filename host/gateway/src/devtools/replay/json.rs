//! Where two JSON texts differ.

use serde_json::Value;
use std::fmt::Write as _;

/// How the member or element at a place differs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum JsonChange<'a> {
    Changed(&'a Value, &'a Value),
    /// Only the old text has it.
    Missing(&'a Value),
    /// Only the new text has it.
    New(&'a Value),
}

/// Calls `found` for each place with a difference: a JSON pointer (RFC 6901), in which indexes of arrays are `*`. The
/// pointer of the whole text is empty.
pub(super) fn compare(old: &Value, new: &Value, found: &mut dyn FnMut(&str, JsonChange<'_>)) {
    Comparison { pointer: String::new(), found }.compare(old, new);
}

struct Comparison<'f> {
    pointer: String,
    found: &'f mut dyn FnMut(&str, JsonChange<'_>),
}

impl Comparison<'_> {
    fn compare(&mut self, old: &Value, new: &Value) {
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => {
                for (name, value) in old {
                    self.member(name, Some(value), new.get(name));
                }
                for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
                    self.member(name, None, Some(value));
                }
            }
            (Value::Array(old), Value::Array(new)) => {
                for index in 0..old.len().max(new.len()) {
                    self.member("*", old.get(index), new.get(index));
                }
            }
            _ if old == new => {}
            _ => self.found(JsonChange::Changed(old, new)),
        }
    }

    fn member(&mut self, name: &str, old: Option<&Value>, new: Option<&Value>) {
        let length = self.pointer.len();
        let name = name.replace('~', "~0").replace('/', "~1");
        // Writing to a `String` does not fail.
        let _ = write!(self.pointer, "/{name}");
        match (old, new) {
            (Some(old), Some(new)) => self.compare(old, new),
            (Some(old), None) => self.found(JsonChange::Missing(old)),
            (None, Some(new)) => self.found(JsonChange::New(new)),
            (None, None) => {}
        }
        self.pointer.truncate(length);
    }

    fn found(&mut self, change: JsonChange<'_>) {
        (self.found)(&self.pointer, change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn differences(old: Value, new: Value) -> Vec<String> {
        let mut found = Vec::new();
        compare(&old, &new, &mut |pointer, change| {
            found.push(match change {
                JsonChange::Changed(old, new) => format!("{pointer} {old} {new}"),
                JsonChange::Missing(old) => format!("{pointer} - {old}"),
                JsonChange::New(new) => format!("{pointer} + {new}"),
            });
        });
        found
    }

    #[test]
    fn places_are_pointers_without_indexes() {
        let old = json!({"a": [{"v": 1}, {"v": 2}], "same": [1], "x/y~": "1"});
        let new = json!({"a": [{"v": 1}, {"v": 3}], "same": [1], "x/y~": 1});
        assert_eq!(differences(old, new), ["/a/* 2 3".replace("/*", "/*/v"), "/x~1y~0 \"1\" 1".into()]);
    }

    #[test]
    fn members_and_elements_of_one_side_are_missing_or_new() {
        let found = differences(json!({"a": 1, "l": [1, 2]}), json!({"b": null, "l": [1]}));
        assert_eq!(found, ["/a - 1", "/l/* - 2", "/b + null"]);
        assert_eq!(differences(json!([1]), json!({})), [" [1] {}"]);
    }
}
