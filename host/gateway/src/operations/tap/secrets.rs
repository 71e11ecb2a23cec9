//! Passwords in messages, which no watcher sees: those that a back end sets on a charge point.
//!
//! OCPP 1.6 has the key `AuthorizationKey` (ChangeConfiguration), OCPP 2.x the variable `BasicAuthPassword`
//! (SetVariables) and members such as `apnPassword` (SetNetworkProfile); vendors name theirs alike.

use aho_corasick::AhoCorasick;
use serde_json::{Map, Value};
use std::sync::LazyLock;

const HIDDEN: &str = "***";

/// The shortest secret that is also replaced where it is no JSON string of its own, in bytes. Shorter ones would be
/// found in words.
const MIN_UNQUOTED: usize = 6;

/// Adds the secrets in a text that is JSON.
pub(super) fn find(text: &str, found: &mut Vec<String>) {
    if may_have_secret(text)
        && let Ok(json) = serde_json::from_str(text)
    {
        find_in(&json, "", found);
    }
}

/// Whether the text has a name of a secret. Most texts do not, and are not parsed.
fn may_have_secret(text: &str) -> bool {
    static NAMES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
        AhoCorasick::builder().ascii_case_insensitive(true).build(["password", "authorizationkey", "vpn"]).ok()
    });
    // Of three short names the automaton is always built; without it, each text would be parsed.
    NAMES.as_ref().is_none_or(|names| names.is_match(text))
}

/// `member`: the name of the member that has this value.
fn find_in(value: &Value, member: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| find_in(value, member, found)),
        Value::Object(members) => {
            let is_named_secret = named(members).is_some_and(is_secret);
            for (name, value) in members {
                let is_value = is_named_secret && matches!(&**name, "value" | "attributeValue");
                let is_vpn_key = member == "vpn" && name == "key";
                if is_value || is_vpn_key || is_secret(name) {
                    found.extend(text_of(value));
                }
                find_in(value, name, found);
            }
        }
        _ => {}
    }
}

/// What an object with a name and a value is about: `key` in 1.6, `variable` in 2.x.
fn named(members: &Map<String, Value>) -> Option<&str> {
    let variable = members.get("variable").and_then(|variable| variable.get("name").or(Some(variable)));
    [variable, members.get("key"), members.get("name")].into_iter().flatten().find_map(Value::as_str)
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("password") || name == "authorizationkey"
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Replaces each secret in a text.
pub(super) fn hide(text: &mut String, secrets: &[String]) {
    for secret in secrets {
        let quoted = Value::from(&**secret).to_string();
        if text.contains(&quoted) {
            *text = text.replace(&quoted, &format!("\"{HIDDEN}\""));
        }
        let escaped = &quoted[1..quoted.len() - 1];
        for form in [escaped, secret] {
            if secret.len() >= MIN_UNQUOTED && text.contains(form) {
                *text = text.replace(form, HIDDEN);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> String {
        let (mut text, mut found) = (text.to_owned(), Vec::new());
        find(&text, &mut found);
        hide(&mut text, &found);
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
                r#"{"Payload":{"key":"authorizationkey","value": "00ff"}}"#,
                r#"{"Payload":{"key":"authorizationkey","value": "***"}}"#,
            ),
            (
                r#"[2,"1","SetVariables",{"setVariableData":[{"attributeValue":"pw","variable":{"name":"BasicAuthPassword"}},{"attributeValue":"60","variable":{"name":"Interval"}}]}]"#,
                r#"[2,"1","SetVariables",{"setVariableData":[{"attributeValue":"***","variable":{"name":"BasicAuthPassword"}},{"attributeValue":"60","variable":{"name":"Interval"}}]}]"#,
            ),
            (
                r#"{"apn":{"apnPassword":"x"},"vpn":{"user":"u","password":"y","key":"z"}}"#,
                r#"{"apn":{"apnPassword":"***"},"vpn":{"user":"u","password":"***","key":"***"}}"#,
            ),
            (r#"{"wifiPassword":12345678}"#, r#"{"wifiPassword":***}"#),
        ] {
            assert_eq!(hidden(text), expected);
        }
    }

    #[test]
    fn what_only_names_a_password_stays() {
        for text in [
            r#"[2,"1","GetConfiguration",{"key":["AuthorizationKey","HeartbeatInterval"]}]"#,
            r#"[2,"1","ChangeConfiguration",{"key":"HeartbeatInterval","value":"60"}]"#,
            r#"[2,"1","DataTransfer",{"data":"the password is wrong"}]"#,
            r#"{"password":""}"#,
            "no JSON: password",
        ] {
            assert_eq!(hidden(text), text);
        }
    }

    #[test]
    fn secret_is_also_hidden_in_a_text_that_quotes_it() {
        let mut text = "set to secret-1".to_owned();
        hide(&mut text, &["secret-1".into(), "se".into()]);
        assert_eq!(text, "set to ***");
    }
}
