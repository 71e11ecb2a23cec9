//! `/api/v1/me`: what the caller may do, and which gateway answers.

use super::audit::Caller;
use super::guard::may_only_look;
use super::problem::json;
use super::state::SharedAdminState;
use crate::operations::events::rfc3339;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use std::time::SystemTime;

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new().route("/api/v1/me", get(show))
}

#[derive(Debug, Serialize)]
struct Me {
    /// The name of the token that the request shows; null: none is required.
    token: Option<&'static str>,
    may_change: bool,
    /// Whether those who watch messages may see their payloads.
    payloads: bool,
    /// The version of the gateway.
    gateway: &'static str,
    /// When the gateway was started.
    started: String,
    now: String,
}

/// Shows what the caller may do, and which gateway answers
async fn show(State(state): State<SharedAdminState>, caller: Caller) -> Response {
    let me = Me {
        token: caller.token,
        may_change: !may_only_look(caller.token),
        payloads: state.shows_payloads,
        gateway: env!("CARGO_PKG_VERSION"),
        started: rfc3339(state.started),
        now: rfc3339(SystemTime::now()),
    };
    json(StatusCode::OK, &me)
}
