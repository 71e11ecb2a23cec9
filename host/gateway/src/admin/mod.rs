//! What an operator can look at, and change: `/healthz`, `/readyz`, `/metrics` and `/api/v1`.

mod transforms;

use crate::charge_point::Hall;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ocpp_gateway_mqtt::ConnectionStatus;
use prometheus_client::registry::Registry;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio_util::sync::CancellationToken;

/// What the pages are made of.
pub struct Desk {
    pub hall: Arc<Hall>,
    pub metrics: Registry,
    /// Cancelled once the gateway was asked to stop.
    pub stopping: CancellationToken,
}

/// The pages.
pub fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .nest("/api/v1/transforms", transforms::router())
        .with_state(desk)
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    not_ready: Vec<NotReady>,
}

#[derive(Serialize)]
struct NotReady {
    what: &'static str,
    why: String,
}

/// 200 when charge points can be served, else 503; in both cases JSON that says what is missing.
async fn readyz(State(desk): State<Arc<Desk>>) -> Response {
    let publisher = desk.hall.road.publisher.stats().connection.status();
    let subscriber = desk.hall.subscriber.stats().connection.status();
    let mut not_ready: Vec<NotReady> = [("mqtt publisher", publisher), ("mqtt subscriber", subscriber)]
        .into_iter()
        .filter(|(_, status)| !status.connected)
        .map(|(what, status)| NotReady { what, why: why_not(status) })
        .collect();
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

async fn metrics(State(desk): State<Arc<Desk>>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &desk.metrics) {
        Ok(()) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string_pretty(body) {
        Ok(text) => (status, [(header::CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
