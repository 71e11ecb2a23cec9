//! The router of all pages, and the handlers outside of `/api/v1`.

use super::audit::Caller;
use super::guard;
use super::health::{self, Fault, why_down};
use super::problem::{Problem, json};
use super::state::{AdminState, SharedAdminState};
use super::{
    audit_list, charge_points, configuration, console, events, figures, listeners, log_level, me, messages, openapi,
    problems, query, refusals, schemas, transforms, try_message,
};
use crate::operations::metrics::Exposition;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use serde::Serialize;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

/// The router of all pages.
pub fn router(state: Arc<AdminState>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route(openapi::PATH, get(description))
        .merge(console::router())
        .merge(me::router())
        .merge(configuration::router())
        .merge(charge_points::router())
        .merge(transforms::router())
        .merge(try_message::router())
        .merge(events::router())
        .merge(messages::router())
        .merge(log_level::router())
        .merge(figures::router())
        .merge(problems::router())
        .merge(refusals::router())
        .merge(listeners::router())
        .merge(audit_list::router())
        .merge(schemas::router())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(query::check))
        // The last layer sees a request first.
        .layer(from_fn_with_state(Arc::clone(&state), check_access))
        .with_state(state)
}

/// Lets only those requests pass that may. Handlers learn the [`Caller`].
async fn check_access(State(state): State<SharedAdminState>, mut request: Request, next: Next) -> Response {
    if !guard::is_open(request.uri().path()) {
        let token = match state.guard.check(request.method(), request.uri(), request.headers()) {
            Ok(token) => token,
            Err(problem) => return problem.into_response(),
        };
        if let Some(&address) = request.extensions().get::<SocketAddr>() {
            request.extensions_mut().insert(Caller { address, token, history: Arc::clone(&state.audit) });
        }
    }
    next.run(request).await
}

async fn description(State(state): State<SharedAdminState>) -> Response {
    match openapi::document(state.guard.wants_token()) {
        Ok(document) => json(StatusCode::OK, &document),
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn not_found(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no {}", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not support {method}", uri.path()))
}

/// Whether the program runs
async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether charge points can be served.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    not_ready: Vec<NotReady>,
    /// What does not work, although charge points can be served.
    degraded: Vec<NotReady>,
}

/// Something that is missing or does not work.
#[derive(Debug, Serialize)]
struct NotReady {
    what: Cow<'static, str>,
    why: String,
}

impl NotReady {
    fn new(what: impl Into<Cow<'static, str>>, why: impl Into<String>) -> Self {
        NotReady { what: what.into(), why: why.into() }
    }
}

impl From<Fault> for NotReady {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Publisher(status) => NotReady::new("mqtt publisher", why_down(&status)),
            Fault::Subscriber(status) => NotReady::new("mqtt subscriber", why_down(&status)),
            Fault::Subscribing(_) => NotReady::new(
                "mqtt subscriber",
                "topics are being subscribed to again, because the broker has lost the session",
            ),
            Fault::Stopping => NotReady::new("gateway", "is stopping"),
            Fault::NotOpen => NotReady::new("gateway", "does not accept charge points yet"),
        }
    }
}

/// Whether charge points can be served, and if not, what is missing
async fn readyz(State(state): State<SharedAdminState>) -> Response {
    let not_ready: Vec<NotReady> = health::faults(&state).into_iter().map(NotReady::from).collect();
    let degraded = health::faulty_drop_ins(&state).into_iter();
    let degraded =
        degraded.map(|(drop_in, fault)| NotReady::new(format!("drop-in {}", drop_in.files.join(", ")), fault.text));
    let status = if not_ready.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &Readiness { ready: not_ready.is_empty(), not_ready, degraded: degraded.collect() })
}

/// Metrics in the text format of Prometheus
///
/// `Accept` selects version 0.0.4 or OpenMetrics.
async fn metrics(State(state): State<SharedAdminState>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).into_iter().filter_map(|line| line.to_str().ok());
    let exposition = Exposition::wanted(accept);
    let mut page = String::new();
    let written = encode_registry(&mut page, &state.metrics)
        .and_then(|()| encode_registry(&mut page, &state.process_metrics))
        .and_then(|()| encode_eof(&mut page));
    match written {
        Ok(()) => ([(header::CONTENT_TYPE, exposition.content_type())], exposition.of(page)).into_response(),
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
