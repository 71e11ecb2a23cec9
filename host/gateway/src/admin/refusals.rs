//! `/api/v1/refusals`: connections that were refused, by charge point and reason.

use super::problem::{Problem, json};
use super::query::limit_of;
use super::state::SharedAdminState;
use crate::operations::events::rfc3339;
use crate::operations::refusals::RefusalEntry;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new().route("/api/v1/refusals", get(list))
}

#[derive(Debug, Deserialize)]
struct RefusalQuery {
    limit: Option<usize>,
    /// Part of an identity or address.
    search: Option<String>,
}

#[derive(Debug, Serialize)]
struct RefusalList {
    /// The latest first.
    refusals: Vec<RefusalSummary>,
    /// How many are kept that match.
    total: usize,
}

/// Refusals of one charge point for one reason; without an identity, those of one address.
#[derive(Debug, Serialize)]
struct RefusalSummary {
    /// In the request, not verified. Null: none was read.
    identity: Option<String>,
    /// The latest, without port.
    address: String,
    /// The name of the listener of the latest.
    listener: String,
    /// The subject of the client's certificate, if it sent one.
    certificate: Option<String>,
    reason: &'static str,
    text: String,
    count: u64,
    first: String,
    last: String,
}

impl From<RefusalEntry> for RefusalSummary {
    fn from(
        RefusalEntry { identity, address, listener, certificate, reason, text, count, first, last }: RefusalEntry,
    ) -> Self {
        let (address, first, last) = (address.to_string(), rfc3339(first), rfc3339(last));
        RefusalSummary { identity, address, listener, certificate, reason, text, count, first, last }
    }
}

/// Lists refused connections
async fn list(
    State(state): State<SharedAdminState>,
    query: Result<Query<RefusalQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(RefusalQuery { limit, search }) = query?;
    let limit = limit_of(limit)?;
    let search = search.unwrap_or_default().to_lowercase();
    let (found, total) = state.context.router.events.refusals.entries(limit, |entry| entry.contains(&search));
    let refusals = found.into_iter().map(RefusalSummary::from).collect();
    Ok(json(StatusCode::OK, &RefusalList { refusals, total }))
}
