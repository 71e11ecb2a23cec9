//! `/api/v1/audit`: what callers of the admin API have changed since the start.

use super::audit_history::AuditLine;
use super::problem::{Problem, json};
use super::query::limit_of;
use super::state::SharedAdminState;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new().route("/api/v1/audit", get(list))
}

#[derive(Debug, Deserialize)]
struct AuditQuery {
    limit: Option<usize>,
}

#[derive(Debug, Serialize)]
struct AuditLines {
    /// The latest first.
    lines: Vec<AuditLine>,
}

/// Lists the changes that callers have made since the start
async fn list(
    State(state): State<SharedAdminState>,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(AuditQuery { limit }) = query?;
    Ok(json(StatusCode::OK, &AuditLines { lines: state.audit.latest(limit_of(limit)?) }))
}
