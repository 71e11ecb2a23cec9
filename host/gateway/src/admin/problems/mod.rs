//! `/api/v1/problems`: what is wrong now, in sentences for an engineer who has to act.
//!
//! The list is made when it is asked for, from statuses, histories and the figures of the last minutes.
//!
//! - `service`: broker, gateway, backlog, back ends, memory; `transforms`: transforms, trials, drop-ins;
//!   `access`: refused connections, limits, certificates. `current_problem`: one of them.

mod access;
mod current_problem;
mod service;
mod transforms;

use super::problem::{Problem, json, run_blocking};
use super::state::{AdminState, SharedAdminState};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use current_problem::{CurrentProblem, Now, sort};
use serde::Serialize;
use std::time::{Instant, SystemTime};

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new().route("/api/v1/problems", get(list))
}

#[derive(Debug, Serialize)]
struct Problems {
    /// The worst first.
    problems: Vec<CurrentProblem>,
}

/// Lists what is wrong
async fn list(State(state): State<SharedAdminState>) -> Result<Response, Problem> {
    let problems = run_blocking(move || current(&state)).await?;
    Ok(json(StatusCode::OK, &Problems { problems }))
}

fn current(state: &AdminState) -> Vec<CurrentProblem> {
    let now = Now { monotonic: Instant::now(), wall: SystemTime::now() };
    let recent = state.figures.recent();
    let mut problems = service::all(state, &recent.counts, now);
    problems.extend(transforms::all(state, &recent.transform_failures, now));
    problems.extend(access::all(state, &recent.counts, now));
    sort(&mut problems);
    problems
}
