//! `/api/v1/events`: events of the gateway, as server-sent events, and the latest ones as a list.

use super::problem::{Problem, json};
use super::query::limit_of;
use super::state::SharedAdminState;
use crate::operations::event_bus::Watcher;
use crate::operations::events::{EventKind, GatewayEvent, TimedEvent};
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use strum::VariantArray as _;
use tokio::sync::broadcast::error::RecvError;

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new().route("/api/v1/events", get(watch)).route("/api/v1/events/recent", get(recent))
}

/// Tells a reader that was too slow how much it lost.
#[derive(Debug, Serialize)]
struct Missed {
    /// The number of lost events.
    missed: u64,
}

/// Streams events from now on
///
/// Server-sent events named `connected`, `disconnected`, `refused`, `incident`, `swap` and `trial`, with JSON as data. A
/// reader that is too slow loses events, and gets an event `missed` with their number.
async fn watch(State(state): State<SharedAdminState>) -> Result<Response, Problem> {
    let watcher = state.context.router.events.watch().ok_or_else(Problem::too_many_watchers)?;
    let events = stream::unfold(watcher, next);
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// Which of the latest events are wanted.
#[derive(Debug, Deserialize)]
struct RecentQuery {
    limit: Option<usize>,
    /// The name of one kind.
    event: Option<String>,
    /// An identity.
    charge_point: Option<String>,
}

#[derive(Debug, Serialize)]
struct RecentEvents<'a> {
    /// The latest first.
    events: Vec<&'a TimedEvent>,
}

/// Lists the latest events
async fn recent(
    State(state): State<SharedAdminState>,
    query: Result<Query<RecentQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(RecentQuery { limit, event, charge_point }) = query?;
    let (limit, kind) = (limit_of(limit)?, event.as_deref().map(kind_named).transpose()?);
    let is_of = |event: &GatewayEvent| charge_point.is_none() || event.identity() == charge_point.as_deref();
    let events = state.context.router.events.history.latest(limit, kind, is_of);
    Ok(json(StatusCode::OK, &RecentEvents { events: events.iter().map(Arc::as_ref).collect() }))
}

fn kind_named(name: &str) -> Result<EventKind, Problem> {
    let unknown = |_| {
        let names: Vec<&str> = EventKind::VARIANTS.iter().map(Into::into).collect();
        Problem::bad_request(format!("no event is named {name:?}: event has to be one of {}", names.join(", ")))
    };
    name.parse().map_err(unknown)
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
