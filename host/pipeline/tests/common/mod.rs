//! What the tests share: files with components in them, a charge point, frames.

#![allow(dead_code)] // Each test uses its share.

use ocpp_gateway_core::{Frame, Identity, Peer, Version};
use ocpp_gateway_pipeline::{Source, TransformSpec};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn peer(id: &str) -> Peer {
    let identity = Identity::new(id, 48).expect("an identity");
    Peer { identity, version: Version::V1_6, connection: 1 }
}

pub(crate) fn frame(text: &str) -> Frame<'_> {
    Frame::parse(text).expect("a frame")
}

/// A file in the tests' own directory.
pub(crate) fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).expect("a writable directory");
    path
}

/// A transform from a file, with no configuration.
pub(crate) fn spec(path: PathBuf) -> TransformSpec {
    TransformSpec { name: "under test".into(), source: Source::File(path), ..TransformSpec::standard() }
}
