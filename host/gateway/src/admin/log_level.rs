//! `/api/v1/log-level`: shows which lines the log has, and changes it until the gateway is restarted.

use super::audit::{Caller, Hashes};
use super::problem::{Problem, json, require_json};
use super::state::SharedAdminState;
use crate::config::LogLevel;
use crate::operations::log::{self, LogLevelError};
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};

/// The largest accepted request body, in bytes. A filter is a few directives.
const MAX_BODY_SIZE: usize = 16 << 10;

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new().route("/api/v1/log-level", get(show).put(change)).layer(DefaultBodyLimit::max(MAX_BODY_SIZE))
}

/// Which lines are written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogFilter {
    /// A level, or directives, as in `log.level` of the configuration.
    filter: String,
}

impl From<LogLevel> for LogFilter {
    fn from(level: LogLevel) -> Self {
        LogFilter { filter: level.to_string() }
    }
}

impl From<LogLevelError> for Problem {
    fn from(error: LogLevelError) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

/// Shows which lines the log has
async fn show() -> Result<Response, Problem> {
    Ok(json(StatusCode::OK, &LogFilter::from(log::level()?)))
}

/// Changes which lines the log has
///
/// In force until the gateway is restarted; neither the configuration nor SIGHUP changes it back.
async fn change(caller: Caller, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Response, Problem> {
    require_json(&headers)?;
    let bad = |error: &dyn std::fmt::Display| Problem::bad_request(error.to_string());
    let LogFilter { filter } = serde_json::from_slice(&body?).map_err(|error| bad(&error))?;
    let level: LogLevel = filter.parse().map_err(|error| bad(&error))?;
    log::set_level(level.clone())?;
    caller.audit(format_args!("log level {level}"), "set", Hashes::default());
    Ok(json(StatusCode::OK, &LogFilter::from(level)))
}
