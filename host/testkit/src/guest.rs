//! Transforms that misbehave, built from `guest-sdk/tests/guests`.

use ocpp_gateway_guest_build::Guest;
use std::fs;
use std::path::{Path, PathBuf};

/// Builds the component `name` into `directory`: the `CARGO_TARGET_TMPDIR` of whoever asks, so that what a guest is built
/// from is compiled once for the tests of all crates. To be asked once in a process.
pub fn build(name: &str, directory: impl AsRef<Path>) -> PathBuf {
    let directory = directory.as_ref();
    let guest = Guest {
        manifest: &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml"),
        target_dir: &directory.join("transforms"),
        args: &["--locked", "--quiet", "--package", "ocpp-transform", "--example", name],
        module: &format!("examples/{name}.wasm"),
    };
    let path = directory.join(name).with_extension("wasm");
    fs::write(&path, guest.build().expect("it builds")).expect("a writable directory");
    path
}
