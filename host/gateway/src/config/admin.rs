//! `[admin]`: the admin listener.

use super::values::read_to_string;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The minimum length of a token, which must not be guessable.
const MIN_TOKEN_LENGTH: usize = 16;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct AdminConfig {
    pub listen: SocketAddr,
    /// The token that every page but `/healthz` and `/readyz` requires. Absent: none.
    #[serde(skip_serializing)]
    pub token: Option<String>,
    pub token_file: Option<PathBuf>,
    /// Whether those who watch messages over the API may see frames and payloads.
    pub tap_payloads: bool,
}

impl Default for AdminConfig {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8080));
        AdminConfig { listen, token: None, token_file: None, tap_payloads: true }
    }
}

impl AdminConfig {
    /// The token, from the file if one is configured.
    pub fn resolve_token(&self) -> io::Result<Option<String>> {
        match &self.token_file {
            None => Ok(self.token.clone()),
            Some(path) => read_to_string(path).map(|text| Some(text.trim().to_owned())),
        }
    }

    /// Faults that do not depend on the content of the token file: the key and the problem.
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.token.is_some() && self.token_file.is_some() {
            faults.push(("admin.token_file", "contradicts admin.token".to_owned()));
        }
        match &self.token {
            // The token is in the file.
            _ if self.token_file.is_some() => {}
            Some(token) => faults.extend(token_fault(token).map(|problem| ("admin.token", problem))),
            None if self.listen.ip().is_loopback() => {}
            None => {
                let text = "only a loopback address is allowed without admin.token or admin.token_file";
                faults.push(("admin.listen", text.to_owned()));
            }
        }
        faults
    }

    /// The fault of the token file, if there is one.
    pub fn token_file_fault(&self) -> Option<String> {
        let path = self.token_file.as_ref()?;
        match read_to_string(path) {
            Ok(text) => token_fault(text.trim()),
            Err(error) => Some(error.to_string()),
        }
    }
}

fn token_fault(token: &str) -> Option<String> {
    if token.len() < MIN_TOKEN_LENGTH {
        Some(format!("has to have at least {MIN_TOKEN_LENGTH} characters: `openssl rand -hex 32`"))
    } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        // A header can contain no other characters.
        Some("has to consist of visible ASCII characters, without spaces".to_owned())
    } else {
        None
    }
}
