//! What was fetched instead of a component, for a text that says what to do next.

use super::address::Address;
use std::fmt;

/// The first eight bytes of a component: `\0asm`, version 13 and layer 1 (component model, binary format).
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// Content that is no component, recognized by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Empty,
    CoreModule,
    OtherWasm,
    WasmText,
    Html,
    Json,
    Xml,
    Gzip,
    Zip,
    Elf,
    Text,
    Other,
}

/// An answer that is no component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address}: {content} (media type {media_type:?})")]
pub(crate) struct NoComponent {
    pub(super) address: Address,
    pub(super) content: Content,
    /// What the server calls it.
    pub(super) media_type: String,
}

/// Returns the bytes if they begin like a component. Whether they are one, the pipeline finds out.
pub(super) fn checked(bytes: Vec<u8>, address: Address, media_type: String) -> Result<Vec<u8>, NoComponent> {
    if bytes.starts_with(&COMPONENT) {
        return Ok(bytes);
    }
    Err(NoComponent { address, content: recognize(&bytes), media_type })
}

/// What bytes that are no component look like.
pub(super) fn recognize(bytes: &[u8]) -> Content {
    match bytes {
        [] => return Content::Empty,
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => return Content::CoreModule,
        [0, b'a', b's', b'm', ..] => return Content::OtherWasm,
        [0x1f, 0x8b, ..] => return Content::Gzip,
        [b'P', b'K', 3, 4, ..] => return Content::Zip,
        [0x7f, b'E', b'L', b'F', ..] => return Content::Elf,
        _ => {}
    }
    let start = &bytes[..bytes.len().min(512)];
    let text = String::from_utf8_lossy(start).trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    match () {
        () if text.starts_with("<!doctype html") || text.contains("<html") => Content::Html,
        () if text.starts_with("<?xml") => Content::Xml,
        () if text.starts_with(['{', '[']) => Content::Json,
        () if text.starts_with("(component") || text.starts_with("(module") => Content::WasmText,
        () if !text.contains(['\0', '\u{fffd}']) => Content::Text,
        () => Content::Other,
    }
}

impl fmt::Display for Content {
    /// In the form "is …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Content::Empty => "is empty",
            Content::CoreModule => "is a core module: encode it as a component with `wasm-tools component new`",
            Content::OtherWasm => "is WebAssembly, but no component that this gateway knows",
            Content::WasmText => "is WebAssembly in text form: turn it into a component with `wasm-tools parse`",
            Content::Html => "is an HTML page: is the address right?",
            Content::Json => "is JSON: is the address right?",
            Content::Xml => "is XML: is the address right?",
            Content::Gzip => "is a gzip archive: publish the component as it is",
            Content::Zip => "is a zip archive: publish the component as it is",
            Content::Elf => "is a Linux program: build it for WebAssembly",
            Content::Text => "is text: is the address right?",
            Content::Other => "does not begin with the header of WebAssembly",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_header_of_a_component_passes() {
        let check = |bytes: &[u8]| {
            let address = Address::parse("https://example.org/a").expect("an address");
            checked(bytes.to_vec(), address, String::new()).map(drop).map_err(|no| no.content)
        };
        assert_eq!(check(b"\0asm\x0d\0\x01\0and more"), Ok(()));
        for (bytes, content) in [
            (&b""[..], Content::Empty),
            (b"\0asm\x01\0\0\0", Content::CoreModule),
            (b"\0asm\x0d\0", Content::OtherWasm),
            (b"\xef\xbb\xbf\n <!DOCTYPE html><p>", Content::Html),
            (b"<!-- x --><HTML lang=en>", Content::Html),
            (b"<?xml version='1.0'?><Error/>", Content::Xml),
            (b" {\"errors\":[]}", Content::Json),
            (b"(component)", Content::WasmText),
            (b"\x1f\x8b\x08", Content::Gzip),
            (b"PK\x03\x04", Content::Zip),
            (b"\x7fELF\x02", Content::Elf),
            (b"Not found\n", Content::Text),
            (b"\x00\x01\x02", Content::Other),
        ] {
            assert_eq!(check(bytes), Err(content), "{}", bytes.escape_ascii());
        }
    }
}
