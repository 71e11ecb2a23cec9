//! Components and programs, by their SHA-256.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const WASM: &str = "wasm";
const JQ: &str = "jq";

/// A component or a program that was uploaded or fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::transforms) struct Code {
    pub(in crate::transforms) kind: CodeKind,
    /// 64 hex digits.
    pub(in crate::transforms) sha256: String,
    /// In bytes.
    pub(in crate::transforms) size: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::transforms) enum CodeKind {
    Component,
    /// For `builtin:jq`.
    Program,
}

impl Code {
    pub(in crate::transforms) fn of(kind: CodeKind, bytes: &[u8]) -> Self {
        Code { kind, sha256: HEXLOWER.encode(&Sha256::digest(bytes)), size: bytes.len() as u64 }
    }

    pub(super) fn file_name(&self) -> String {
        let extension = match self.kind {
            CodeKind::Component => WASM,
            CodeKind::Program => JQ,
        };
        format!("{}.{extension}", self.sha256)
    }
}

/// Whether a file is one of the store, by its name: others are not touched.
pub(super) fn is_code(name: &str) -> bool {
    let digest = name.rsplit_once('.').filter(|(_, extension)| [WASM, JQ].contains(extension));
    digest.is_some_and(|(digest, _)| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
