//! `/api/v1/config`: the settings in force, the limits that were in force, and when certificates end.

use super::problem::{Problem, json, run_blocking};
use super::state::SharedAdminState;
use crate::config::Config;
use crate::operations::events::rfc3339;
use crate::operations::tls::{Expiry, first_to_expire};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

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
    #[serde(rename = "use")]
    used_as: &'static str,
    /// Null: the file cannot be read.
    subject: Option<String>,
    not_after: Option<String>,
    /// Whole days, less than 0 once it has ended.
    days_left: Option<i64>,
    /// Why the file cannot be read.
    fault: Option<String>,
}

/// Shows the settings in force, the limits that were in force, and when certificates end
async fn show(State(state): State<SharedAdminState>) -> Result<Response, Problem> {
    let config = state.changer.config();
    let limits = state.context.router.metrics.limits_in_force();
    let limits = limits.into_iter().map(|(limit, times)| LimitInForce { limit, times }).collect();
    let read = run_blocking(move || {
        let files = certificate_files(&config);
        let certificates = files.into_iter().map(|(file, used_as)| Certificate::read(file, used_as)).collect();
        config.to_json().map(|settings| Configuration { settings, limits, certificates })
    });
    let internal = |error: toml::ser::Error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    Ok(json(StatusCode::OK, &read.await?.map_err(internal)?))
}

/// The files of certificates that the configuration names, and what they are for.
fn certificate_files(config: &Config) -> Vec<(PathBuf, &'static str)> {
    let mqtt = config.mqtt.tls.as_ref();
    let of_charge_points = config
        .all_listeners()
        .into_iter()
        .filter_map(|listener| listener.tls)
        .flat_map(|tls| [(Some(tls.cert), "ocpp.tls"), (tls.client_ca, "client_ca")]);
    let files = [
        (config.admin.tls.as_ref().map(|tls| &tls.cert), "admin.tls"),
        (mqtt.and_then(|tls| tls.cert.as_ref()), "mqtt.tls"),
        (mqtt.and_then(|tls| tls.ca.as_ref()), "mqtt.tls.ca"),
    ];
    let others = files.into_iter().map(|(file, used_as)| (file.cloned(), used_as));
    of_charge_points.chain(others).filter_map(|(file, used_as)| Some((file?, used_as))).collect()
}

impl Certificate {
    fn read(file: PathBuf, used_as: &'static str) -> Self {
        let read = first_to_expire(&file);
        let file = file.display().to_string();
        let none = Certificate { file, used_as, subject: None, not_after: None, days_left: None, fault: None };
        match read {
            Err(fault) => Certificate { fault: Some(fault), ..none },
            Ok(None) => Certificate { fault: Some("its certificates cannot be parsed".into()), ..none },
            Ok(Some(Expiry { subject, not_after })) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
                let end = UNIX_EPOCH + Duration::from_secs(not_after.max(0) as u64);
                let days_left = Some((not_after - now).div_euclid(DAY));
                Certificate { subject: Some(subject), not_after: Some(rfc3339(end)), days_left, ..none }
            }
        }
    }
}
