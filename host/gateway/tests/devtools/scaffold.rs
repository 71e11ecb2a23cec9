//! From a name to a component.

use super::{expect_code, transform};
use ocpp_gateway_testkit::guest;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const HOOKS: [&str; 8] = ["uplink", "downlink", "outbound", "inbound", "mapping", "admission", "events", "validation"];

/// A new transform whose dependencies are those that the workspace has; what was compiled of them once is kept.
fn scaffold(parent: &Path) -> PathBuf {
    let folder = parent.join("mine");
    fs::create_dir_all(parent).expect("a folder");
    if folder.is_dir() {
        fs::remove_dir_all(&folder).expect("removed");
    }
    expect_code(0, &transform(parent, &["new", "mine"]));
    guest::adopt(&folder, env!("CARGO_TARGET_TMPDIR"));
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
    only_what_passes_is_put_in_place(&folder);
}

/// A gateway may watch the file: `dev` writes it when all cases have passed, and not before.
fn only_what_passes_is_put_in_place(folder: &Path) {
    let component = folder.join("mine.wasm");
    let mark = || fs::write(&component, "what runs").expect("written");
    mark();
    dev_until(folder, "not pushed: http://127.0.0.1:1/");
    assert_ne!(fs::read(&component).expect("a component"), b"what runs");
    mark();
    for entry in fs::read_dir(folder.join("fixtures")).expect("a folder") {
        fs::write(entry.expect("an entry").path(), "about = \"Nonsense.\"").expect("written");
    }
    dev_until(folder, "neither put in place nor pushed");
    assert_eq!(fs::read(&component).expect("a component"), b"what runs");
}

/// Runs `transform dev`, with a gateway that is not there, until it has said this.
#[track_caller]
fn dev_until(folder: &Path, wanted: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
    command.args(["transform", "dev", "--gateway", "http://127.0.0.1:1"]).current_dir(folder);
    let mut dev = command.env("CARGO_NET_OFFLINE", "true").stderr(Stdio::piped()).stdout(Stdio::null()).spawn();
    let dev = dev.as_mut().expect("the program runs");
    let mut said = Vec::new();
    for line in BufReader::new(dev.stderr.take().expect("piped")).lines().map_while(Result::ok) {
        said.push(line);
        if said.last().is_some_and(|line| line.contains(wanted)) {
            break;
        }
    }
    dev.kill().expect("it waits for changes");
    dev.wait().expect("it ends");
    assert!(said.last().is_some_and(|line| line.contains(wanted)), "{said:?}");
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
