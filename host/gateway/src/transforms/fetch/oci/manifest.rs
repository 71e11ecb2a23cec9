//! Which layer of a manifest is the component (OCI Image Specification 1.1; CNCF "Wasm OCI Artifact layout").
//!
//! - `wkg` pushes one layer `application/wasm`, with a configuration `application/vnd.wasm.config.v0+json`.
//! - `oras push … a.wasm` pushes one layer of the media type that the command names, else
//!   `application/vnd.oci.image.layer.v1.tar` although it is no archive, with the name of the file as its title.
//! - Older tools push `application/vnd.wasm.content.layer.v1+wasm`.

use super::super::content::{Content, recognize};
use super::super::fetched::is_signature;
use super::digest::{BadDigest, Digest};
use data_encoding::BASE64;
use serde::Deserialize;
use std::collections::BTreeMap;

/// In the order of preference, for the header `Accept`.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// The largest manifest, in bytes: registries have to accept 4 MiB (OCI Distribution Specification, "Pushing
/// Manifests").
pub(super) const MAX_MANIFEST: usize = 4 << 20;

/// Media types of a component.
const COMPONENT_TYPES: [&str; 2] = ["application/wasm", "application/vnd.wasm.content.layer.v1+wasm"];

const TITLE: &str = "org.opencontainers.image.title";

/// The annotation of a manifest with the signature of its component: a signature file of minisign, or base64 of it.
const SIGNATURE: &str = "ocpp-gateway.minisig";

/// Layers or platforms that an error lists at most.
const MOST_LISTED: usize = 8;

/// Why there is no component in what a registry has under a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadManifest {
    #[error("wanted a manifest of a registry, but the answer {0}")]
    Content(Content),
    #[error("is no manifest of the forms that the gateway knows: OCI image manifest or index, Docker's version 2")]
    Form,
    #[error("has no layer")]
    NoLayer,
    #[error(
        "has no layer that must be the component: wanted one layer application/wasm, or one with a title that ends in \
         .wasm; has {}",
        .0.join(", ")
    )]
    Layers(Vec<String>),
    #[error("is an index without one entry for the architecture wasm; has {}", .0.join(", "))]
    Platforms(Vec<String>),
    #[error("is an index in an index")]
    Nested,
    #[error("{0:?} {1}")]
    Digest(String, BadDigest),
    #[error("its annotation {SIGNATURE} is neither a signature of minisign nor base64 of one")]
    Signature,
}

/// What a registry answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Document {
    Manifest(Manifest),
    /// Of an index: the manifest of the component.
    Index(Blob),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) component: Blob,
    /// The text of a signature file.
    pub(super) signature: Option<String>,
}

/// Something that a manifest or index names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    /// In bytes.
    pub(super) size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form {
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<Platform>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Platform {
    architecture: String,
    os: String,
}

impl Document {
    pub(super) fn parse(text: &[u8]) -> Result<Self, BadManifest> {
        let form: Form = match serde_json::from_slice(text) {
            Ok(form) => form,
            Err(_) => match recognize(text) {
                Content::Json => return Err(BadManifest::Form),
                other => return Err(BadManifest::Content(other)),
            },
        };
        match form {
            // One with both could be read either way, and differently by another reader (CVE-2021-41190).
            Form { layers: Some(layers), manifests: None, annotations } => {
                let component = component(&layers)?.blob()?;
                let signature = annotations.and_then(|mut all| all.remove(SIGNATURE));
                Ok(Document::Manifest(Manifest { component, signature }))
            }
            Form { layers: None, manifests: Some(manifests), .. } => Ok(Document::Index(entry(&manifests)?.blob()?)),
            _ => Err(BadManifest::Form),
        }
    }
}

impl Manifest {
    /// The signature as a text of minisign.
    pub(super) fn signature_text(&self) -> Result<Option<String>, BadManifest> {
        let Some(text) = &self.signature else { return Ok(None) };
        if is_signature(text) {
            return Ok(Some(text.clone()));
        }
        let packed: String = text.split_whitespace().collect();
        let decoded = BASE64.decode(packed.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.filter(|text| is_signature(text)).map(Some).ok_or(BadManifest::Signature)
    }
}

impl Descriptor {
    fn blob(&self) -> Result<Blob, BadManifest> {
        let digest = self.digest.parse().map_err(|bad| BadManifest::Digest(self.digest.clone(), bad))?;
        Ok(Blob { digest, size: self.size })
    }

    fn title(&self) -> &str {
        self.annotations.as_ref().and_then(|all| all.get(TITLE)).map_or("", String::as_str)
    }
}

/// The layer that is the component: by its media type, else by its title, else because no other exists.
fn component(layers: &[Descriptor]) -> Result<&Descriptor, BadManifest> {
    let by_type: Vec<_> = layers.iter().filter(|layer| COMPONENT_TYPES.contains(&layer.media_type.as_str())).collect();
    let by_title: Vec<_> = layers.iter().filter(|layer| layer.title().ends_with(".wasm")).collect();
    match (by_type.as_slice(), by_title.as_slice(), layers) {
        ([layer], ..) | ([], [layer], _) => Ok(layer),
        ([], [], [layer]) => Ok(layer),
        (.., []) => Err(BadManifest::NoLayer),
        _ => Err(BadManifest::Layers(listed(layers, |layer| {
            format!("{:?} (title {:?}, {} bytes)", layer.media_type, layer.title(), layer.size)
        }))),
    }
}

/// The manifest for WebAssembly, else the only one.
fn entry(manifests: &[Descriptor]) -> Result<&Descriptor, BadManifest> {
    let is_wasm = |entry: &&Descriptor| entry.platform.as_ref().is_some_and(|on| on.architecture == "wasm");
    let for_wasm: Vec<_> = manifests.iter().filter(is_wasm).collect();
    match (for_wasm.as_slice(), manifests) {
        ([entry], _) => Ok(entry),
        ([], [entry]) => Ok(entry),
        _ => Err(BadManifest::Platforms(listed(manifests, |entry| match &entry.platform {
            Some(on) => format!("{:?}", format!("{}/{}", on.os, on.architecture)),
            None => "one without a platform".into(),
        }))),
    }
}

fn listed(all: &[Descriptor], text: impl Fn(&Descriptor) -> String) -> Vec<String> {
    let mut list: Vec<String> = all.iter().take(MOST_LISTED).map(text).collect();
    if let Some(more) = all.len().checked_sub(MOST_LISTED).filter(|more| *more > 0) {
        list.push(format!("and {more} more"));
    }
    list
}
