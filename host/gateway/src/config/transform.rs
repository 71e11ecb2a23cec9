//! `[[transforms]]` and `[validation]`: the chain of transforms, and the rules for payloads.

use super::values::{Bytes, Span, ValidationMode};
use super::versions;
use ocpp_gateway_core::{Direction, Version};
use ocpp_gateway_pipeline::{OnError, OnViolation, UnknownActions, ValidationPoint};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What the names of ready-made components begin with.
const BUILTIN: &str = "builtin:";

/// Names that no transform can have: those of pages of the API below `/api/v1/transforms`.
pub const RESERVED_NAMES: [&str; 2] = ["order", "try"];

/// The component that runs a program, which is among its settings or in a file that they name.
pub const JQ: &str = "builtin:jq";

/// One transform of the chain.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TransformConfig {
    pub name: String,
    /// `builtin:NAME`, the path of a component, or where it is fetched from: `https://…` or `oci://…`.
    pub component: String,
    /// The SHA-256 that the component has to have: 64 hex digits.
    pub sha256: Option<String>,
    #[serde(default)]
    pub on_error: OnError,
    #[serde(default, rename = "match")]
    pub matching: MatchConfig,
    #[serde(default)]
    pub limits: LimitsConfig,
    /// A folder of fixtures that a version has to pass before it goes live.
    pub samples: Option<PathBuf>,
    /// Handed to the component as JSON.
    #[serde(default)]
    pub config: toml::Table,
}

/// Whether a component of this name has to be fetched: it begins with a scheme and two slashes, or with a scheme that is
/// fetched. Any other name is that of a built-in one, or a path.
pub fn is_remote(component: &str) -> bool {
    let Some((scheme, rest)) = component.split_once(':') else { return false };
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(is_part);
    let is_fetched = ["https", "http", "oci"].into_iter().any(|known| scheme.eq_ignore_ascii_case(known));
    is_scheme && (is_fetched || rest.starts_with("//"))
}

/// The address of a component without user, password and query; any other name as it is.
pub fn without_secrets(component: &str) -> String {
    let Some((scheme, rest)) = component.split_once("://").filter(|_| is_remote(component)) else {
        return component.to_owned();
    };
    let rest = rest.split('?').next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// Hides what is secret in the table of a transform: values of its configuration whose names sound like it, and the user
/// of an address.
pub fn hide_secrets(transform: &mut toml::Table) {
    if let Some(config) = transform.get_mut("config").and_then(toml::Value::as_table_mut) {
        hide_secret_values(config);
    }
    if let Some(toml::Value::String(component)) = transform.get_mut("component") {
        *component = without_secrets(component);
    }
}

/// Shown in the place of a secret.
pub const HIDDEN: &str = "(hidden)";

/// The endings of names of secrets.
const SECRETS: [&str; 5] = ["key", "secret", "token", "password", "passphrase"];

fn hide_secret_values(table: &mut toml::Table) {
    for (name, value) in table {
        let name = name.to_ascii_lowercase();
        let harmless = value.is_integer() || value.is_bool();
        if !harmless && SECRETS.iter().any(|secret| name.trim_end_matches('s').ends_with(secret)) {
            *value = HIDDEN.into();
        } else {
            hide_secrets_in(value);
        }
    }
}

fn hide_secrets_in(value: &mut toml::Value) {
    match value {
        toml::Value::Table(table) => hide_secret_values(table),
        toml::Value::Array(values) => values.iter_mut().for_each(hide_secrets_in),
        _ => {}
    }
}

impl TransformConfig {
    /// Makes relative paths relative to `directory`.
    pub(super) fn resolve_paths(&mut self, directory: &Path) {
        if let Some(component) = self.component_file() {
            self.component = directory.join(component).display().to_string();
        }
        if let Some(samples) = &mut self.samples {
            *samples = directory.join(&*samples);
        }
        if let Some(program) = self.program_file() {
            let program = directory.join(program).display().to_string();
            self.config.insert("file".into(), program.into());
        }
    }

    /// The file of its component, unless that is a ready-made one or elsewhere.
    pub fn component_file(&self) -> Option<&Path> {
        let is_file = !self.component.starts_with(BUILTIN) && !self.is_remote();
        is_file.then(|| Path::new(&self.component))
    }

    /// Whether its component has to be fetched.
    pub fn is_remote(&self) -> bool {
        is_remote(&self.component)
    }

    /// `file` in the settings of `builtin:jq`, which the gateway reads: a component reaches no files.
    pub fn program_file(&self) -> Option<&Path> {
        let is_alone = self.component == JQ && !self.config.contains_key("program");
        self.config.get("file").and_then(toml::Value::as_str).map(Path::new).filter(|_| is_alone)
    }
}

/// Which messages a transform handles. An empty list is no condition.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MatchConfig {
    /// Globs, with `*` and `?`.
    pub charge_points: Vec<String>,
    #[serde(with = "versions")]
    pub versions: Vec<Version>,
    pub actions: Vec<String>,
    pub directions: Vec<Direction>,
}

/// What one transform may use.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitsConfig {
    /// Time of one call. Absent: 20 ms, and no limit for `builtin:standard`.
    pub time: Option<Span>,
    /// Memory of one instance; each worker thread has one.
    pub memory: Bytes,
    /// Actions, messages or frames in the answer of one call.
    pub actions: usize,
    /// The total size of the answer of one call.
    pub output: Bytes,
    /// Log lines per second.
    pub log_lines: u32,
    /// Values that the gateway stores for it.
    pub state_keys: usize,
    /// The total size of these values.
    pub state: Bytes,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        LimitsConfig {
            time: None,
            memory: Bytes::mebibytes(16),
            actions: 16,
            output: Bytes::kibibytes(256),
            log_lines: 100,
            state_keys: 10_000,
            state: Bytes::mebibytes(4),
        }
    }
}

/// Rules for payloads.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ValidationConfig {
    /// Which messages are validated against the published schemas. The rules of transforms apply in every mode.
    pub mode: ValidationMode,
    /// Where payloads are validated, also against the rules of transforms.
    pub at: ValidationPoint,
    pub on_violation: OnViolation,
    /// What to do with messages that are validated but have no published schema.
    pub unknown_actions: UnknownActions,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_shown_without_its_secrets() {
        assert_eq!(without_secrets("https://a:b@c.d/e@f?g=h"), "https://c.d/e@f");
        for other in ["oci://a:5000/b:1", "builtin:jq", "dir/a@b?c.wasm", "https://a"] {
            assert_eq!(without_secrets(other), other);
        }
    }

    #[test]
    fn component_with_a_scheme_is_no_path() {
        for remote in ["https://a/b", "HTTP://a/b", "oci://a/b", "ftp://a/b", "oci:a/b", "https:/a/b", "s3://a"] {
            assert!(is_remote(remote), "{remote}");
        }
        for local in ["builtin:jq", "a.wasm", "/a://b", "./http://b", "a b://c", "dir/a:b.wasm", "://a", "c:a.wasm"] {
            assert!(!is_remote(local), "{local}");
        }
    }
}
