//! `/api/v1/config`: the settings in force, the limits that were in force, and when certificates end.

use super::problem::{Problem, json, run_blocking};
use super::state::SharedAdminState;
use crate::operations::events::rfc3339;
use crate::operations::tls::{CertificateFile, CertificateUse, Validity};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use serde_json::Value;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new().route("/api/v1/config", get(show))
}

#[derive(Debug, Serialize)]
struct Configuration {
    /// Sections with their keys, as `ocpp-gateway config` prints them.
    settings: Value,
    limits: Vec<LimitInForce>,
    certificates: Vec<Certificate>,
}

/// A limit that was in force at least once since the start.
#[derive(Debug, Serialize)]
struct LimitInForce {
    limit: &'static str,
    times: u64,
}

/// The certificate of a file that ends first.
#[derive(Debug, Serialize)]
struct Certificate {
    file: String,
    /// The keys of the configuration that name it.
    keys: Vec<String>,
    #[serde(rename = "use")]
    used_as: &'static str,
    /// Null: the file cannot be read.
    subject: Option<String>,
    not_after: Option<String>,
    /// Whole days, less than 0 once it has ended.
    days_left: Option<i64>,
    /// What to do, if it has to be renewed or has ended.
    warning: Option<String>,
    /// Why the file cannot be read.
    fault: Option<String>,
}

/// Shows the settings in force, the limits that were in force, and when certificates end
async fn show(State(state): State<SharedAdminState>) -> Result<Response, Problem> {
    let config = state.changer.config();
    let limits = state.context.router.metrics.limits_in_force();
    let limits = limits.into_iter().map(|(limit, times)| LimitInForce { limit, times }).collect();
    let list = Arc::clone(&state.certificates);
    let read = run_blocking(move || {
        let certificates = list.files().into_iter().map(Certificate::from).collect();
        config.to_json().map(|settings| Configuration { settings, limits, certificates })
    });
    let internal = |error: toml::ser::Error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    Ok(json(StatusCode::OK, &read.await?.map_err(internal)?))
}

impl From<CertificateFile> for Certificate {
    fn from(certificate: CertificateFile) -> Self {
        let now = SystemTime::now();
        let warning = certificate.warning(now).map(|warning| warning.text);
        let days_left = certificate.days_left(now);
        let CertificateFile { used_as, keys, file, first } = certificate;
        // The gateway keeps what it has read, but cannot start again without the file.
        let opened = File::open(&file).map_err(|error| format!("{}: {error}", file.display()));
        let none = Certificate {
            file: file.display().to_string(),
            keys,
            used_as: page_name(used_as),
            subject: None,
            not_after: None,
            days_left: None,
            warning: None,
            fault: None,
        };
        match first.and_then(|validity| opened.map(|_| validity)) {
            Err(fault) => Certificate { fault: Some(fault), ..none },
            Ok(Validity { subject, not_after, .. }) => {
                let end = UNIX_EPOCH + Duration::from_secs(not_after.max(0) as u64);
                Certificate { subject: Some(subject), not_after: Some(rfc3339(end)), days_left, warning, ..none }
            }
        }
    }
}

/// What the page calls the use of a certificate.
fn page_name(used_as: CertificateUse) -> &'static str {
    match used_as {
        CertificateUse::Server => "ocpp.tls",
        CertificateUse::ClientCa => "client_ca",
        CertificateUse::ClientCrl { .. } => "client_crl",
        CertificateUse::Admin => "admin.tls",
        CertificateUse::Mqtt => "mqtt.tls",
        CertificateUse::MqttCa => "mqtt.tls.ca",
    }
}
