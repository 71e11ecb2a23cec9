//! `/api/v1/try`: what the transforms would make of a message. Nothing is sent.
//!
//! - `request`: the message, the charge point and the candidate; `answer`: the trace.

mod answer;
mod request;

use super::audit::Caller;
use super::guard::{TRY_PATH, look_only, may_only_look};
use super::problem::{Problem, json, media_type};
use super::state::{MAX_TRIES, SharedAdminState};
use super::transforms::{ChangeBody, MAX_BODY, refusal};
use crate::transforms::ChangeError;
use answer::TryAnswer;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use request::{TryMessage, TryRequest};
use std::sync::Arc;
use std::thread;
use tokio::sync::oneshot;

/// When to retry if others are being tried, in seconds.
const RETRY_AFTER: u16 = 1;

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new().route(TRY_PATH, post(try_message)).layer(DefaultBodyLimit::max(MAX_BODY))
}

/// Passes a message through the transforms, without sending anything
async fn try_message(
    State(state): State<SharedAdminState>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let token = caller.token;
    let body = if media_type(request.headers()) == "application/json" {
        ChangeBody::read_settings(request).await?
    } else if may_only_look(token) {
        // A component is not even read.
        return Err(look_only());
    } else {
        ChangeBody::read(&state, request).await?
    };
    let busy = || Problem::busy(format!("{MAX_TRIES} messages are being tried already"), RETRY_AFTER);
    let permit = Arc::clone(&state.tries).try_acquire_owned().map_err(|_| busy())?;
    let request = TryRequest::read(body, caller, |name| state.changer.is_running(name))?;
    if request.candidate.is_some() && may_only_look(token) {
        return Err(look_only());
    }
    let changer = Arc::clone(&state.changer);
    let (answer, answered) = oneshot::channel();
    // Not one of the blocking threads, which are for live traffic too.
    let spawned = thread::Builder::new().name("try".into()).spawn(move || {
        let TryRequest { peer, message, candidate } = request;
        let outcome = changer.try_chain(candidate).map(|chain| match &message {
            TryMessage::Frame(frame) => chain.uplink(&peer, frame),
            TryMessage::Message(publish) => chain.downlink(&peer, &publish.into(), Default::default()),
        });
        // Before the answer: who has it may try the next message at once.
        drop(permit);
        // The client may have gone.
        let _ = answer.send(outcome);
    });
    let internal = |text: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, text);
    spawned.map_err(|error| internal(error.to_string()))?;
    let outcome: Result<_, ChangeError> = answered.await.map_err(|_| internal("the trial has ended early".into()))?;
    Ok(json(StatusCode::OK, &TryAnswer::from(outcome.map_err(|error| refusal(&error))?)))
}
