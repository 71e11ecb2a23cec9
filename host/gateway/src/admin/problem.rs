//! Answers in JSON, and the problem (RFC 9457) that answers a failed request.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ocpp_gateway_core::CallError;
use serde::Serialize;
use serde_json::value::RawValue;

pub(super) const PROBLEM: &str = "application/problem+json";

/// Why a request failed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Problem {
    /// The HTTP status.
    status: u16,
    /// What the status means.
    title: &'static str,
    /// What is wrong with this request.
    detail: String,
    /// The charge point's CALLERROR, if that is the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    call_error: Option<CallErrorBody>,
    /// The header `Retry-After`, in seconds.
    #[serde(skip)]
    retry_after: Option<u16>,
}

/// A CALLERROR of a charge point.
#[derive(Debug, Clone, Serialize)]
struct CallErrorBody {
    code: String,
    description: String,
    details: Option<Box<RawValue>>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Problem { status: status.as_u16(), title, detail: detail.into(), call_error: None, retry_after: None }
    }

    /// A request that is not understood.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// A stream that as many clients read already as may.
    pub(super) fn too_many_watchers() -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "there are too many watchers already")
    }

    /// A request that may succeed after `retry_after` seconds.
    pub(super) fn busy(detail: impl Into<String>, retry_after: u16) -> Self {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        Problem { retry_after: Some(retry_after), ..problem }
    }

    pub(super) fn not_connected(id: &str) -> Self {
        Problem::new(StatusCode::NOT_FOUND, format!("{id:?} is not connected"))
    }

    pub(super) fn call_error(error: CallError) -> Self {
        let CallError { code, description, details } = error;
        let detail = format!("the charge point answers {code}: {description}");
        let shown = CallErrorBody {
            code: code.into(),
            description: description.into(),
            details: RawValue::from_string(details.into()).ok(),
        };
        Problem { call_error: Some(shown), ..Problem::new(StatusCode::BAD_GATEWAY, detail) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json(status, &self);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string_pretty(body) {
        Ok(text) => (status, [(header::CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The media type of a body, in lower case and without parameters.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Runs work that takes milliseconds or more on a thread for that, and not on one that serves charge points.
pub(super) async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// Refuses a request whose body is not announced as JSON: a form of a web page cannot announce it.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    if media_type(headers) != "application/json" {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type has to be application/json"));
    }
    Ok(())
}

macro_rules! from_rejections {
    ($($rejection:ty),+) => {$(
        impl From<$rejection> for Problem {
            fn from(rejection: $rejection) -> Self {
                Problem::new(rejection.status(), rejection.body_text())
            }
        }
    )+};
}
from_rejections!(
    axum::extract::rejection::BytesRejection,
    axum::extract::rejection::PathRejection,
    axum::extract::rejection::QueryRejection
);
