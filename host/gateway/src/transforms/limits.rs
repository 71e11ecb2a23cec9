//! Limits on what is loaded.

/// The largest component that is accepted over the API, from the drop-in directory and from elsewhere, in bytes.
/// Components from JavaScript and Python have 12 to 19 MB.
pub(crate) const MAX_COMPONENT_SIZE: usize = 64 << 20;

/// The largest file with a signature, in bytes. minisign writes some 300, and a comment that the signer chooses.
pub(super) const MAX_SIGNATURE: usize = 64 << 10;
