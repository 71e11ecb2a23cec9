//! Transforms in jq: `new`, `build`, `test`, `inspect`, `bench` and `dev` without other tools.

use super::dev::Dev;
use super::{HOOKS, expect_code, expect_fixtures_pass, transform};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// A new transform with the default hook. Returns the folder above it, too.
fn scaffold() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().expect("a folder");
    expect_code(0, &transform(parent.path(), &["new", "mine", "--lang", "jq"]));
    let folder = parent.path().join("mine");
    (parent, folder)
}

fn write_program(folder: &Path, text: &str) {
    fs::write(folder.join("mine.jq"), text).expect("written");
}

#[test]
fn new_program_is_valid_and_passes_its_tests() {
    let parent = tempfile::tempdir().expect("a folder");
    let together = HOOKS.join(",");
    for hooks in HOOKS.into_iter().chain([together.as_str()]) {
        let name = if hooks == together { "together" } else { hooks };
        let options = hooks.split(',').flat_map(|hook| ["--hook", hook]);
        let new: Vec<_> = ["new", name, "--lang", "jq"].into_iter().chain(options).collect();
        expect_code(0, &transform(parent.path(), &new));
        let folder = parent.path().join(name);
        let output = expect_code(0, &transform(&folder, &["build"]));
        let line = output.lines().find_map(|line| line.split_once("hooks: ")).expect("the hooks").1;
        assert!(
            hooks.split(',').all(|hook| line.contains(hook)) && line.len() <= hooks.len() + HOOKS.len(),
            "{output}"
        );
        expect_fixtures_pass(&folder, &format!("{name}.jq"));
    }
}

#[test]
fn build_says_how_to_use_a_program() {
    let (_parent, folder) = scaffold();
    let output = expect_code(0, &transform(&folder, &["build"]));
    let (_, configuration) = output.split_once("gateway:\n\n").expect("a configuration");
    let (configuration, rest) = configuration.split_once("\n\n").expect("an end");
    let configuration: toml::Table = configuration.parse().expect("TOML");
    let transform = &configuration["transforms"][0];
    assert_eq!((transform["name"].as_str(), transform["component"].as_str()), (Some("mine"), Some("builtin:jq")));
    let file = transform["config"]["file"].as_str().expect("a file");
    assert_eq!(fs::canonicalize(file).expect("a file"), fs::canonicalize(folder.join("mine.jq")).expect("a file"));
    assert!(rest.contains("transforms.d/50-mine.jq"), "{output}");
}

#[test]
fn program_that_does_not_compile_is_refused_with_its_place() {
    let (_parent, folder) = scaffold();
    write_program(&folder, "def uplink:\n    if .payload then;\n");
    let place =
        "line 2, column 21: expected a filter, such as `.payload`, but found `;`\n  2 |     if .payload then;\n";
    for command in [&["build"][..], &["test", "mine.jq"], &["inspect", "mine.jq"], &["bench", "mine.jq"]] {
        let code = if command[0] == "bench" { 78 } else { 1 };
        let output = expect_code(code, &transform(&folder, command));
        assert!(output.contains(place) && output.contains("                          ^"), "{command:?}: {output}");
    }
    let output = expect_code(1, &transform(&folder, &["build"]));
    assert!(output.contains("./mine.jq: line 2") && !output.contains("hooks:"), "{output}");
}

#[test]
fn failing_case_of_a_program_shows_the_difference() {
    let (_parent, folder) = scaffold();
    write_program(&folder, "def uplink: .;");
    let output = expect_code(1, &transform(&folder, &["test", "mine.jq"]));
    assert!(output.contains("step 1, uplink") && output.contains("0 passed, 1 failed"), "{output}");
}

#[test]
fn inspect_shows_the_hooks_of_a_program() {
    let (_parent, folder) = scaffold();
    write_program(&folder, "def connected: empty; def check: empty;");
    let output = expect_code(0, &transform(&folder, &["inspect", "mine.jq"]));
    assert!(output.contains("builtin:jq") && output.contains("events, validation\n"), "{output}");
    expect_code(1, &transform(&folder, &["inspect", "nowhere.jq"]));
}

#[test]
fn bench_measures_a_program() {
    let (_parent, folder) = scaffold();
    let output = expect_code(0, &transform(&folder, &["bench", "mine.jq"]));
    assert!(output.contains("\nuplink ") && !output.contains("downlink"), "{output}");
    let fixture = "fixtures/uplink-upper-case.toml";
    let output = expect_code(0, &transform(&folder, &["bench", "mine.jq", "--fixture", fixture]));
    assert!(output.contains("\nstep 2, uplink "), "{output}");
}

#[test]
fn dev_writes_only_programs_that_pass() {
    let (parent, folder) = scaffold();
    let followed = parent.path().join("followed");
    fs::create_dir(&followed).expect("a folder");
    let copy = || fs::read_to_string(followed.join("mine.jq")).unwrap_or_default();
    let first = fs::read_to_string(folder.join("mine.jq")).expect("a program");
    let dev = Dev::start(&folder, &["--out", &followed.display().to_string()]);
    dev.wait_for(&["written to", "Waiting for a change"]);
    assert_eq!(copy(), first);

    write_program(&folder, "def uplink: .;");
    dev.wait_for(&["neither written nor pushed", "Waiting for a change"]);
    write_program(&folder, "def uplink: if");
    dev.wait_for(&["mine.jq: line 1, column 15", "Waiting for a change"]);
    assert_eq!(copy(), first);

    let second = format!("# The second version.\n{first}");
    write_program(&folder, &second);
    dev.wait_for(&["written to"]);
    assert_eq!(copy(), second);
    assert_eq!(fs::read_dir(&followed).expect("a folder").count(), 1);
}

#[test]
fn dev_waits_for_a_change_after_files_that_are_no_sources_change() {
    let (_parent, folder) = scaffold();
    let dev = Dev::start(&folder, &["--gateway", "http://127.0.0.1:1"]);
    dev.wait_for(&["1 passed, 0 failed", "not pushed: no gateway answers", "Waiting for a change"]);
    for path in ["node_modules/a.js", ".venv/a.py", "target/a", "mine.wasm", "README.md", ".mine.jq"] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, "changed").expect("written");
    }
    // Much longer than `dev` waits for further changes.
    assert_eq!(dev.lines_within(Duration::from_secs(1)), [""; 0]);
    write_program(&folder, "def uplink: .;");
    dev.wait_for(&["0 passed, 1 failed"]);
}

#[test]
fn sources_are_not_overwritten() {
    let (_parent, folder) = scaffold();
    let program = fs::read(folder.join("mine.jq")).expect("a program");
    for out in ["mine.jq", "other.jq", "fixtures/mine.jq", "."] {
        for command in ["build", "dev"] {
            let output = expect_code(2, &transform(&folder, &[command, "--out", out]));
            assert!(output.contains("is a source of the transform"), "{output}");
        }
    }
    assert_eq!(fs::read(folder.join("mine.jq")).expect("a program"), program);
    expect_code(0, &transform(&folder, &["build", "--out", "../copy.jq"]));
    assert_eq!(fs::read(folder.join("../copy.jq")).expect("a copy"), program);
}

#[test]
fn name_for_dev_needs_an_upload() {
    let (parent, folder) = scaffold();
    let out = parent.path().join("followed.jq").display().to_string();
    let output = expect_code(2, &transform(&folder, &["dev", "--out", &out, "--name", "quirk"]));
    assert!(output.contains("--gateway"), "{output}");
}
