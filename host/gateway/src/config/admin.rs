//! `[admin]`: the admin listener.

use super::security::AdminTlsConfig;
use super::values::read_to_string;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The minimum length of a token, which must not be guessable.
const MIN_TOKEN_LENGTH: usize = 16;

const VIEWER_TOKEN: &str = "admin.viewer_token";
const VIEWER_TOKEN_FILE: &str = "admin.viewer_token_file";
const SAME_TOKENS: &str = "is the same as the admin token, so that it could not look only: `openssl rand -hex 32`";

/// What requests to the admin listener may show.
#[derive(Clone, Default)]
pub struct AdminTokens {
    /// It may do everything. `None`: requests need none.
    pub admin: Option<String>,
    /// It may look.
    pub viewer: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct AdminConfig {
    pub listen: SocketAddr,
    /// The token that every page but those that are open to all requires. Absent: none.
    #[serde(skip_serializing)]
    pub token: Option<String>,
    pub token_file: Option<PathBuf>,
    /// A token that may look, but not change anything. Absent: none.
    #[serde(skip_serializing)]
    pub viewer_token: Option<String>,
    pub viewer_token_file: Option<PathBuf>,
    /// Whether those who watch messages over the API may see frames and payloads.
    pub tap_payloads: bool,
    /// Absent: the listener speaks plain HTTP.
    pub tls: Option<AdminTlsConfig>,
}

impl Default for AdminConfig {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8080));
        AdminConfig {
            listen,
            token: None,
            token_file: None,
            viewer_token: None,
            viewer_token_file: None,
            tap_payloads: true,
            tls: None,
        }
    }
}

impl AdminConfig {
    /// The tokens, from the files if these are configured.
    pub fn resolve_tokens(&self) -> io::Result<AdminTokens> {
        let resolve = |token: &Option<String>, file: &Option<PathBuf>| match file {
            None => Ok(token.clone()),
            Some(path) => read_to_string(path).map(|text| Some(text.trim().to_owned())),
        };
        let admin = resolve(&self.token, &self.token_file)?;
        Ok(AdminTokens { admin, viewer: resolve(&self.viewer_token, &self.viewer_token_file)? })
    }

    /// Faults that do not depend on the content of the token files: the key and the problem.
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = self.viewer_faults();
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

    fn viewer_faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let (is_set, has_file) = (self.viewer_token.is_some(), self.viewer_token_file.is_some());
        if is_set && has_file {
            faults.push(("admin.viewer_token_file", "contradicts admin.viewer_token".to_owned()));
        }
        if (is_set || has_file) && self.token.is_none() && self.token_file.is_none() {
            let key = if is_set { VIEWER_TOKEN } else { VIEWER_TOKEN_FILE };
            let text = "is of no use without admin.token or admin.token_file: without one, all who reach the listener \
                        may do everything";
            faults.push((key, text.to_owned()));
        }
        if let Some(token) = self.viewer_token.as_deref().filter(|_| !has_file) {
            let is_same = self.token_file.is_none() && self.token.as_deref() == Some(token);
            let fault = if is_same { Some(SAME_TOKENS.to_owned()) } else { token_fault(token) };
            faults.extend(fault.map(|problem| (VIEWER_TOKEN, problem)));
        }
        faults
    }

    /// The faults of the token files: the key and the problem.
    pub fn token_file_faults(&self) -> Vec<(&'static str, String)> {
        let read = |path: &Option<PathBuf>| path.as_ref().map(|path| read_to_string(path));
        let (admin, viewer) = (read(&self.token_file), read(&self.viewer_token_file));
        let fault = |text: &io::Result<String>| match text {
            Ok(text) => token_fault(text.trim()),
            Err(error) => Some(error.to_string()),
        };
        let of_files = [("admin.token_file", &admin), (VIEWER_TOKEN_FILE, &viewer)];
        let mut faults: Vec<(&'static str, String)> =
            of_files.into_iter().filter_map(|(key, text)| Some((key, fault(text.as_ref()?)?))).collect();
        let has_file = admin.is_some() || viewer.is_some();
        if let Ok(AdminTokens { admin: Some(admin), viewer: Some(viewer) }) = self.resolve_tokens()
            && has_file
            && admin == viewer
        {
            let key = if self.viewer_token_file.is_some() { VIEWER_TOKEN_FILE } else { VIEWER_TOKEN };
            faults.push((key, SAME_TOKENS.to_owned()));
        }
        faults
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
