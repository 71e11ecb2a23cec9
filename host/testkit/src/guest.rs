//! Builds transforms that misbehave, from `guest-sdk/tests/guests`, and shares dependencies with new ones.

use ocpp_gateway_guest_build::GuestCrate;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Builds the component `name` into `directory`, the caller's `CARGO_TARGET_TMPDIR`, so that the dependencies of guests
/// are compiled once for the tests of all crates. Call it once per process.
pub fn build(name: &str, directory: impl AsRef<Path>) -> PathBuf {
    let directory = directory.as_ref();
    let guest = GuestCrate {
        manifest: &workspace().join("Cargo.toml"),
        target_dir: &target(directory),
        args: &["--locked", "--quiet", "--package", "ocpp-transform", "--example", name],
        module: &format!("examples/{name}.wasm"),
    };
    let path = directory.join(name).with_extension("wasm");
    fs::write(&path, guest.build().expect("the guest builds")).expect("a writable directory");
    path
}

/// Gives a new transform in `folder` the workspace's `Cargo.lock` and the target directory of the guests.
pub fn share_dependencies(folder: &Path, directory: impl AsRef<Path>) {
    let target = target(directory.as_ref());
    fs::create_dir_all(&target).expect("a writable directory");
    symlink(target, folder.join("target")).expect("no target yet");
    fs::copy(workspace().join("Cargo.lock"), folder.join("Cargo.lock")).expect("copied");
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn target(directory: &Path) -> PathBuf {
    directory.join("transforms")
}
