//! Settings and configurations in files: TOML as in the configuration of the gateway, or JSON.

use super::error::CtlError;
use crate::config::to_json;
use serde_json::{Map, Value};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The name of the standard input, where a file may be named.
pub(super) const STANDARD_INPUT: &str = "-";

/// The object in a file, or on the standard input. It is TOML unless the name of the file ends in `.json`, or the text
/// begins with `{`, which TOML cannot.
pub(super) fn read_object(file: &Path) -> Result<Map<String, Value>, CtlError> {
    let (name, text) = if file.as_os_str() == STANDARD_INPUT {
        ("standard input".to_owned(), standard_input()?)
    } else {
        (file.display().to_string(), read_text(file)?)
    };
    if text.trim().is_empty() {
        return Err(CtlError::Usage(format!("{name} is empty; write {{}} for no keys at all")));
    }
    object(&text, file.extension().is_some_and(|extension| extension == "json"))
        .map_err(|error| CtlError::Usage(format!("{name}: {error}")))
}

fn object(text: &str, is_json: bool) -> Result<Map<String, Value>, String> {
    if is_json || text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| error.to_string());
    }
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    serde_json::from_str(&to_json(&table)).map_err(|error| error.to_string())
}

pub(super) fn read_text(file: &Path) -> Result<String, CtlError> {
    fs::read_to_string(file).map_err(|error| CtlError::File { path: file.to_owned(), error })
}

pub(super) fn read_bytes(file: &Path) -> Result<Vec<u8>, CtlError> {
    fs::read(file).map_err(|error| CtlError::File { path: file.to_owned(), error })
}

pub(super) fn standard_input() -> Result<String, CtlError> {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map_err(|error| CtlError::File { path: PathBuf::from("standard input"), error })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn toml_and_json_are_told_apart_by_their_first_character() {
        let expected = json!({"mountpoint": "a/", "uplink": {"qos": 1}});
        for text in ["mountpoint = \"a/\"\n[uplink]\nqos = 1", " {\"mountpoint\":\"a/\",\"uplink\":{\"qos\":1}}"] {
            assert_eq!(object(text, false).map(Value::from).as_ref(), Ok(&expected), "{text}");
        }
        assert_eq!(object("", false).map(Value::from), Ok(json!({})));
        for (bad, is_json) in [("[1]", true), ("", true), ("{", false), ("mountpoint", false)] {
            assert!(object(bad, is_json).is_err(), "{bad}");
        }
    }
}
