//! `/api/v1/listeners`: where charge points connect, and how many do.

use super::problem::json;
use super::state::SharedAdminState;
use crate::config::Listener;
use crate::listener::ListenerStatus;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new().route("/api/v1/listeners", get(list))
}

/// A listener as the API shows it.
#[derive(Debug, Serialize)]
struct ListenerRow {
    name: String,
    /// With the port that the system chose, if the configuration has port 0.
    address: String,
    path: String,
    versions: Vec<&'static str>,
    tls: bool,
    /// Charge points need a certificate, for the gateway or for a proxy before it.
    client_certificates: bool,
    /// Charge points need a password.
    passwords: bool,
    access: Vec<String>,
    mountpoint: String,
    /// Charge points that are connected now.
    connections: usize,
    /// Since the listener was added, as the one below.
    accepted: u64,
    refused: u64,
}

impl From<ListenerStatus> for ListenerRow {
    fn from(ListenerStatus { settings, address, charge_points, accepted, refused }: ListenerStatus) -> Self {
        let Listener { name, path, versions, tls, auth, access, mountpoint, .. } = settings;
        ListenerRow {
            name,
            address: address.to_string(),
            path,
            versions: versions.iter().map(|version| version.subprotocol()).collect(),
            tls: tls.is_some(),
            client_certificates: auth.proxy_certificate || tls.is_some_and(|tls| tls.client_ca.is_some()),
            passwords: auth.mode.is_basic(),
            access: access.iter().map(ToString::to_string).collect(),
            mountpoint,
            connections: charge_points,
            accepted,
            refused,
        }
    }
}

/// Lists the listeners for charge points
async fn list(State(state): State<SharedAdminState>) -> Response {
    let rows: Vec<ListenerRow> = state.listeners.status().into_iter().map(ListenerRow::from).collect();
    json(StatusCode::OK, &rows)
}
