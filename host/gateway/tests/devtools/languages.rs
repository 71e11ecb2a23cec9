//! How the language of a folder is found, and what is said when its tools are missing.

use super::{command, expect_code, transform};
use std::fs;

#[test]
fn unknown_language_is_a_usage_error_that_names_all() {
    let parent = tempfile::tempdir().expect("a folder");
    let output = expect_code(2, &transform(parent.path(), &["new", "mine", "--lang", "cobol"]));
    assert!(output.contains("rust, javascript, python, jq"), "{output}");
}

#[test]
fn folder_needs_exactly_one_language() {
    let folder = tempfile::tempdir().expect("a folder");
    let build = || transform(folder.path(), &["build"]);
    let output = expect_code(1, &build());
    for file in ["Cargo.toml", "package.json", "requirements.txt", "pyproject.toml", "*.jq"] {
        assert!(output.contains(file), "{output}");
    }
    fs::write(folder.path().join("package.json"), "{\"name\":\"mine\"}").expect("written");
    fs::write(folder.path().join("Cargo.toml"), "[package]\nname = \"mine\"").expect("written");
    for output in [build(), transform(folder.path(), &["dev"])] {
        let output = expect_code(1, &output);
        assert!(output.contains("has Cargo.toml and package.json"), "{output}");
    }
    let output = expect_code(1, &transform(folder.path(), &["build", "nowhere"]));
    assert!(output.contains("nowhere"), "{output}");
}

#[test]
fn transform_has_one_main_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    file("requirements.txt", "");
    let output = expect_code(1, &transform(folder.path(), &["build"]));
    assert!(output.contains("has no *.py"), "{output}");
    file("one.py", "");
    file("two.py", "");
    let output = expect_code(1, &transform(folder.path(), &["build"]));
    assert!(output.contains("several *.py") && output.contains("pyproject.toml"), "{output}");
    fs::remove_file(folder.path().join("requirements.txt")).expect("removed");
    file("one.jq", "");
    file("two.jq", "");
    let output = expect_code(1, &transform(folder.path(), &["build"]));
    assert!(output.contains("several *.jq"), "{output}");
}

#[test]
fn missing_tools_are_named_with_how_to_get_them() {
    let parent = tempfile::tempdir().expect("a folder");
    let empty = parent.path().join("empty");
    fs::create_dir(&empty).expect("a folder");
    for (language, wanted) in [
        ("rust", "cargo is needed: install Rust from https://rustup.rs"),
        ("javascript", "npm is needed: install Node.js 20.19 or later"),
        ("python", "python3 is needed: install Python 3.10 or later, with venv"),
    ] {
        expect_code(0, &transform(parent.path(), &["new", language, "--lang", language]));
        let mut build = command(parent.path());
        build.args(["build", language]).env("PATH", &empty).env_remove("CARGO");
        let output = expect_code(1, &build.output().expect("the program runs"));
        assert!(output.contains(wanted), "{output}");
    }
}
