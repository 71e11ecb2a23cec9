//! `transform new`, `build` and `dev` in Rust: from a name to a component.

use super::dev::Dev;
use super::{HOOKS, expect_code, expect_fixtures_pass, transform};
use ocpp_gateway_testkit::guest;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// Replaces sources and fixtures by those of a new transform with these hooks, in a folder where the SDK is compiled
/// already.
fn replace_sources(folder: &Path, hooks: &str) {
    let parent = tempfile::tempdir().expect("a folder");
    expect_code(0, &transform(parent.path(), &["new", "mine", "--hook", hooks]));
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
    let together = HOOKS.join(",");
    for hooks in HOOKS.into_iter().chain([together.as_str()]) {
        replace_sources(&folder, hooks);
        let output = expect_code(0, &transform(&folder, &["build"]));
        let line = output.lines().find_map(|line| line.split_once("hooks: ")).expect("the hooks").1;
        assert!(
            hooks.split(',').all(|hook| line.contains(hook)) && line.len() <= hooks.len() + HOOKS.len(),
            "{output}"
        );
        assert!(output.contains("\nsamples = "), "{hooks}: {output}");
        expect_fixtures_pass(&folder, "mine.wasm");
        let mut native_tests = Command::new(env!("CARGO"));
        native_tests.args(["test", "--offline", "--quiet", "--target-dir", "target"]).current_dir(&folder);
        let output = expect_code(0, &native_tests.output().expect("cargo runs"));
        assert!(output.contains("test result: ok"), "{hooks}: {output}");
    }
    assert_only_passing_components_are_written(&folder);
}

/// A gateway may watch the component file: `dev` writes it only after all cases have passed.
fn assert_only_passing_components_are_written(folder: &Path) {
    let component = folder.join("mine.wasm");
    let reset = || fs::write(&component, "what runs").expect("written");
    let dev_until = |wanted| Dev::start(folder, &["--gateway", "http://127.0.0.1:1"]).wait_for(&[wanted]);
    reset();
    dev_until("not pushed: no gateway answers at http://127.0.0.1:1: ");
    assert_ne!(fs::read(&component).expect("a component"), b"what runs");
    reset();
    for entry in fs::read_dir(folder.join("fixtures")).expect("a folder") {
        fs::write(entry.expect("an entry").path(), "about = \"Nonsense.\"").expect("written");
    }
    dev_until("neither written nor pushed");
    assert_eq!(fs::read(&component).expect("a component"), b"what runs");
}

#[test]
fn invalid_name_is_a_usage_error() {
    let parent = tempfile::tempdir().expect("a folder");
    for name in ["9", "a/b", "fn"] {
        expect_code(2, &transform(parent.path(), &["new", name]));
    }
    for name in ["json", "my_quirk"] {
        expect_code(2, &transform(parent.path(), &["new", name, "--lang", "python"]));
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
