//! `/api/v1/messages`: messages, frames and events as they pass, as server-sent events.

use super::problem::Problem;
use super::state::SharedAdminState;
use crate::operations::events::rfc3339_micros;
use crate::operations::tap::{self, TapFilter, TapWatcher, Tapped};
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::{StreamExt as _, stream};
use ocpp_gateway_core::MessageType;
use ocpp_gateway_core::session::Direction;
use ocpp_gateway_mqtt::is_topic_filter;
use ocpp_gateway_pipeline::Glob;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::time::SystemTime;

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new().route("/api/v1/messages", get(watch))
}

/// What a watcher asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MessagesQuery {
    charge_point: Option<String>,
    action: Option<String>,
    #[serde(rename = "type")]
    message_type: Option<String>,
    direction: Option<Direction>,
    topic: Option<String>,
    payload: bool,
    trace: bool,
}

/// The first line: what follows.
#[derive(Debug, Serialize)]
struct Started {
    time: String,
    /// The version of the gateway.
    gateway: &'static str,
    payload: bool,
    trace: bool,
}

/// Tells a reader that was too slow how much it lost.
#[derive(Debug, Serialize)]
struct Missed {
    time: String,
    missed: u64,
}

/// Streams messages from now on
///
/// Server-sent events with JSON as data, one for each message. A reader that is too slow loses lines, and gets an event
/// `missed` with their number.
async fn watch(
    State(state): State<SharedAdminState>,
    query: Result<Query<MessagesQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let filter = query.filter()?;
    if filter.payload && !state.shows_payloads {
        let text = "payloads are not shown: admin.tap_payloads = false; without payload=true, messages are";
        return Err(Problem::new(StatusCode::FORBIDDEN, text));
    }
    let watcher = state.context.router.events.tap.watch(filter).ok_or_else(Problem::too_many_watchers)?;
    let TapFilter { payload, trace, .. } = *watcher.filter();
    let started = Started { time: now(), gateway: env!("CARGO_PKG_VERSION"), payload, trace };
    let first = stream::iter([event("started", &tap::line("started", &started))]);
    let lines = stream::unfold(watcher, next).flat_map(stream::iter);
    Ok(Sse::new(first.chain(lines)).keep_alive(KeepAlive::default()).into_response())
}

/// The next line, after one that says what was missed before it.
async fn next(mut watcher: TapWatcher) -> Option<(Vec<Result<sse::Event, Infallible>>, TapWatcher)> {
    let missed = |missed| event("missed", &tap::line("missed", &Missed { time: now(), missed }));
    let events = match watcher.next().await? {
        Tapped::Missed(count) => vec![missed(count)],
        Tapped::Line(line) if line.missed > 0 => vec![missed(line.missed), event(line.event, &line.text)],
        Tapped::Line(line) => vec![event(line.event, &line.text)],
    };
    Some((events, watcher))
}

fn event(name: &str, data: &str) -> Result<sse::Event, Infallible> {
    Ok(sse::Event::default().event(name).data(data))
}

fn now() -> String {
    rfc3339_micros(SystemTime::now())
}

impl MessagesQuery {
    fn filter(self) -> Result<TapFilter, Problem> {
        let MessagesQuery { charge_point, action, message_type, direction, topic, payload, trace } = self;
        let message_type = message_type.map(|name| self::message_type(&name)).transpose()?;
        if let Some(topic) = topic.as_deref().filter(|topic| !is_topic_filter(topic)) {
            return Err(Problem::bad_request(format!("topic: {topic:?} is no topic filter of MQTT")));
        }
        if trace && !payload {
            return Err(Problem::bad_request("trace=true shows payloads: it needs payload=true"));
        }
        let charge_point = charge_point.map(|glob| Glob::new(&glob));
        Ok(TapFilter { charge_point, action, message_type, direction, topic, payload, trace })
    }
}

fn message_type(name: &str) -> Result<MessageType, Problem> {
    let known = MessageType::ALL.into_iter().find(|known| known.name() == name);
    known.ok_or_else(|| {
        let names = MessageType::ALL.map(MessageType::name).join(", ");
        Problem::bad_request(format!("type: {name:?} is unknown: expected one of {names}"))
    })
}
