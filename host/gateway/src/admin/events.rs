//! `/api/v1/events`: events of the gateway, as server-sent events.

use super::problem::Problem;
use super::state::SharedAdminState;
use crate::operations::event_bus::Watcher;
use axum::Router;
use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new().route("/api/v1/events", get(watch))
}

/// Tells a reader that was too slow how much it lost.
#[derive(Debug, Serialize)]
struct Missed {
    /// The number of lost events.
    missed: u64,
}

/// Streams events from now on
///
/// Server-sent events named `connected`, `disconnected`, `refused`, `incident` and `swap`, with JSON as data. A reader
/// that is too slow loses events, and gets an event `missed` with their number.
async fn watch(State(state): State<SharedAdminState>) -> Result<Response, Problem> {
    let watcher = state.context.router.events.watch().ok_or_else(Problem::too_many_watchers)?;
    let events = stream::unfold(watcher, next);
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// The next event.
async fn next(mut watcher: Watcher) -> Option<(serde_json::Result<sse::Event>, Watcher)> {
    let event = match watcher.receiver.recv().await {
        Ok(event) => message(event.event.name(), &*event),
        Err(RecvError::Lagged(missed)) => message("missed", &Missed { missed }),
        Err(RecvError::Closed) => return None,
    };
    Some((event, watcher))
}

fn message(name: &str, data: &impl Serialize) -> serde_json::Result<sse::Event> {
    Ok(sse::Event::default().event(name).data(serde_json::to_string(data)?))
}
