//! `/api/v1/schemas`: the published JSON Schemas for payloads, with errata, and which side sends which action.

use super::problem::{Problem, json};
use super::state::SharedAdminState;
use crate::config::nearest_name;
use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use ocpp_gateway_core::{MessageType, Schema, Senders, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The longest name that is compared with known ones, in bytes.
const MAX_COMPARED: usize = 64;

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new().route("/api/v1/schemas", get(list)).route("/api/v1/schemas/{version}/{action}", get(show))
}

/// An action of the specification.
#[derive(Debug, Serialize)]
struct ListedAction {
    action: &'static str,
    /// `charge_point`, `csms`, or both.
    sent_by: Vec<&'static str>,
}

impl ListedAction {
    fn of(action: &'static str) -> Self {
        let Senders { charge_point, csms } = Senders::of(action);
        let sent_by = [(charge_point, "charge_point"), (csms, "csms")];
        ListedAction {
            action,
            sent_by: sent_by.into_iter().filter_map(|(sends, name)| sends.then_some(name)).collect(),
        }
    }
}

/// Lists the actions of each OCPP version, and who sends them
async fn list() -> Response {
    let actions = |version| Schema::actions(version).map(ListedAction::of).collect();
    let listed: BTreeMap<&str, Vec<ListedAction>> =
        Version::ALL.into_iter().map(|version| (version.subprotocol(), actions(version))).collect();
    json(StatusCode::OK, &listed)
}

/// Query parameters: the message of the action.
#[derive(Debug, Deserialize)]
struct Parameters {
    #[serde(default, rename = "type")]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Kind {
    #[default]
    Call,
    CallResult,
    Send,
}

impl From<Kind> for MessageType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Call => MessageType::Call,
            Kind::CallResult => MessageType::CallResult,
            Kind::Send => MessageType::Send,
        }
    }
}

/// Shows the schema for the payloads of a message
async fn show(
    path: Result<Path<(String, String)>, PathRejection>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Response, Problem> {
    let Path((version, action)) = path?;
    let Query(Parameters { kind }) = parameters?;
    let version: Version = version.parse().map_err(|error: ocpp_gateway_core::version::UnknownVersion| {
        Problem::new(StatusCode::NOT_FOUND, error.to_string())
    })?;
    let schema = Schema::find(version, kind.into(), &action)
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, not_found(version, kind.into(), &action)))?;
    Ok(([(header::CONTENT_TYPE, "application/schema+json")], schema.amended_text(version)).into_response())
}

/// Why there is no such schema, and which there is.
fn not_found(version: Version, kind: MessageType, action: &str) -> String {
    let kinds = [MessageType::Call, MessageType::CallResult, MessageType::Send];
    let known: Vec<_> = kinds.into_iter().filter(|&kind| Schema::find(version, kind, action).is_ok()).collect();
    if !known.is_empty() {
        let known: Vec<_> = known.into_iter().map(MessageType::name).collect();
        return format!("{action} of {version} has no {}: ask for type={}", kind.name(), known.join(" or type="));
    }
    if action.len() > MAX_COMPARED {
        return format!("{version} has no such action");
    }
    // Names are often written in another case.
    let other_case = || Schema::actions(version).find(|known| known.eq_ignore_ascii_case(action));
    let nearest = other_case().or_else(|| nearest_name(action, Schema::actions(version)));
    let nearest = nearest.map_or_else(|| "/api/v1/schemas lists all".into(), |name| format!("did you mean {name}?"));
    format!("{version} has no action {action:?}; {nearest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_schema_is_explained_with_what_there_is() {
        let text = |kind, action| not_found(Version::V2_1, kind, action);
        assert_eq!(text(MessageType::Call, "Rest"), "ocpp2.1 has no action \"Rest\"; did you mean Reset?");
        assert_eq!(
            text(MessageType::Call, "afrrsignal"),
            "ocpp2.1 has no action \"afrrsignal\"; did you mean AFRRSignal?"
        );
        assert_eq!(text(MessageType::Call, "Colour"), "ocpp2.1 has no action \"Colour\"; /api/v1/schemas lists all");
        assert_eq!(
            text(MessageType::Send, "Reset"),
            "Reset of ocpp2.1 has no SEND: ask for type=CALL or type=CALLRESULT"
        );
        assert_eq!(
            text(MessageType::Call, "NotifyPeriodicEventStream"),
            "NotifyPeriodicEventStream of ocpp2.1 has no CALL: ask for type=SEND"
        );
        assert_eq!(text(MessageType::Call, &"x".repeat(1 << 20)), "ocpp2.1 has no such action");
    }
}
