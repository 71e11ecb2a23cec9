//! `/` and `/console/…`: the files of the console, as `build.rs` has embedded them from `console/`. They hold no data, so
//! they are open to all; what they show, they ask of the API.

use super::guard::CONSOLE_FOLDER;
use super::problem::Problem;
use super::state::SharedAdminState;
use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

const INDEX: &str = "index.html";

/// What the page may load and send, and who may frame it. Nothing comes from elsewhere, and no script or style is part of
/// a page, so that text of a charge point that becomes markup by mistake does nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 8] = [
    (header::CACHE_CONTROL, "no-cache"),
    (header::VARY, "accept-encoding"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A file as the build leaves it.
struct ConsoleFile {
    /// Below `console`, with slashes.
    name: &'static str,
    /// Of the content, in bytes.
    size: usize,
    /// CRC-32 of the content.
    checksum: u32,
    gzip: &'static [u8],
}

/// All files, sorted by path.
static FILES: &[ConsoleFile] = &include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// Bytes of a gzip file before and after the compressed content.
const GZIP_HEADER: usize = 10;
const GZIP_TRAILER: usize = 8;

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new().route("/", get(page)).route("/console/{*file}", get(file))
}

/// The console, a page for a browser
async fn page(headers: HeaderMap) -> Result<Response, Problem> {
    answer(INDEX, &headers)
}

/// A file of the console
async fn file(name: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Result<Response, Problem> {
    answer(&name?, &headers)
}

fn answer(name: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, format!("there is no {CONSOLE_FOLDER}{name}"));
    let file = FILES.iter().find(|file| file.name == name).ok_or_else(missing)?;
    let mut response = if has_version(headers, &file.tag()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        file.response(accepts_gzip(headers))?
    };
    let common = HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value)));
    response.headers_mut().extend(common);
    let tag = HeaderValue::try_from(file.tag());
    response.headers_mut().extend(tag.ok().map(|tag| (header::ETAG, tag)));
    Ok(response)
}

impl ConsoleFile {
    /// The validator of both encodings of the content, hence a weak one.
    fn tag(&self) -> String {
        format!("W/\"{:x}-{:08x}\"", self.size, self.checksum)
    }

    fn response(&self, gzip: bool) -> Result<Response, Problem> {
        let content_type = (header::CONTENT_TYPE, content_type(self.name));
        if gzip {
            return Ok(([content_type, (header::CONTENT_ENCODING, "gzip")], self.gzip).into_response());
        }
        Ok(([content_type], self.content()?).into_response())
    }

    fn content(&self) -> Result<Vec<u8>, Problem> {
        let packed = &self.gzip[GZIP_HEADER..self.gzip.len() - GZIP_TRAILER];
        miniz_oxide::inflate::decompress_to_vec_with_limit(packed, self.size)
            .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json") => "application/json",
        // Licences and the like.
        _ => "text/plain; charset=utf-8",
    }
}

/// Whether the client has the version with this weak tag already (RFC 9110, 13.1.2).
fn has_version(headers: &HeaderMap, tag: &str) -> bool {
    let tag = tag.trim_start_matches("W/");
    elements(headers, &header::IF_NONE_MATCH).any(|shown| shown == "*" || shown.trim_start_matches("W/") == tag)
}

/// Whether the client can read gzip, unless it gives it the weight zero (RFC 9110, 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    elements(headers, &header::ACCEPT_ENCODING).any(|shown| {
        let (coding, weight) = shown.split_once(';').unwrap_or((shown, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        coding.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    })
}

/// The elements of a header that is a list; no element here contains a comma.
fn elements<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests;
