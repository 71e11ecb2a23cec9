//! `/api/v1/transforms`: which run, and others in their place.

use super::problem::{Problem, json};
use super::state::{AdminState, SharedAdminState, UPLOADS};
use crate::operations::events::rfc3339;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post, put};
use ocpp_gateway_pipeline::{FewerHooks, Pipeline, Source, SwapError, TransformStatus};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The largest component that is taken, in bytes: JavaScript and Python make them of 12 to 19 MB.
const LARGEST: usize = 64 << 20;

/// How long the component may take to come.
const UPLOAD_TIME: Duration = Duration::from_secs(120);
/// When to come again where others are uploading, in seconds.
const RETRY_AFTER: u16 = 10;

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new()
        .route("/api/v1/transforms", get(list))
        .route("/api/v1/transforms/{name}", put(swap))
        .route("/api/v1/transforms/{name}/rollback", post(roll_back))
        .layer(DefaultBodyLimit::max(LARGEST))
}

/// How a component may take the place of another.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SwapQuery {
    /// Even if it lacks hooks that are in use.
    #[serde(default)]
    allow_fewer_hooks: bool,
}

/// One transform, as the API shows it.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    component: String,
    built_as: String,
    version: String,
    /// Of the component.
    sha256: String,
    /// Of the component, in bytes.
    size: usize,
    calls: u64,
    refusals: u64,
    failures: u64,
    /// The mean of those calls whose time was taken.
    mean_call_us: Option<f64>,
    /// Not called for a while, as it fails for most charge points.
    stopped: bool,
    /// For how many charge points a hook is not called for a while, as it fails for them.
    stopped_charge_points: usize,
    /// The version that a rollback brings back.
    previous_version: Option<String>,
    previous_sha256: Option<String>,
    /// Why the latest attempt to put another in its place failed or was taken back, if it was.
    last_fault: Option<String>,
    /// When that was.
    last_fault_at: Option<String>,
}

impl From<TransformStatus> for Shown {
    fn from(status: TransformStatus) -> Self {
        let TransformStatus { timed_calls, timed, .. } = status;
        let (previous_version, previous_sha256) = status.previous.map(|it| (it.version, it.sha256)).unzip();
        let (last_fault, last_fault_at) = status.last_fault.map(|it| (it.text, rfc3339(it.at))).unzip();
        Shown {
            name: status.name,
            component: status.component,
            built_as: status.built_as,
            version: status.version,
            sha256: status.sha256,
            size: status.size,
            calls: status.calls,
            refusals: status.refusals,
            failures: status.failures,
            mean_call_us: (timed_calls > 0).then(|| timed.as_secs_f64() * 1e6 / timed_calls as f64),
            stopped: status.stopped,
            stopped_charge_points: status.stopped_charge_points,
            previous_version,
            previous_sha256,
            last_fault,
            last_fault_at,
        }
    }
}

/// Which transforms run
async fn list(State(state): State<SharedAdminState>) -> Response {
    let shown: Vec<Shown> = state.context.router.pipeline.transforms().into_iter().map(Shown::from).collect();
    json(StatusCode::OK, &shown)
}

/// Puts a component in the place of the one that runs
///
/// It runs until the next restart or SIGHUP, or until the file that the configuration names changes; that file is not
/// written. If it is what runs already, nothing changes.
async fn swap(
    State(state): State<SharedAdminState>,
    name: Result<Path<String>, PathRejection>,
    query: Result<Query<SwapQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Query(SwapQuery { allow_fewer_hooks }) = query?;
    let fewer_hooks = if allow_fewer_hooks { FewerHooks::Allow } else { FewerHooks::Refuse };
    let Path(name) = name?;
    let Ok(permit) = Arc::clone(&state.uploads).try_acquire_owned() else {
        return Err(Problem::busy(format!("{UPLOADS} components are being uploaded already"), RETRY_AFTER));
    };
    let Ok(body) = timeout(UPLOAD_TIME, Bytes::from_request(request, &())).await else {
        let detail = format!("the component has not come whole within {UPLOAD_TIME:?}");
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
    };
    let source = Source::Bytes(body?.as_ref().into());
    change(&state, name, move |pipeline, name| {
        // It goes on when whoever has sent it does not wait any more.
        let _permit = permit;
        pipeline.swap(name, Some(source), fewer_hooks).map(drop)
    })
    .await
}

/// Brings the component back that ran before
async fn roll_back(
    State(state): State<SharedAdminState>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    change(&state, name, |pipeline, name| pipeline.roll_back(name).map(drop)).await
}

/// Does what may take seconds, away from the threads that serve charge points.
async fn change(
    state: &AdminState,
    name: String,
    change: impl FnOnce(&Pipeline, &str) -> Result<(), SwapError> + Send + 'static,
) -> Result<Response, Problem> {
    let pipeline = state.context.router.pipeline.clone();
    let changed = tokio::task::spawn_blocking(move || {
        change(&pipeline, &name)?;
        Ok(pipeline.transforms().into_iter().find(|status| status.name == name).map(Shown::from))
    });
    match changed.await {
        Ok(Ok(shown)) => Ok(json(StatusCode::OK, &shown)),
        Ok(Err(error)) => Err(Problem::new(status_of(&error), error.to_string())),
        Err(error) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

fn status_of(error: &SwapError) -> StatusCode {
    match error {
        SwapError::Unknown(_) => StatusCode::NOT_FOUND,
        SwapError::NoPrevious | SwapError::Overtaken(_) => StatusCode::CONFLICT,
        SwapError::Load(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
