//! What an operator can look at, and change: `/healthz`, `/readyz`, `/metrics` and `/api/v1`.

mod charge_points;
mod events;
mod guard;
mod openapi;
mod own_ids;
mod problem;
mod server;
mod transforms;

pub use server::serve;

use crate::charge_point::Hall;
use crate::metrics::{Exposition, process_registry};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use guard::Guard;
use ocpp_gateway_mqtt::ConnectionStatus;
use own_ids::OwnIds;
use problem::Problem;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What the pages are made of.
pub struct Desk {
    hall: Arc<Hall>,
    metrics: Registry,
    process_metrics: Registry,
    /// Cancelled once the gateway was asked to stop.
    stopping: CancellationToken,
    guard: Guard,
    own_ids: OwnIds,
    /// Of components: each may be large, and is held until it runs or does not.
    uploads: Arc<Semaphore>,
}

type Shared = Arc<Desk>;

impl Desk {
    /// `token`: what whoever uses it has to show. None: nothing, as it can be reached from this machine only.
    pub fn new(hall: Arc<Hall>, metrics: Registry, stopping: CancellationToken, token: Option<&str>) -> Self {
        let uploads = Arc::new(Semaphore::new(transforms::UPLOADS));
        Desk {
            hall,
            metrics,
            process_metrics: process_registry(),
            stopping,
            guard: Guard::new(token),
            own_ids: OwnIds::new(),
            uploads,
        }
    }
}

/// The pages.
pub fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route(openapi::PATH, get(description))
        .merge(charge_points::router())
        .merge(transforms::router())
        .merge(events::router())
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(from_fn_with_state(Arc::clone(&desk), guard::guard))
        .with_state(desk)
}

async fn description(State(desk): State<Shared>) -> Response {
    match openapi::document(desk.guard.wants_token()) {
        Ok(document) => json(StatusCode::OK, &document),
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn nowhere(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no {}", uri.path()))
}

async fn not_so(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} knows no {method}", uri.path()))
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
}

/// Something that is missing.
#[derive(Debug, Serialize)]
struct NotReady {
    what: &'static str,
    why: String,
}

/// Whether charge points can be served, and if not, what is missing
async fn readyz(State(desk): State<Shared>) -> Response {
    let publisher = desk.hall.road.publisher.stats().connection.status();
    let subscriber = desk.hall.subscriber.stats().connection.status();
    let mut not_ready: Vec<NotReady> = [("mqtt publisher", publisher), ("mqtt subscriber", subscriber)]
        .into_iter()
        .filter(|(_, status)| !status.connected)
        .map(|(what, status)| NotReady { what, why: why_not(status) })
        .collect();
    if not_ready.is_empty() && !*desk.hall.subscriber.current().borrow() {
        let why = "topics are being subscribed to again, as the broker has forgotten them".into();
        not_ready.push(NotReady { what: "mqtt subscriber", why });
    }
    if desk.stopping.is_cancelled() {
        not_ready.push(NotReady { what: "gateway", why: "is stopping".into() });
    }
    if not_ready.is_empty() && !desk.hall.open.load(Ordering::Relaxed) {
        not_ready.push(NotReady { what: "gateway", why: "does not let charge points in yet".into() });
    }
    let status = if not_ready.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &Readiness { ready: not_ready.is_empty(), not_ready })
}

fn why_not(status: ConnectionStatus) -> String {
    status.last_error.unwrap_or_else(|| "not connected yet".into())
}

/// What has been counted, in the text form of Prometheus
///
/// Version 0.0.4 of it or OpenMetrics, as `Accept` asks.
async fn metrics(State(desk): State<Shared>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).into_iter().filter_map(|line| line.to_str().ok());
    let exposition = Exposition::wanted(accept);
    let mut page = String::new();
    let written = encode_registry(&mut page, &desk.metrics)
        .and_then(|()| encode_registry(&mut page, &desk.process_metrics))
        .and_then(|()| encode_eof(&mut page));
    match written {
        Ok(()) => ([(header::CONTENT_TYPE, exposition.content_type())], exposition.of(page)).into_response(),
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string_pretty(body) {
        Ok(text) => (status, [(header::CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
