//! `/api/v1/charge-points`: lists charge points, disconnects them and sends CALLs to them.

mod filter;
mod list;
mod listed;

use self::list::{ListQuery, Parameters};
use self::listed::{Listed, Row};
use super::audit::{Caller, Hashes};
use super::audited_call::AuditedCall;
use super::problem::{Problem, json, require_json, run_blocking};
use super::state::{AdminState, SharedAdminState};
use crate::charge_point::{Connected, DeliveryError, OperatorCall, WallClock};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use ocpp_gateway_core::Fault;
use ocpp_gateway_core::session::{OpenCalls, OperatorCallOutcome};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt::Display;
use std::time::Duration;
use tokio::sync::oneshot;

/// The largest accepted request body of a call, in bytes.
const MAX_CALL_SIZE: usize = 1 << 20;

/// The longest accepted action, in bytes. The longest one of the specifications has 33.
const MAX_ACTION_LENGTH: usize = 128;

/// How long a charge point's task may take to report its open calls. After that, the answer lacks them.
const TASK_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new()
        .route("/api/v1/charge-points", get(list))
        .route("/api/v1/charge-points/{id}", get(show).delete(kick))
        .route("/api/v1/charge-points/{id}/calls", post(call))
        .layer(DefaultBodyLimit::max(MAX_CALL_SIZE))
}

/// A connected charge point and its open calls.
#[derive(Debug, Serialize)]
struct ChargePointDetails {
    #[serde(flatten)]
    charge_point: Row,
    /// Null if the charge point's task did not report them in time.
    calls: Option<OpenCalls>,
}

/// Lists charge points
async fn list(
    State(state): State<SharedAdminState>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(parameters) = parameters?;
    let query = ListQuery::try_from(parameters)?;
    // Ten thousand that are filtered take milliseconds: too long for a thread that serves charge points.
    run_blocking(move || json(StatusCode::OK, &query.page(&state.context.registry))).await
}

/// Shows one charge point and its open calls
async fn show(
    State(state): State<SharedAdminState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let connected = find(&state, &id?)?;
    let mailbox = connected.mailbox.clone();
    // The task of a charge point that accepts no messages does not read its mailbox.
    let calls = tokio::time::timeout(TASK_TIMEOUT, mailbox.open_calls()).await.ok().and_then(Result::ok);
    let charge_point = Row::of(&Listed::Connected(connected), WallClock::now());
    Ok(json(StatusCode::OK, &ChargePointDetails { charge_point, calls }))
}

/// Closes the connection of a charge point
///
/// The close code is 1008. The charge point may connect again at once. The metric `closed` has the reason `kicked` for
/// it.
async fn kick(
    State(state): State<SharedAdminState>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    if !state.context.registry.kick(&id) {
        return Err(Problem::not_connected(&id));
    }
    caller.audit(format_args!("charge point {id}"), "disconnected", Hashes::default());
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A CALL to a charge point.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallRequest {
    action: String,
    /// Absent: an empty object.
    #[serde(default)]
    payload: Option<Box<RawValue>>,
}

/// The charge point's CALLRESULT.
#[derive(Debug, Serialize)]
struct CallAnswer {
    /// The message id of the CALL, as in the log.
    message_id: String,
    /// The payload, as the charge point wrote it.
    result: Box<RawValue>,
}

/// Sends a CALL to a charge point, and waits for its answer
///
/// The CALL is queued with those of back ends. Neither the CALL nor its answer passes through transforms, and back ends
/// see neither of them.
async fn call(
    State(state): State<SharedAdminState>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let (action, payload) = read_call(&headers, &body?)?;
    let connected = find(&state, &id?)?;
    let message_id = state.operator_call_ids.next();
    let (answer, answered) = oneshot::channel();
    let identity = connected.mailbox.peer().identity.to_string();
    let shown = state.shows_payloads.then(|| payload.clone());
    let audited = AuditedCall::new(identity, action.clone(), message_id.clone(), shown);
    let call = OperatorCall { id: message_id.clone(), action, payload, answer };
    connected.mailbox.call(call).map_err(|refused| match refused {
        DeliveryError::NoMemory => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "the memory for queued messages is full")
        }
        DeliveryError::Full => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many messages are queued for this charge point")
        }
        DeliveryError::Gone => Problem::new(StatusCode::NOT_FOUND, "the charge point has just disconnected"),
    })?;
    // A CALL waits up to `call_timeout` until it is sent, and as long for its answer. If the charge point accepts no
    // messages, its task applies neither limit.
    let limit = 2 * state.context.session_settings.call_timeout + TASK_TIMEOUT;
    let pending = caller.audit_call(audited);
    // A task of its own: the audit line gets the outcome also if the client does not wait for it.
    let outcome = tokio::spawn(async move {
        let outcome = match tokio::time::timeout(limit, answered).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_)) => Err((StatusCode::BAD_GATEWAY, "the charge point went away")),
            Err(_) => Err((StatusCode::GATEWAY_TIMEOUT, "the charge point accepts no messages")),
        };
        pending.end(outcome.as_ref().map_err(|(_, why)| *why));
        outcome
    });
    let failed = |error: &dyn Display| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    match outcome.await.map_err(|error| failed(&error))? {
        Ok(OperatorCallOutcome::Result(payload)) => {
            let result = RawValue::from_string(payload);
            let result = result.map_err(|error| Problem::new(StatusCode::BAD_GATEWAY, error.to_string()))?;
            Ok(json(StatusCode::OK, &CallAnswer { message_id, result }))
        }
        Ok(OperatorCallOutcome::Error(error)) => Err(Problem::call_error(error)),
        Ok(OperatorCallOutcome::None { fault, text }) => Err(Problem::new(status_of(fault), text)),
        Err((status, why)) => Err(Problem::new(status, why)),
    }
}

fn status_of(fault: Fault) -> StatusCode {
    match fault {
        Fault::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        Fault::QueueFull => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::BAD_GATEWAY,
    }
}

/// Reads the action and the payload of a CALL.
fn read_call(headers: &HeaderMap, body: &[u8]) -> Result<(String, String), Problem> {
    let bad = |text: String| Err(Problem::bad_request(text));
    require_json(headers)?;
    let CallRequest { action, payload } = match serde_json::from_slice(body) {
        Ok(call) => call,
        Err(error) => return bad(error.to_string()),
    };
    if action.is_empty() || action.len() > MAX_ACTION_LENGTH {
        return bad(format!("action has to have between 1 and {MAX_ACTION_LENGTH} characters"));
    }
    let payload = payload.map_or_else(|| "{}".to_owned(), |payload| payload.get().to_owned());
    if !payload.starts_with('{') {
        return bad("payload has to be an object".to_owned());
    }
    Ok((action, payload))
}

fn find(state: &AdminState, id: &str) -> Result<Connected, Problem> {
    state.context.registry.find(id).ok_or_else(|| Problem::not_connected(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use axum::http::header::CONTENT_TYPE;

    #[test]
    fn bad_call_requests_are_refused() {
        let read = |media_type: &'static str, body: &str| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media_type))]);
            read_call(&headers, body.as_bytes()).map_err(|problem| problem.into_response().status().as_u16())
        };
        let json = "application/json; charset=utf-8";
        let call = |action: &str, payload: &str| Ok((action.to_owned(), payload.to_owned()));
        assert_eq!(read(json, r#"{"action":"Reset","payload":{"a": 1.50}}"#), call("Reset", r#"{"a": 1.50}"#));
        assert_eq!(read(json, r#"{"action":"ClearCache"}"#), call("ClearCache", "{}"));
        assert_eq!(read("text/plain", r#"{"action":"Reset"}"#), Err(415));
        let long = format!(r#"{{"action":"{}"}}"#, "x".repeat(129));
        for bad in ["", "[]", r#"{"payload":{}}"#, r#"{"action":""}"#, r#"{"action":"A","payload":[]}"#, &long] {
            assert_eq!(read(json, bad), Err(400), "{bad}");
        }
        assert_eq!(read(json, r#"{"action":"A","timeout":1}"#), Err(400), "unknown members are refused");
    }
}
