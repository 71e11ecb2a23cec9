//! From a name to a component.

use super::{expect_code, transform};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const HOOKS: [&str; 8] = ["uplink", "downlink", "outbound", "inbound", "mapping", "admission", "events", "validation"];

/// A new transform whose dependencies are those that the workspace has; what was compiled for it once is kept.
fn scaffold(parent: &Path) -> PathBuf {
    let (folder, kept) = (parent.join("mine"), parent.join("kept"));
    fs::create_dir_all(parent).expect("a folder");
    if folder.join("target").is_dir() {
        fs::rename(folder.join("target"), &kept).expect("kept");
    }
    if folder.is_dir() {
        fs::remove_dir_all(&folder).expect("removed");
    }
    expect_code(0, &transform(parent, &["new", "mine"]));
    if kept.is_dir() {
        fs::rename(&kept, folder.join("target")).expect("put back");
    }
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    fs::copy(lock, folder.join("Cargo.lock")).expect("copied");
    folder
}

/// Puts the sources and fixtures of another new transform into a folder where the SDK is compiled already.
fn exchange(folder: &Path, hook: &str) {
    let parent = tempfile::tempdir().expect("a folder");
    expect_code(0, &transform(parent.path(), &["new", "mine", "--hook", hook]));
    for part in ["src", "fixtures"] {
        fs::remove_dir_all(folder.join(part)).expect("removed");
        fs::create_dir(folder.join(part)).expect("a folder");
        for entry in fs::read_dir(parent.path().join("mine").join(part)).expect("a folder") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), folder.join(part).join(entry.file_name())).expect("copied");
        }
    }
}

#[test]
fn a_new_transform_builds_and_passes_its_tests() {
    let folder = scaffold(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("scaffold"));
    for hook in HOOKS {
        exchange(&folder, hook);
        let said = expect_code(0, &transform(&folder, &["build"]));
        assert!(said.contains(&format!("hooks: {hook}")) && said.contains("\nsamples = "), "{hook}: {said}");
        let said = expect_code(0, &transform(&folder, &["test", "mine.wasm"]));
        assert!(said.contains("2 passed, 0 failed"), "{hook}: {said}");
        let mut natively = Command::new(env!("CARGO"));
        natively.args(["test", "--offline", "--quiet", "--target-dir", "target"]).current_dir(&folder);
        let said = expect_code(0, &natively.output().expect("cargo runs"));
        assert!(said.contains("test result: ok"), "{hook}: {said}");
    }
}

#[test]
fn a_name_that_no_crate_can_have_is_wrong_usage() {
    let parent = tempfile::tempdir().expect("a folder");
    for name in ["9", "a/b", "fn"] {
        expect_code(2, &transform(parent.path(), &["new", name]));
    }
    expect_code(2, &transform(parent.path(), &["new", "mine", "--hook", "sidelink"]));
}

#[test]
fn nothing_is_written_over() {
    let parent = tempfile::tempdir().expect("a folder");
    fs::create_dir(parent.path().join("mine")).expect("a folder");
    let said = expect_code(1, &transform(parent.path(), &["new", "mine"]));
    assert!(said.contains("mine is there already"), "{said}");
}

#[test]
fn a_crate_that_does_not_build_is_a_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = expect_code(1, &transform(folder.path(), &["build"]));
    assert!(said.contains("Cargo.toml"), "{said}");
}
