//! The side of the operator: the admin listener and the log.

use super::read_to_string;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A token that can be guessed is none.
pub(super) const SHORTEST_TOKEN: usize = 16;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Admin {
    pub listen: SocketAddr,
    /// What has to be shown for every page but `/healthz` and `/readyz`. Absent: nothing.
    #[serde(skip_serializing)]
    pub token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

impl Default for Admin {
    fn default() -> Self {
        Admin { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), token: None, token_file: None }
    }
}

impl Admin {
    /// The token, from wherever it is kept.
    pub fn resolve_token(&self) -> io::Result<Option<String>> {
        match &self.token_file {
            None => Ok(self.token.clone()),
            Some(path) => read_to_string(path).map(|text| Some(text.trim().to_owned())),
        }
    }

    /// What is wrong with it: the key, and why.
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.token.is_some() && self.token_file.is_some() {
            faults.push(("admin.token_file", "contradicts admin.token".to_owned()));
        }
        let key = if self.token_file.is_some() { "admin.token_file" } else { "admin.token" };
        match self.resolve_token() {
            Err(error) => faults.push((key, error.to_string())),
            Ok(Some(token)) if token.len() < SHORTEST_TOKEN => {
                faults.push((key, format!("has to have at least {SHORTEST_TOKEN} characters: `openssl rand -hex 32`")));
            }
            // Anything else could not be sent in a header.
            Ok(Some(token)) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                faults.push((key, "has to consist of visible ASCII characters, without spaces".to_owned()));
            }
            Ok(Some(_)) => {}
            Ok(None) if self.listen.ip().is_loopback() => {}
            Ok(None) => {
                let text = "only a loopback address, as there is neither admin.token nor admin.token_file";
                faults.push(("admin.listen", text.to_owned()));
            }
        }
        faults
    }
}

/// What is written to standard error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives as in `RUST_LOG`, which wins.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Log { format: LogFormat::Text, level: "info".into() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line, for programs.
    Json,
}
