//! `/api/v1/transforms/{name}/trial`: a version beside the one that runs.

use super::super::audit::{Caller, Hashes};
use super::super::problem::{Problem, json, run_blocking};
use super::super::state::{AdminState, SharedAdminState};
use super::body::ChangeBody;
use super::change::{Asked, Name, make_with_warnings, refusal};
use crate::operations::names::trial_mode_of;
use crate::transforms::{ChangeError, ChangeRequest, Difference, RequestedChange, TrialReport, TrialStart};
use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use ocpp_gateway_pipeline::{FewerHooks, Selection, TransformVersion, short_hashes};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The reason of a trial that an operator ends.
const ENDED: &str = "ended over the API";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrialQuery {
    mode: String,
    percent: Option<u64>,
    charge_points: Option<String>,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    allow_fewer_hooks: bool,
}

/// A trial, for people and programs.
#[derive(Debug, Serialize)]
struct TrialAnswer {
    #[serde(flatten)]
    trial: TrialReport,
    /// The keys of a `[[transforms]]` entry as the candidate has them, without secrets. Null after its end.
    settings: Option<Map<String, Value>>,
    /// Connected charge points, in the trial or not.
    connected: usize,
    /// Whether it survives the process.
    kept: bool,
    warnings: Vec<String>,
    dry_run: bool,
}

/// The answer to a dry run: the trial would start.
#[derive(Debug, Serialize)]
struct DryRunAnswer {
    transform: String,
    connected: usize,
    selected: usize,
    warnings: Vec<String>,
    dry_run: bool,
}

/// What a request for a trial has beside the body.
pub(super) struct AskedTrial {
    query: TrialQuery,
    caller: Caller,
}

impl FromRequestParts<SharedAdminState> for AskedTrial {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &SharedAdminState) -> Result<Self, Problem> {
        let Query(query) = Query::from_request_parts(parts, state).await?;
        Ok(AskedTrial { query, caller: Caller::from_request_parts(parts, state).await? })
    }
}

/// Starts a version beside the one that runs
pub(super) async fn start(
    State(state): State<SharedAdminState>,
    AskedTrial { query, caller }: AskedTrial,
    name: Name,
    request: Request,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    let ChangeBody { settings, component, signature, permit } = ChangeBody::read(&state, request).await?;
    let TrialQuery { mode, percent, charge_points, dry_run, allow_fewer_hooks } = query;
    let mode = trial_mode_of(&mode).ok_or_else(|| Problem::bad_request("mode: has to be shadow or canary"))?;
    let selection =
        Selection::new(&name, charge_points, percent.map(|percent| u8::try_from(percent).unwrap_or(u8::MAX)));
    let (connected, selected) = counts(&state, &selection);
    let change = ChangeRequest {
        change: RequestedChange::Put { name: name.clone(), settings, component },
        signature,
        fewer_hooks: if allow_fewer_hooks { FewerHooks::Allow } else { FewerHooks::Refuse },
        dry_run,
        sender: caller.clone().into(),
    };
    let warning = warning_if_none_takes_part(&selection, connected, selected);
    let changer = Arc::clone(&state.changer);
    let started = run_blocking(move || {
        let _permit = permit;
        let start = TrialStart { change, mode, selection, connected: (selected, connected - selected) };
        let trial = changer.start_trial(start)?;
        trial.iter().for_each(|trial| audit(&caller, trial, "started"));
        Ok::<_, ChangeError>(trial)
    });
    let trial = started.await?.map_err(|error| refusal(&error))?;
    let Some(trial) = trial else {
        let warnings = warning.into_iter().collect();
        let answer = DryRunAnswer { transform: name, connected, selected, warnings, dry_run };
        return Ok(json(StatusCode::OK, &answer));
    };
    // They join one by one, a moment later.
    let mut answer = TrialAnswer { connected, ..answer(&state, TrialReport { selected, ..trial }) };
    answer.warnings.extend(warning);
    Ok(json(StatusCode::CREATED, &answer))
}

/// Shows a trial
pub(super) async fn show(State(state): State<SharedAdminState>, name: Name) -> Result<Response, Problem> {
    let Path(name) = name?;
    let (shared, wanted) = (Arc::clone(&state), name.clone());
    // A jq program that was sent is read from its file.
    let shown = run_blocking(move || shared.changer.trials().report(&wanted).map(|trial| answer(&shared, trial)));
    Ok(json(StatusCode::OK, &shown.await?.ok_or_else(|| no_trial(&state, &name))?))
}

/// Ends a trial, or forgets one that has ended
pub(super) async fn end(
    State(state): State<SharedAdminState>,
    caller: Caller,
    name: Name,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    let (changer, wanted) = (Arc::clone(&state.changer), name.clone());
    let ended = run_blocking(move || {
        let trial = changer.trials().end(&wanted, ENDED);
        trial.iter().for_each(|trial| audit(&caller, trial, "ended"));
        trial
    });
    let trial = ended.await?.ok_or_else(|| no_trial(&state, &name))?;
    Ok(json(StatusCode::OK, &answer(&state, trial)))
}

/// Puts the version on trial in place for all charge points
pub(super) async fn promote(
    State(state): State<SharedAdminState>,
    asked: Asked,
    name: Name,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    let trial = state.changer.trials().report(&name).ok_or_else(|| no_trial(&state, &name))?;
    if let Some(reason) = &trial.reason {
        return Err(Problem::new(StatusCode::CONFLICT, format!("the trial has ended: {reason}")));
    }
    let doubts = trial.doubts();
    let request = asked.request(RequestedChange::Promote { name });
    make_with_warnings(&state, asked.caller(), request, StatusCode::OK, (), doubts).await
}

fn answer(state: &AdminState, mut trial: TrialReport) -> TrialAnswer {
    if let Some(shadow) = trial.shadow.as_mut().filter(|_| !state.shows_payloads) {
        let differences = std::mem::take(&mut shadow.differences);
        shadow.differences = differences.into_iter().map(Difference::without_payloads).collect();
    }
    let kept = trial.ended_at.is_none() && state.changer.store().is_kept();
    let mut warnings = Vec::new();
    if trial.ended_at.is_none() && !kept {
        warnings.push("the trial ends with the process: set storage.directory in the configuration to keep it".into());
    }
    let settings = state.changer.trial_settings(&trial.transform);
    TrialAnswer { trial, settings, connected: state.context.registry.len(), kept, warnings, dry_run: false }
}

/// How many charge points are connected, and how many of them are selected.
fn counts(state: &AdminState, selection: &Selection) -> (usize, usize) {
    let connected = state.context.registry.connected();
    let selected = connected.iter().filter(|it| selection.selects(&it.mailbox.peer().identity)).count();
    (connected.len(), selected)
}

/// A warning, if no charge point takes part in a trial.
fn warning_if_none_takes_part(selection: &Selection, connected: usize, selected: usize) -> Option<String> {
    let of_pattern = selection.charge_points().map(|pattern| format!(" whose identity is like {pattern:?}"));
    (selected == 0).then(|| {
        format!(
            "no charge point{} is connected that takes part ({connected} are connected): the trial sees those that \
             connect later",
            of_pattern.unwrap_or_default()
        )
    })
}

fn no_trial(state: &AdminState, name: &str) -> Problem {
    let problem = match state.changer.is_running(name) {
        true => format!("{name:?} is not on trial"),
        false => format!("no transform is named {name:?}"),
    };
    Problem::new(StatusCode::NOT_FOUND, problem)
}

fn audit(caller: &Caller, trial: &TrialReport, done: &str) {
    let hashes = |it: &TransformVersion| Some(short_hashes(&it.sha256, it.program_sha256.as_deref()));
    let hashes = Hashes { before: hashes(&trial.live), after: hashes(&trial.candidate) };
    caller.audit(format_args!("trial of transform {}", trial.transform), done, hashes);
}
