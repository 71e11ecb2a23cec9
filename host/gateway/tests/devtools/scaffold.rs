//! `transform new`, `build` and `dev`: from a name to a component.

use super::{expect_code, transform};
use ocpp_gateway_testkit::guest;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const HOOKS: [&str; 8] = ["uplink", "downlink", "outbound", "inbound", "mapping", "admission", "events", "validation"];

/// Creates a transform with the dependencies of the workspace. Reuses the dependencies compiled in an earlier run.
fn scaffold(parent: &Path) -> PathBuf {
    let folder = parent.join("mine");
    fs::create_dir_all(parent).expect("a folder");
    if folder.is_dir() {
        fs::remove_dir_all(&folder).expect("removed");
    }
    expect_code(0, &transform(parent, &["new", "mine"]));
    guest::share_dependencies(&folder, env!("CARGO_TARGET_TMPDIR"));
    folder
}

/// Replaces sources and fixtures by those of a new transform for `hook`, in a folder where the SDK is compiled already.
fn replace_sources(folder: &Path, hook: &str) {
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
fn new_transform_builds_and_passes_its_tests() {
    let folder = scaffold(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("scaffold"));
    for hook in HOOKS {
        replace_sources(&folder, hook);
        let output = expect_code(0, &transform(&folder, &["build"]));
        assert!(output.contains(&format!("hooks: {hook}")) && output.contains("\nsamples = "), "{hook}: {output}");
        let output = expect_code(0, &transform(&folder, &["test", "mine.wasm"]));
        assert!(output.contains("2 passed, 0 failed"), "{hook}: {output}");
        let mut native_tests = Command::new(env!("CARGO"));
        native_tests.args(["test", "--offline", "--quiet", "--target-dir", "target"]).current_dir(&folder);
        let output = expect_code(0, &native_tests.output().expect("cargo runs"));
        assert!(output.contains("test result: ok"), "{hook}: {output}");
    }
    assert_only_passing_components_are_written(&folder);
}

/// A gateway may watch the component file: `dev` writes it only after all cases have passed.
fn assert_only_passing_components_are_written(folder: &Path) {
    let component = folder.join("mine.wasm");
    let reset = || fs::write(&component, "what runs").expect("written");
    reset();
    dev_until(folder, "not pushed: http://127.0.0.1:1/");
    assert_ne!(fs::read(&component).expect("a component"), b"what runs");
    reset();
    for entry in fs::read_dir(folder.join("fixtures")).expect("a folder") {
        fs::write(entry.expect("an entry").path(), "about = \"Nonsense.\"").expect("written");
    }
    dev_until(folder, "neither written nor pushed");
    assert_eq!(fs::read(&component).expect("a component"), b"what runs");
}

/// Runs `transform dev` with an unreachable gateway until stderr has a line that contains `wanted`.
#[track_caller]
fn dev_until(folder: &Path, wanted: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
    command.args(["transform", "dev", "--gateway", "http://127.0.0.1:1"]).current_dir(folder);
    let mut dev = command.env("CARGO_NET_OFFLINE", "true").stderr(Stdio::piped()).stdout(Stdio::null()).spawn();
    let dev = dev.as_mut().expect("the program runs");
    let mut lines = Vec::new();
    for line in BufReader::new(dev.stderr.take().expect("piped")).lines().map_while(Result::ok) {
        lines.push(line);
        if lines.last().is_some_and(|line| line.contains(wanted)) {
            break;
        }
    }
    dev.kill().expect("running");
    dev.wait().expect("ended");
    assert!(lines.last().is_some_and(|line: &String| line.contains(wanted)), "{lines:?}");
}

#[test]
fn invalid_crate_name_is_a_usage_error() {
    let parent = tempfile::tempdir().expect("a folder");
    for name in ["9", "a/b", "fn"] {
        expect_code(2, &transform(parent.path(), &["new", name]));
    }
    expect_code(2, &transform(parent.path(), &["new", "mine", "--hook", "sidelink"]));
}

#[test]
fn existing_folder_is_not_overwritten() {
    let parent = tempfile::tempdir().expect("a folder");
    fs::create_dir(parent.path().join("mine")).expect("a folder");
    let output = expect_code(1, &transform(parent.path(), &["new", "mine"]));
    assert!(output.contains("mine exists already"), "{output}");
}

#[test]
fn build_of_a_broken_crate_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = expect_code(1, &transform(folder.path(), &["build"]));
    assert!(output.contains("Cargo.toml"), "{output}");
}
