//! Validates a request for a WebSocket (RFC 6455 section 4.2.1), and makes the response that switches protocols.

use super::refused::{Refused, WEBSOCKET_VERSION};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The response to a request for a WebSocket, without a subprotocol.
pub(super) fn accept(request: &Request<()>) -> Result<Response<String>, Refused> {
    let headers = request.headers();
    let refuse = |reason: &str| Err(Refused::NotWebSocket(reason.to_owned()));
    if request.method() != Method::GET {
        return refuse("the method is not GET");
    }
    if request.version() != Version::HTTP_11 {
        return refuse("the version is not HTTP/1.1");
    }
    if !lists(headers, header::CONNECTION, "upgrade") {
        return refuse("no \"Connection: upgrade\"");
    }
    if !lists(headers, header::UPGRADE, "websocket") {
        return refuse("no \"Upgrade: websocket\"");
    }
    if !lists(headers, header::SEC_WEBSOCKET_VERSION, WEBSOCKET_VERSION) {
        return Err(Refused::WebSocketVersion);
    }
    // The key should be 16 bytes in Base64, which is not checked: the response contains the hash of any key.
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else { return refuse("no Sec-WebSocket-Key") };
    let Ok(accept_key) = HeaderValue::try_from(derive_accept_key(key.as_bytes())) else { return refuse("no key") };

    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept_key);
    Ok(response)
}

/// Whether `token` is in the list that all header lines of this name form (RFC 9110 section 5.3).
fn lists(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let entries = headers.get_all(name).into_iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    entries.map(<[u8]>::trim_ascii).any(|entry| entry.eq_ignore_ascii_case(token.as_bytes()))
}

/// Marks credentials as sensitive, so that `Debug` hides them.
pub(super) fn hide_credentials(headers: &mut HeaderMap) {
    for name in [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE] {
        if let header::Entry::Occupied(mut values) = headers.entry(name) {
            values.iter_mut().for_each(|value| value.set_sensitive(true));
        }
    }
}
