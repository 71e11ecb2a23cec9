//! `/api/v1/transforms`: lists the running transforms, replaces them and rolls them back.

use super::audit::{Caller, Hashes};
use super::problem::{Problem, json};
use super::state::{AdminState, MAX_UPLOADS, SharedAdminState};
use crate::operations::events::rfc3339;
use crate::transforms::{DropInStatus, MAX_COMPONENT_SIZE};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post, put};
use ocpp_gateway_pipeline::{FewerHooks, Pipeline, Source, SwapError, Swapped, TransformStatus, short_hashes};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long the upload of a component may take.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(120);
/// When to retry if other uploads are in progress, in seconds.
const RETRY_AFTER: u16 = 10;

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new()
        .route("/api/v1/transforms", get(list))
        .route("/api/v1/drop-ins", get(list_drop_ins))
        .route("/api/v1/transforms/{name}", put(swap))
        .route("/api/v1/transforms/{name}/rollback", post(roll_back))
        .layer(DefaultBodyLimit::max(MAX_COMPONENT_SIZE))
}

/// Query parameters: how a component may replace another.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SwapQuery {
    /// Whether the new component may lack hooks that the running one has.
    #[serde(default)]
    allow_fewer_hooks: bool,
}

/// A running transform.
#[derive(Debug, Serialize)]
struct TransformSummary {
    name: String,
    component: String,
    built_as: String,
    version: String,
    /// SHA-256 of the component.
    sha256: String,
    /// SHA-256 of the file of its program, if there is one.
    program_sha256: Option<String>,
    /// Size of the component, in bytes.
    size: usize,
    calls: u64,
    refusals: u64,
    failures: u64,
    /// Mean duration of the measured calls, in microseconds.
    mean_call_us: Option<f64>,
    /// Whether a hook is stopped for a while, because it fails for most charge points.
    stopped: bool,
    /// Charge points for which a hook is stopped for a while, because it fails for them.
    stopped_charge_points: usize,
    /// The version that a rollback restores.
    previous_version: Option<String>,
    previous_sha256: Option<String>,
    previous_program_sha256: Option<String>,
    /// Why the latest attempt to replace it failed or was rolled back, if so.
    last_fault: Option<String>,
    /// When that happened.
    last_fault_at: Option<String>,
}

impl From<TransformStatus> for TransformSummary {
    fn from(status: TransformStatus) -> Self {
        let TransformStatus { timed_calls, timed, .. } = status;
        let previous_program_sha256 = status.previous.as_ref().and_then(|it| it.program_sha256.clone());
        let (previous_version, previous_sha256) = status.previous.map(|it| (it.version, it.sha256)).unzip();
        let (last_fault, last_fault_at) = status.last_fault.map(|it| (it.text, rfc3339(it.at))).unzip();
        TransformSummary {
            name: status.name,
            component: status.component,
            built_as: status.built_as,
            version: status.version,
            sha256: status.sha256,
            program_sha256: status.program_sha256,
            size: status.size,
            calls: status.calls,
            refusals: status.refusals,
            failures: status.failures,
            mean_call_us: (timed_calls > 0).then(|| timed.as_secs_f64() * 1e6 / timed_calls as f64),
            stopped: status.stopped,
            stopped_charge_points: status.stopped_charge_points,
            previous_version,
            previous_sha256,
            previous_program_sha256,
            last_fault,
            last_fault_at,
        }
    }
}

/// Lists the running transforms
async fn list(State(state): State<SharedAdminState>) -> Response {
    let summaries: Vec<TransformSummary> =
        state.context.router.pipeline.transforms().into_iter().map(TransformSummary::from).collect();
    json(StatusCode::OK, &summaries)
}

/// The drop-in directory.
#[derive(Debug, Serialize)]
struct DropInList {
    directory: Option<String>,
    drop_ins: Vec<DropInSummary>,
}

/// The files of one drop-in.
#[derive(Debug, Serialize)]
struct DropInSummary {
    files: Vec<String>,
    /// Name of the transform, unless the files have no valid name.
    transform: Option<String>,
    /// Why the files are not used. The version before runs on, if there was one.
    fault: Option<String>,
    /// Since when.
    fault_since: Option<String>,
}

impl From<DropInStatus> for DropInSummary {
    fn from(DropInStatus { files, transform, fault }: DropInStatus) -> Self {
        let (fault, fault_since) = fault.map(|it| (it.text, rfc3339(it.since))).unzip();
        DropInSummary { files, transform, fault, fault_since }
    }
}

/// Lists the files of the drop-in directory
async fn list_drop_ins(State(state): State<SharedAdminState>) -> Response {
    let directory = state.drop_ins.directory().map(|directory| directory.display().to_string());
    let drop_ins = state.drop_ins.statuses().into_iter().map(DropInSummary::from).collect();
    json(StatusCode::OK, &DropInList { directory, drop_ins })
}

/// Replaces the running component
///
/// The new component runs until the next restart or SIGHUP, or until the file of the transform changes. That file is
/// not written. Uploading the running component changes nothing.
async fn swap(
    State(state): State<SharedAdminState>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
    query: Result<Query<SwapQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Query(SwapQuery { allow_fewer_hooks }) = query?;
    let fewer_hooks = if allow_fewer_hooks { FewerHooks::Allow } else { FewerHooks::Refuse };
    let Path(name) = name?;
    let Ok(permit) = Arc::clone(&state.uploads).try_acquire_owned() else {
        return Err(Problem::busy(format!("{MAX_UPLOADS} components are being uploaded already"), RETRY_AFTER));
    };
    let Ok(body) = timeout(UPLOAD_TIMEOUT, Bytes::from_request(request, &())).await else {
        let detail = format!("the upload took longer than {UPLOAD_TIMEOUT:?}");
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
    };
    let source = Source::Bytes(body?.as_ref().into());
    change(&state, name, (caller, "replaced"), move |pipeline, name| {
        // The swap continues even if the client disconnects.
        let _permit = permit;
        pipeline.swap(name, Some(source), fewer_hooks).map(|swapped| swapped == Swapped::Replaced)
    })
    .await
}

/// Restores the component that ran before
async fn roll_back(
    State(state): State<SharedAdminState>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    change(&state, name, (caller, "rolled back"), |pipeline, name| pipeline.roll_back(name).map(|_| true)).await
}

/// Runs a change that may take seconds on a blocking thread. `change` returns whether it has changed anything; if so,
/// an audit line says who has done what.
async fn change(
    state: &AdminState,
    name: String,
    (caller, done): (Caller, &'static str),
    change: impl FnOnce(&Pipeline, &str) -> Result<bool, SwapError> + Send + 'static,
) -> Result<Response, Problem> {
    let pipeline = state.context.router.pipeline.clone();
    let changed = tokio::task::spawn_blocking(move || {
        let has_changed = change(&pipeline, &name)?;
        let status = pipeline.transforms().into_iter().find(|status| status.name == name);
        if has_changed {
            caller.audit(format_args!("transform {name}"), done, hashes(status.as_ref()));
        }
        Ok(status.map(TransformSummary::from))
    });
    match changed.await {
        Ok(Ok(summary)) => Ok(json(StatusCode::OK, &summary)),
        Ok(Err(error)) => Err(Problem::new(status_of(&error), error.to_string())),
        Err(error) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

/// The hashes of the version that ran before, and of the running one.
fn hashes(status: Option<&TransformStatus>) -> Hashes {
    let before = status.and_then(|it| it.previous.as_ref());
    Hashes {
        before: before.map(|it| short_hashes(&it.sha256, it.program_sha256.as_deref())),
        after: status.map(|it| short_hashes(&it.sha256, it.program_sha256.as_deref())),
    }
}

fn status_of(error: &SwapError) -> StatusCode {
    match error {
        SwapError::Unknown(_) => StatusCode::NOT_FOUND,
        SwapError::NoPrevious | SwapError::RolledBackMeanwhile(_) => StatusCode::CONFLICT,
        SwapError::Load(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
