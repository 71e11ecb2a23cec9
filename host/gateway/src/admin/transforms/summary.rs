//! What runs, with its history, and the drop-in directory.

use super::super::problem::{Problem, json, run_blocking};
use super::super::state::SharedAdminState;
use crate::operations::events::rfc3339;
use crate::operations::names::trial_mode;
use crate::transforms::{Changer, DropInStatus, History, Origin, VersionSummary};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use ocpp_gateway_pipeline::{Pipeline, TransformStatus};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A running transform.
#[derive(Debug, Serialize)]
pub(super) struct TransformSummary {
    name: String,
    origin: Origin,
    component: String,
    built_as: String,
    version: String,
    /// SHA-256 of the component.
    sha256: String,
    /// SHA-256 of the file of its program, if there is one.
    program_sha256: Option<String>,
    /// Size of the component, in bytes.
    size: usize,
    /// The hooks that it uses.
    hooks: Vec<&'static str>,
    /// Which messages it handles, as configured. Null: all.
    #[serde(rename = "match")]
    conditions: Option<Map<String, Value>>,
    calls: u64,
    refusals: u64,
    failures: u64,
    /// Mean duration of the measured calls, in microseconds.
    mean_call_us: Option<f64>,
    /// Whether a hook is stopped for a while, because it fails for most charge points.
    stopped: bool,
    /// Those that are stopped for a while.
    stopped_hooks: Vec<&'static str>,
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
    /// The version that was uploaded and runs.
    upload: Option<VersionSummary>,
    /// `shadow` or `canary`, while another version is on trial.
    trial: Option<&'static str>,
}

/// A running transform and its history.
#[derive(Debug, Serialize)]
struct TransformDetails {
    #[serde(flatten)]
    summary: TransformSummary,
    /// The keys of a `[[transforms]]` entry that are in force, without secrets. Null while it cannot be told.
    settings: Option<Map<String, Value>>,
    /// The versions that were uploaded, the newest first.
    versions: Vec<VersionSummary>,
}

impl TransformSummary {
    fn of(status: TransformStatus, changer: &Changer) -> Self {
        let History { origin, upload, .. } = changer.history(&status.name);
        let trial = changer.trials().mode(&status.name).map(trial_mode);
        let TransformStatus { timed_calls, timed, .. } = status;
        let previous_program_sha256 = status.previous.as_ref().and_then(|it| it.program_sha256.clone());
        let (previous_version, previous_sha256) = status.previous.map(|it| (it.version, it.sha256)).unzip();
        let (last_fault, last_fault_at) = status.last_fault.map(|it| (it.text, rfc3339(it.at))).unzip();
        TransformSummary {
            conditions: changer.conditions(&status.name),
            name: status.name,
            origin,
            component: status.component,
            built_as: status.built_as,
            version: status.version,
            sha256: status.sha256,
            program_sha256: status.program_sha256,
            size: status.size,
            hooks: status.hooks,
            calls: status.calls,
            refusals: status.refusals,
            failures: status.failures,
            mean_call_us: (timed_calls > 0).then(|| timed.as_secs_f64() * 1e6 / timed_calls as f64),
            stopped: status.stopped,
            stopped_hooks: status.stopped_hooks,
            stopped_charge_points: status.stopped_charge_points,
            previous_version,
            previous_sha256,
            previous_program_sha256,
            last_fault,
            last_fault_at,
            upload,
            trial,
        }
    }
}

/// Lists the running transforms
pub(super) async fn list(State(state): State<SharedAdminState>) -> Response {
    let summary = |status| TransformSummary::of(status, &state.changer);
    let summaries: Vec<_> = state.context.router.pipeline.transforms().into_iter().map(summary).collect();
    json(StatusCode::OK, &summaries)
}

/// Shows a transform, its settings and its history
pub(super) async fn show(
    State(state): State<SharedAdminState>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    let (changer, pipeline) = (Arc::clone(&state.changer), state.context.router.pipeline.clone());
    // A jq program that was sent is read from its file.
    let details = run_blocking(move || {
        let unknown = || Problem::new(StatusCode::NOT_FOUND, format!("no transform is named {name:?}"));
        let summary = find(&pipeline, &changer, &name).ok_or_else(unknown)?;
        let settings = changer.settings(&summary.name);
        let versions = changer.history(&summary.name).versions;
        Ok(TransformDetails { summary, settings, versions })
    });
    details.await?.map(|details| json(StatusCode::OK, &details))
}

/// The transform of this name, if it runs.
pub(super) fn find(pipeline: &Pipeline, changer: &Changer, name: &str) -> Option<TransformSummary> {
    let status = pipeline.transforms().into_iter().find(|status| status.name == name)?;
    Some(TransformSummary::of(status, changer))
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
pub(super) async fn list_drop_ins(State(state): State<SharedAdminState>) -> Response {
    let directory = state.changer.drop_ins().directory().map(|directory| directory.display().to_string());
    let drop_ins = state.changer.drop_ins().statuses().into_iter().map(DropInSummary::from).collect();
    json(StatusCode::OK, &DropInList { directory, drop_ins })
}
