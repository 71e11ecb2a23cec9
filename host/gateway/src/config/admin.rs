//! The side of the operator: the admin listener.

use super::values::read_to_string;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A token that can be guessed is none.
const SHORTEST_TOKEN: usize = 16;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct AdminConfig {
    pub listen: SocketAddr,
    /// What has to be shown for every page but `/healthz` and `/readyz`. Absent: nothing.
    #[serde(skip_serializing)]
    pub token: Option<String>,
    pub token_file: Option<PathBuf>,
}

impl Default for AdminConfig {
    fn default() -> Self {
        AdminConfig { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), token: None, token_file: None }
    }
}

impl AdminConfig {
    /// The token, from wherever it is kept.
    pub fn resolve_token(&self) -> io::Result<Option<String>> {
        match &self.token_file {
            None => Ok(self.token.clone()),
            Some(path) => read_to_string(path).map(|text| Some(text.trim().to_owned())),
        }
    }

    /// What is wrong with it, whatever a file with the token says: the key, and why.
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.token.is_some() && self.token_file.is_some() {
            faults.push(("admin.token_file", "contradicts admin.token".to_owned()));
        }
        match &self.token {
            // The token is the one in the file.
            _ if self.token_file.is_some() => {}
            Some(token) => faults.extend(token_fault(token).map(|problem| ("admin.token", problem))),
            None if self.listen.ip().is_loopback() => {}
            None => {
                let text = "only a loopback address, as there is neither admin.token nor admin.token_file";
                faults.push(("admin.listen", text.to_owned()));
            }
        }
        faults
    }

    /// What is wrong with the file that has the token, if there is one.
    pub fn token_file_fault(&self) -> Option<String> {
        let path = self.token_file.as_ref()?;
        match read_to_string(path) {
            Ok(text) => token_fault(text.trim()),
            Err(error) => Some(error.to_string()),
        }
    }
}

fn token_fault(token: &str) -> Option<String> {
    if token.len() < SHORTEST_TOKEN {
        Some(format!("has to have at least {SHORTEST_TOKEN} characters: `openssl rand -hex 32`"))
    } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        // Anything else could not be sent in a header.
        Some("has to consist of visible ASCII characters, without spaces".to_owned())
    } else {
        None
    }
}
