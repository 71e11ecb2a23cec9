//! The body of a request with settings and a component: `multipart/form-data` of RFC 7578.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// The content type, and the body with the parts `settings` and `component`. `settings`: JSON.
pub(super) fn form(settings: &str, component: &[u8]) -> (String, Vec<u8>) {
    // A component cannot contain its own hash, and settings that do are not written by chance.
    let boundary = HEXLOWER.encode(&Sha256::new_with_prefix(settings).chain_update(component).finalize());
    let part = |name: &str, content_type: &str| {
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: {content_type}\r\n\r\n"
        )
    };
    let mut body = Vec::with_capacity(component.len() + settings.len() + 1024);
    body.extend_from_slice(part("settings", "application/json").as_bytes());
    body.extend_from_slice(settings.as_bytes());
    body.extend_from_slice(b"\r\n");
    body.extend_from_slice(part("component", "application/wasm").as_bytes());
    body.extend_from_slice(component);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}
