//! The component and the settings of a request.

use super::super::problem::{Problem, media_type};
use super::super::state::{AdminState, MAX_UPLOADS};
use crate::transforms::MAX_COMPONENT_SIZE;
use axum::body::{Bytes, to_bytes};
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{FromRequest as _, Request};
use axum::http::{HeaderMap, StatusCode};
use data_encoding::BASE64;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// How long the upload of a component may take.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(120);
/// When to retry if other uploads are in progress, in seconds.
const RETRY_AFTER: u16 = 10;
/// The largest settings, in bytes: a program of jq has at most half of it.
pub(super) const MAX_SETTINGS: usize = 2 << 20;
/// The header with the signature of what is sent: the file that `minisign` writes, as base64.
const SIGNATURE: &str = "minisign-signature";
const SETTINGS_PART: &str = "settings";
const COMPONENT_PART: &str = "component";

/// What a request has sent.
pub(in crate::admin) struct ChangeBody {
    pub(in crate::admin) settings: Option<Map<String, Value>>,
    pub(in crate::admin) component: Option<Vec<u8>>,
    pub(in crate::admin) signature: Option<String>,
    /// Held until the change is made or refused: a component may be large. `None`: no component could be sent.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

impl ChangeBody {
    /// Reads the body by its media type: `application/json` has settings, `multipart/form-data` both as parts, and any
    /// other the component.
    pub(in crate::admin) async fn read(state: &AdminState, request: Request) -> Result<Self, Problem> {
        let Ok(permit) = Arc::clone(&state.uploads).try_acquire_owned() else {
            return Err(Problem::busy(format!("{MAX_UPLOADS} components are being uploaded already"), RETRY_AFTER));
        };
        let signature = signature(request.headers())?;
        let read = async {
            match media_type(request.headers()).as_str() {
                "application/json" => Ok((Some(object(&bytes(request).await?)?), None)),
                "multipart/form-data" => parts(request).await,
                _ => Ok((None, Some(bytes(request).await?.into()))),
            }
        };
        let Ok(read) = timeout(UPLOAD_TIMEOUT, read).await else {
            let detail = format!("the upload took longer than {UPLOAD_TIMEOUT:?}");
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
        };
        let (settings, component) = read?;
        if component.as_ref().is_some_and(|component: &Vec<u8>| component.len() > MAX_COMPONENT_SIZE) {
            let detail = format!("the component has more than {MAX_COMPONENT_SIZE} bytes");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        Ok(ChangeBody { settings, component, signature, permit: Some(permit) })
    }

    /// Reads a body that is settings only. It needs no permit for an upload, so that slow ones keep no component out.
    pub(in crate::admin) async fn read_settings(request: Request) -> Result<Self, Problem> {
        let signature = signature(request.headers())?;
        let too_large = || {
            let detail = format!("the settings have more than {MAX_SETTINGS} bytes, or cannot be read");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
        };
        let read = timeout(UPLOAD_TIMEOUT, to_bytes(request.into_body(), MAX_SETTINGS));
        let late =
            |_| Problem::new(StatusCode::REQUEST_TIMEOUT, format!("the body took longer than {UPLOAD_TIMEOUT:?}"));
        let body = read.await.map_err(late)?.map_err(|_| too_large())?;
        Ok(ChangeBody { settings: Some(object(&body)?), component: None, signature, permit: None })
    }
}

async fn bytes(request: Request) -> Result<Bytes, Problem> {
    Ok(Bytes::from_request(request, &()).await?)
}

fn signature(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(SIGNATURE) else { return Ok(None) };
    let text = BASE64.decode(value.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Some)
        .ok_or_else(|| Problem::bad_request("Minisign-Signature has to be the content of the .minisig file as base64"))
}

/// The settings, as a JSON object.
fn object(text: &[u8]) -> Result<Map<String, Value>, Problem> {
    if text.len() > MAX_SETTINGS {
        let detail = format!("the settings have more than {MAX_SETTINGS} bytes");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    serde_json::from_slice(text).map_err(|error| Problem::bad_request(format!("a JSON object is expected: {error}")))
}

type Parts = (Option<Map<String, Value>>, Option<Vec<u8>>);

async fn parts(request: Request) -> Result<Parts, Problem> {
    let mut multipart = Multipart::from_request(request, &())
        .await
        .map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let (mut settings, mut component) = (None, None);
    let problem = |error: MultipartError| Problem::new(error.status(), error.body_text());
    while let Some(part) = multipart.next_field().await.map_err(problem)? {
        let name = part.name().unwrap_or_default().to_owned();
        let content = part.bytes().await.map_err(problem)?;
        let is_first = match &*name {
            SETTINGS_PART => settings.replace(object(&content)?).is_none(),
            COMPONENT_PART => component.replace(Vec::from(content)).is_none(),
            _ => {
                return Err(Problem::bad_request(format!(
                    "unknown part {name:?}: there are {SETTINGS_PART} and {COMPONENT_PART}"
                )));
            }
        };
        if !is_first {
            return Err(Problem::bad_request(format!("the part {name} is there twice")));
        }
    }
    Ok((settings, component))
}
