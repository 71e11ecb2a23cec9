//! What comes back.

/// A component that was fetched.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// At most [`MAX_COMPONENT_SIZE`](crate::transforms::MAX_COMPONENT_SIZE). They begin like a component.
    pub(crate) bytes: Vec<u8>,
    /// The text of its signature file, if that was asked for and exists.
    pub(crate) signature: Option<String>,
}

/// Whether a text begins like a signature file of minisign.
pub(super) fn is_signature(text: &str) -> bool {
    text.starts_with("untrusted comment:")
}
