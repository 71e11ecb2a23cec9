//! `/api/v1/figures`: the last hour, in steps of ten seconds.

use super::problem::{Problem, json};
use super::state::SharedAdminState;
use crate::operations::figures::{SERIES, STEP};
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new().route("/api/v1/figures", get(show))
}

#[derive(Debug, Deserialize)]
struct FigureQuery {
    /// Only steps that end later, in seconds since 1970.
    after: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Figures {
    step_seconds: u64,
    /// The end of each step, in seconds since 1970, the oldest first.
    times: Vec<u64>,
    /// By name, as many numbers as times.
    series: BTreeMap<&'static str, Vec<Option<f64>>>,
}

/// Shows figures of the last hour
async fn show(
    State(state): State<SharedAdminState>,
    query: Result<Query<FigureQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(FigureQuery { after }) = query?;
    let steps = state.figures.after(after.unwrap_or_default());
    let figures = Figures {
        step_seconds: STEP.as_secs(),
        times: steps.iter().map(|step| step.end).collect(),
        series: SERIES.into_iter().map(|(name, figure)| (name, steps.iter().map(figure).collect())).collect(),
    };
    Ok(json(StatusCode::OK, &figures))
}
