//! The latest lines of the log about a transform.

use super::super::problem::{Problem, json};
use super::super::state::SharedAdminState;
use crate::operations::events::rfc3339;
use crate::operations::log::TransformLine;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct TransformLog {
    /// The latest first.
    lines: Vec<LogLine>,
}

#[derive(Debug, Serialize)]
struct LogLine {
    time: String,
    level: String,
    charge_point: Option<String>,
    text: String,
}

impl From<TransformLine> for LogLine {
    fn from(TransformLine { time, level, charge_point, text }: TransformLine) -> Self {
        LogLine { time: rfc3339(time), level: level.as_str().to_ascii_lowercase(), charge_point, text }
    }
}

/// Shows the latest lines of the log that name a transform
pub(super) async fn show(
    State(state): State<SharedAdminState>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    if !state.changer.is_running(&name) {
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("no transform is named {name:?}")));
    }
    let lines = state.transform_lines.latest(&name).into_iter().map(LogLine::from).collect();
    Ok(json(StatusCode::OK, &TransformLog { lines }))
}
