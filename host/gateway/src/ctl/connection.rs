//! Where the gateway is, the token for its admin API, and the authorities that are trusted.

use super::client::{ApiError, Client};
use clap::Args;
use std::env;
use std::path::PathBuf;

/// Where a gateway with the default configuration has its admin listener.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:8080";
pub(crate) const URL_VARIABLE: &str = "OCPP_GATEWAY_URL";
/// The heading of options that every command has, in the help.
pub(super) const GATEWAY: &str = "The gateway";
const TOKEN_VARIABLE: &str = "OCPP_GATEWAY_TOKEN";

/// How the admin API is accessed.
#[derive(Debug, Clone, Default, Args)]
pub struct AccessArgs {
    /// The file with the token for the admin API. It takes precedence over the variable OCPP_GATEWAY_TOKEN, which is the
    /// token itself.
    #[arg(long, value_name = "FILE", env = "OCPP_GATEWAY_TOKEN_FILE", global = true, help_heading = GATEWAY)]
    pub token_file: Option<PathBuf>,
    /// The file with the certificates that are trusted for https://, in PEM: of the gateway's authority, or its own if that
    /// is self-signed. By default those that the operating system trusts.
    #[arg(long, value_name = "FILE", env = "OCPP_GATEWAY_CA", global = true, help_heading = GATEWAY)]
    pub ca: Option<PathBuf>,
}

impl AccessArgs {
    /// A client for the gateway at this URL.
    pub(crate) fn client(&self, url: &str) -> Result<Client, ApiError> {
        Client::new(url, self.token()?.as_deref(), self.ca.as_deref())
    }

    /// The token, if there is one.
    fn token(&self) -> Result<Option<String>, ApiError> {
        let Some(path) = &self.token_file else {
            return Ok(env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()));
        };
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| ApiError::TokenFile { path: path.clone(), error })?;
        Ok(Some(text.trim().to_owned()))
    }
}
