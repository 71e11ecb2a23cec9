//! Passwords in messages, which no watcher sees: those that a back end sets on a charge point.
//!
//! OCPP 1.6 has the key `AuthorizationKey` (ChangeConfiguration), OCPP 2.x the variable `BasicAuthPassword`
//! (SetVariables) and members such as `apnPassword` (SetNetworkProfile); vendors name theirs alike.
//!
//! JSON that has a secret is written anew, without it: writers escape characters in different ways, so that the text of a
//! secret cannot be found by searching. A transform may carry a secret on in another form; for that, all other texts of
//! the message are searched.

use aho_corasick::AhoCorasick;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::mem;
use std::sync::LazyLock;

pub(super) const HIDDEN: &str = "***";

/// The shortest secret that is also replaced where it is no JSON string of its own, in bytes. Shorter ones would be
/// found in words.
const MIN_UNQUOTED: usize = 6;

/// The most secrets that are searched for. With more, the other texts of the message are hidden as a whole: a charge
/// point must not cost more than others by what it sends.
const MAX_SEARCHED: usize = 64;

/// The secrets of one message.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    found: BTreeSet<String>,
}

impl Secrets {
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Hides and remembers the secrets in a text that is JSON. One that is cut off or broken is hidden as a whole, if it
    /// names a secret.
    pub(super) fn take(&mut self, text: &mut String) {
        if !may_have_secret(text) {
            return;
        }
        match serde_json::from_str(text) {
            Ok(mut json) => {
                if self.take_in(&mut json, "", false) {
                    *text = json.to_string();
                }
            }
            Err(_) if text.trim_start().starts_with(['{', '[']) => HIDDEN.clone_into(text),
            Err(_) => {}
        }
    }

    /// `member`: the name of the member that has this value. `is_of_secret`: the value is within an object that names a
    /// secret, as in NotifyReport. Returns whether there was a secret.
    fn take_in(&mut self, value: &mut Value, member: &str, is_of_secret: bool) -> bool {
        match value {
            Value::Array(values) => {
                values.iter_mut().fold(false, |found, value| self.take_in(value, member, is_of_secret) | found)
            }
            Value::Object(members) => {
                let is_of_secret = is_of_secret || named(members).is_some_and(is_secret);
                let mut was_found = false;
                for (name, value) in members {
                    let is_value = is_of_secret && matches!(&**name, "value" | "attributeValue");
                    let is_vpn_key = member == "vpn" && name == "key";
                    was_found |= match is_value || is_vpn_key || is_secret(name) {
                        true => self.take_value(value),
                        false => self.take_in(value, name, is_of_secret),
                    };
                }
                was_found
            }
            // JSON in a text, as in DataTransfer.
            Value::String(text) if text.starts_with(['{', '[']) => {
                let before = text.len();
                let found = self.found.len();
                self.take(text);
                self.found.len() > found || text.len() != before
            }
            _ => false,
        }
    }

    /// `value`: that of a member that is a secret.
    fn take_value(&mut self, value: &mut Value) -> bool {
        let secret = match value {
            Value::String(text) if !text.is_empty() => mem::take(text),
            Value::Number(number) => number.to_string(),
            Value::Array(values) => {
                return values.iter_mut().fold(false, |was_found, value| self.take_value(value) | was_found);
            }
            Value::Object(members) => {
                return members.values_mut().fold(false, |was_found, value| self.take_value(value) | was_found);
            }
            _ => return false,
        };
        *value = HIDDEN.into();
        if secret != HIDDEN && self.found.len() <= MAX_SEARCHED {
            self.found.insert(secret);
        }
        true
    }

    /// Replaces the secrets in a text in which they have no name.
    pub(super) fn hide(&self, text: &mut String) {
        if self.found.len() > MAX_SEARCHED {
            HIDDEN.clone_into(text);
            return;
        }
        for secret in &self.found {
            let quoted = Value::from(&**secret).to_string();
            let escaped = &quoted[1..quoted.len() - 1];
            let unquoted = [escaped, secret].into_iter().filter(|_| secret.len() >= MIN_UNQUOTED);
            for (form, hidden) in [(&*quoted, "\"***\"")].into_iter().chain(unquoted.map(|form| (form, HIDDEN))) {
                if text.contains(form) {
                    *text = text.replace(form, hidden);
                }
            }
        }
    }
}

/// Whether the text has a name of a secret, perhaps with escaped characters. Most texts do not, and are not parsed.
fn may_have_secret(text: &str) -> bool {
    static NAMES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
        AhoCorasick::builder().ascii_case_insensitive(true).build(["password", "authorizationkey", "vpn", "\\u"]).ok()
    });
    // Of four short names the automaton is always built; without it, each text would be parsed.
    NAMES.as_ref().is_none_or(|names| names.is_match(text))
}

/// What an object with a name and a value is about: `key` in 1.6, `variable` in 2.x.
fn named(members: &Map<String, Value>) -> Option<&str> {
    let variable = members.get("variable").and_then(|variable| variable.get("name").or(Some(variable)));
    [variable, members.get("key"), members.get("name")].into_iter().flatten().find_map(Value::as_str)
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("password") || name.trim() == "authorizationkey"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> String {
        let (mut text, mut secrets) = (text.to_owned(), Secrets::default());
        secrets.take(&mut text);
        text
    }

    #[test]
    fn passwords_are_hidden_in_each_form_that_ocpp_has() {
        for (text, expected) in [
            (
                r#"[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"a\"bc"}]"#,
                r#"[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"***"}]"#,
            ),
            (
                r#"{"Payload":{"key":"authorizationkey","value": "00\/ff\u00fc"}}"#,
                r#"{"Payload":{"key":"authorizationkey","value":"***"}}"#,
            ),
            (
                r#"[{"attributeValue":"pw","variable":{"name":"BasicAuthPassword"}},{"attributeValue":"60","variable":{"name":"Interval"}}]"#,
                r#"[{"attributeValue":"***","variable":{"name":"BasicAuthPassword"}},{"attributeValue":"60","variable":{"name":"Interval"}}]"#,
            ),
            (
                r#"{"apn":{"apnPassword":"x"},"vpn":{"key":"z","password":"y","user":"u"}}"#,
                r#"{"apn":{"apnPassword":"***"},"vpn":{"key":"***","password":"***","user":"u"}}"#,
            ),
            (r#"{"Authorization\u004bey":["a",{"b":"c"}]}"#, r#"{"AuthorizationKey":["***",{"b":"***"}]}"#),
            (
                r#"[{"variable":{"name":"BasicAuthPassword"},"variableAttribute":[{"type":"Actual","value":"x"}]}]"#,
                r#"[{"variable":{"name":"BasicAuthPassword"},"variableAttribute":[{"type":"Actual","value":"***"}]}]"#,
            ),
            (r#"[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"cut off"#, "***"),
            (r#"{"wifiPassword":1234}"#, r#"{"wifiPassword":"***"}"#),
            (r#"{"data":"{\"password\":\"x\"}"}"#, r#"{"data":"{\"password\":\"***\"}"}"#),
        ] {
            assert_eq!(hidden(text), expected);
        }
    }

    #[test]
    fn what_only_names_a_password_stays() {
        for text in [
            r#"[2,"1","GetConfiguration",{"key":["AuthorizationKey","HeartbeatInterval"]}]"#,
            r#"[2,"1","ChangeConfiguration",{"key":"HeartbeatInterval","value":"60"}]"#,
            r#"[2, "1", "DataTransfer", {"data": "the password is wrong"}]"#,
            r#"{"password":""}"#,
            "no JSON: password",
            r#"{ "status": "\u00e4" }"#,
        ] {
            assert_eq!(hidden(text), text);
        }
    }

    #[test]
    fn secret_is_hidden_in_other_texts_too() {
        let mut secrets = Secrets::default();
        secrets.take(&mut r#"[{"password":"secret-1"},{"password":"se"}]"#.to_owned());
        let mut text = r#"set to secret-1, {"pw":"se"}"#.to_owned();
        secrets.hide(&mut text);
        assert_eq!(text, r#"set to ***, {"pw":"***"}"#);
    }

    #[test]
    fn many_secrets_hide_whole_texts() {
        let mut secrets = Secrets::default();
        let many: Vec<_> = (0..10_000).map(|number| serde_json::json!({"password": number})).collect();
        secrets.take(&mut Value::from(many).to_string());
        let mut text = "anything".to_owned();
        secrets.hide(&mut text);
        assert_eq!((text.as_str(), secrets.found.len()), (HIDDEN, MAX_SEARCHED + 1));
    }
}
