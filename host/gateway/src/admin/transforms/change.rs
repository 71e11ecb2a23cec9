//! Changes of transforms, and their answers.

use super::super::audit::{Caller, Hashes};
use super::super::problem::{Problem, json, require_json, run_blocking};
use super::super::state::{AdminState, SharedAdminState};
use super::body::ChangeBody;
use super::summary::{TransformSummary, find};
use crate::transforms::{ChangeError, ChangeOutcome, ChangeRequest, RequestedChange};
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use ocpp_gateway_pipeline::{Change, FewerHooks, SwapError, TransformChange, TransformVersion, short_hashes};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Query parameters of every change.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeQuery {
    /// Say what would change or be refused, and change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Whether the new component may lack hooks that the running one has.
    #[serde(default)]
    allow_fewer_hooks: bool,
    /// The number of the version to return to.
    version: Option<u64>,
}

/// The answer to a change.
#[derive(Debug, Serialize)]
struct ChangeAnswer {
    /// The transform as it runs now, if it does.
    #[serde(flatten)]
    transform: Option<TransformSummary>,
    dry_run: bool,
    /// Whether anything changes: a transform, the order, or what a restart runs.
    changed: bool,
    changes: Vec<TransformChange>,
    /// Whether the change survives the process.
    kept: bool,
    warnings: Vec<String>,
}

/// What every request for a change has.
pub(super) struct Asked {
    query: ChangeQuery,
    caller: Caller,
}

impl FromRequestParts<SharedAdminState> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &SharedAdminState) -> Result<Self, Problem> {
        let Query(query) = Query::from_request_parts(parts, state).await?;
        Ok(Asked { query, caller: Caller::from_request_parts(parts, state).await? })
    }
}

impl Asked {
    pub(super) fn caller(&self) -> Caller {
        self.caller.clone()
    }

    pub(super) fn request(&self, change: RequestedChange) -> ChangeRequest {
        let Asked { query, caller } = self;
        let fewer_hooks = if query.allow_fewer_hooks { FewerHooks::Allow } else { FewerHooks::Refuse };
        let sender = caller.clone().into();
        ChangeRequest { change, signature: None, fewer_hooks, dry_run: query.dry_run, sender }
    }
}

pub(super) type Name = Result<Path<String>, PathRejection>;

/// Adds a transform
pub(super) async fn add(
    State(state): State<SharedAdminState>,
    asked: Asked,
    request: Request,
) -> Result<Response, Problem> {
    let body = ChangeBody::read(&state, request).await?;
    let invalid = |detail: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    let mut settings = body.settings.ok_or_else(|| invalid("the settings are missing; name is one of them"))?;
    let mut text = |key: &str| match settings.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(&format!("{key}: has to be a text"))),
    };
    let name = text("name")?.ok_or_else(|| invalid("name: missing"))?;
    let before = text("before")?;
    let success = if asked.query.dry_run { StatusCode::OK } else { StatusCode::CREATED };
    let change = RequestedChange::Add { name, settings, component: body.component, before };
    let request = ChangeRequest { signature: body.signature, ..asked.request(change) };
    make(&state, asked.caller, request, success, body.permit).await
}

/// Replaces a transform: its component, its settings or both
pub(super) async fn replace(
    State(state): State<SharedAdminState>,
    asked: Asked,
    name: Name,
    request: Request,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    let ChangeBody { settings, component, signature, permit } = ChangeBody::read(&state, request).await?;
    let request = asked.request(RequestedChange::Put { name, settings, component });
    make(&state, asked.caller, ChangeRequest { signature, ..request }, StatusCode::OK, permit).await
}

/// Replaces what is handed to the component
pub(super) async fn configure(
    State(state): State<SharedAdminState>,
    asked: Asked,
    name: Name,
    request: Request,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    require_json(request.headers())?;
    let ChangeBody { settings, signature, permit, .. } = ChangeBody::read(&state, request).await?;
    let request = asked.request(RequestedChange::Config { name, config: settings.unwrap_or_default() });
    make(&state, asked.caller, ChangeRequest { signature, ..request }, StatusCode::OK, permit).await
}

/// Restores the version that ran before, or one by its number
pub(super) async fn roll_back(
    State(state): State<SharedAdminState>,
    asked: Asked,
    name: Name,
) -> Result<Response, Problem> {
    let version = asked.query.version;
    make_named(&state, asked, name, |name| RequestedChange::RollBack { name, version }).await
}

/// Fetches a component again that is elsewhere
pub(super) async fn fetch(
    State(state): State<SharedAdminState>,
    asked: Asked,
    name: Name,
) -> Result<Response, Problem> {
    make_named(&state, asked, name, |name| RequestedChange::Fetch { name }).await
}

/// Returns to what the configuration says
pub(super) async fn revert(
    State(state): State<SharedAdminState>,
    asked: Asked,
    name: Name,
) -> Result<Response, Problem> {
    make_named(&state, asked, name, |name| RequestedChange::Revert { name }).await
}

/// Removes a transform that was added over the API
pub(super) async fn remove(
    State(state): State<SharedAdminState>,
    asked: Asked,
    name: Name,
) -> Result<Response, Problem> {
    make_named(&state, asked, name, |name| RequestedChange::Remove { name }).await
}

/// Puts the transforms in another order
pub(super) async fn order(
    State(state): State<SharedAdminState>,
    asked: Asked,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let names: Result<Vec<String>, _> = serde_json::from_slice(&body?);
    let bad = |error| Problem::bad_request(format!("a JSON list of names is expected: {error}"));
    let request = asked.request(RequestedChange::Order(names.map_err(bad)?));
    make(&state, asked.caller, request, StatusCode::OK, ()).await
}

/// Makes a change that needs no body.
async fn make_named(
    state: &AdminState,
    asked: Asked,
    name: Name,
    change: impl FnOnce(String) -> RequestedChange,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    make(state, asked.caller(), asked.request(change(name)), StatusCode::OK, ()).await
}

/// Makes a change on a blocking thread, as it may take seconds. It continues even if the client disconnects, and holds
/// `permit` as long.
async fn make<P: Send + 'static>(
    state: &AdminState,
    caller: Caller,
    request: ChangeRequest,
    success: StatusCode,
    permit: P,
) -> Result<Response, Problem> {
    make_with_warnings(state, caller, request, success, permit, Vec::new()).await
}

/// [`make`], with warnings that stand before those of the change.
pub(super) async fn make_with_warnings<P: Send + 'static>(
    state: &AdminState,
    caller: Caller,
    request: ChangeRequest,
    success: StatusCode,
    permit: P,
    mut warnings: Vec<String>,
) -> Result<Response, Problem> {
    let (changer, pipeline) = (Arc::clone(&state.changer), state.context.router.pipeline.clone());
    let made = run_blocking(move || {
        let _permit = permit;
        let name = request.change.name().map(str::to_owned);
        let (dry_run, done) = (request.dry_run, request.change.done());
        let outcome = changer.change(request)?;
        let ChangeOutcome { changes, is_kept, is_stored, .. } = outcome;
        warnings.extend(outcome.warnings);
        match &changes {
            _ if dry_run => {}
            Some(changes) => audit(&caller, changes, name.as_deref(), done),
            None if is_stored => {
                let name = name.as_deref().unwrap_or_default();
                caller.audit(format_args!("transform {name}"), done, Hashes::default());
            }
            None => {}
        }
        let transform = name.and_then(|name| find(&pipeline, &changer, &name));
        let changed = changes.is_some() || is_stored;
        Ok(ChangeAnswer { transform, dry_run, changed, changes: changes.unwrap_or_default(), kept: is_kept, warnings })
    });
    match made.await? {
        Ok(answer) => Ok(json(success, &answer)),
        Err(error) => Err(refusal(&error)),
    }
}

/// One line for each transform that has changed. `done`: what was asked for the transform `asked`.
fn audit(caller: &Caller, changes: &[TransformChange], asked: Option<&str>, done: &str) {
    if changes.is_empty() {
        return caller.audit("transforms", "reordered", Hashes::default());
    }
    let hashes = |it: &TransformVersion| short_hashes(&it.sha256, it.program_sha256.as_deref());
    for TransformChange { name, what, now, before } in changes {
        let done = match what {
            _ if asked == Some(name) => done,
            Change::Added => "added",
            Change::Replaced => "replaced",
            Change::Removed => "removed",
            Change::Kept => continue,
        };
        let hashes = Hashes { before: before.as_ref().map(hashes), after: now.as_ref().map(hashes) };
        caller.audit(format_args!("transform {name}"), done, hashes);
    }
}

pub(in crate::admin) fn refusal(error: &ChangeError) -> Problem {
    let status = match error {
        ChangeError::Unknown(_) | ChangeError::Swap(SwapError::Unknown(_)) => StatusCode::NOT_FOUND,
        ChangeError::Conflict(_)
        | ChangeError::Swap(
            SwapError::NoPrevious | SwapError::RolledBackMeanwhile(_) | SwapError::NotPromoted { .. },
        ) => StatusCode::CONFLICT,
        ChangeError::Invalid(_) | ChangeError::Swap(SwapError::Load(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        ChangeError::Fetch(_) => StatusCode::BAD_GATEWAY,
        ChangeError::Storage(_) | ChangeError::Swap(SwapError::NotStored(_)) => StatusCode::INSUFFICIENT_STORAGE,
    };
    Problem::new(status, error.to_string())
}
