"""What tools push for a component, as manifests and blobs."""

import hashlib
import json

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def descriptor(media_type, content, **more):
    return {"mediaType": media_type, "digest": digest(content), "size": len(content), **more}


def wkg(component):
    """`wkg oci push`, by the crate oci-wasm: one layer application/wasm, and a configuration that describes it."""
    config = {
        "created": "2026-01-01T00:00:00Z",
        "author": None,
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [digest(component)],
        "component": {"exports": ["ocpp:transform/lifecycle"], "imports": [], "target": None},
    }
    config = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor("application/vnd.wasm.config.v0+json", config),
        "layers": [descriptor("application/wasm", component)],
        "annotations": {"org.opencontainers.image.version": "1.0.0"},
    }
    return manifest, [config, component]


def oras(component, media_type="application/vnd.oci.image.layer.v1.tar", beside=None):
    """`oras push REGISTRY/NAME:TAG standard.wasm`: a layer with the file's name as its title, and an empty configuration.

    `media_type`: what the command names after the file (`standard.wasm:application/wasm`), or what oras takes without that.
    `beside`: the content of a README.md that is pushed with it.
    """
    title = "org.opencontainers.image.title"
    layers = [descriptor(media_type, component, annotations={title: "standard.wasm"})]
    blobs = [b"{}", component]
    if beside is not None:
        layers.insert(0, descriptor("text/markdown", beside, annotations={title: "README.md"}))
        blobs.append(beside)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/vnd.unknown.artifact.v1",
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}", data="e30="),
        "layers": layers,
        "annotations": {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"},
    }
    return manifest, blobs


def index(manifest):
    """An index with this manifest alone, for WebAssembly."""
    content = json.dumps(manifest).encode()
    platform = {"architecture": "wasm", "os": "wasi"}
    entry = descriptor(MANIFEST, content, platform=platform)
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
