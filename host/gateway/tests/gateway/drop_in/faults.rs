//! Files that cannot be used: what they are refused for, and what runs meanwhile.

use super::{Directory, FAILED, LIMITS, Site, adds, sha256};
use crate::configuration;
use crate::problems::{assert_says, problems};
use ocpp_gateway::app::Gateway;
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn broken_file_keeps_what_ran_and_says_why() {
    let directory = Directory::new();
    directory.write("10-one.jq", adds('a'));
    let mut site = Site::start(&directory).await;
    fs::write(directory.file("10-one.jq"), "def uplink: if .payload;\n").expect("written");
    let page = site.until_said("def uplink: if .payload;").await;
    assert!(page.contains("10-one.jq: transform") && page.contains("line 1"), "{page}");
    assert_eq!(site.info().await, "a");
    for path in ["/api/v1/transforms", "/readyz"] {
        let page = site.gateway.admin(path).await;
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("def uplink: if .payload;"), "{page}");
    }
    site.gateway.until(FAILED, 1.0).await;
    let [problem] = &problems(&site.gateway).await[..] else { panic!("another number of problems") };
    assert_eq!((&problem["kind"], &problem["severity"]), (&json!("drop_in"), &json!("warning")));
    assert_says(problem, "The drop-in 10-one.jq");
    // A fault of its settings is one of the transform as well.
    fs::write(directory.file("10-one.toml"), "limts.time = \"1s\"").expect("written");
    site.until_said("limts.time: unknown key").await;
    let page = site.gateway.admin("/api/v1/transforms").await;
    assert!(page.contains("limts.time: unknown key"), "{page}");
    site.gateway.until(FAILED, 2.0).await;
    fs::write(directory.file("10-one.toml"), LIMITS).expect("written");
    site.until_said("def uplink: if .payload;").await;

    // The text that runs is as good a remedy as another one.
    for letter in ['a', 'b'] {
        fs::write(directory.file("10-one.jq"), adds(letter)).expect("written");
        site.until_said("\"fault\": null").await;
        site.until_info(&letter.to_string()).await;
        let page = site.gateway.admin("/readyz").await;
        assert!(page.contains("\"degraded\": []"), "{page}");
        let page = site.gateway.admin("/api/v1/transforms").await;
        assert!(!page.contains("def uplink: if .payload;"), "{page}");
    }
    site.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn program_that_fails_is_shown_with_its_own_error_and_its_file() {
    let directory = Directory::new();
    directory.write("10-one.jq", r#"def uplink: if .payload.info == "bad" then error("no such connector") end;"#);
    let mut site = Site::start(&directory).await;
    site.charge_point.send(r#"[2,"1","StatusNotification",{"info":"bad"}]"#).await;
    site.charge_point.text().await;
    let [problem] = &problems(&site.gateway).await[..] else { panic!("another number of problems") };
    assert_eq!((&problem["kind"], &problem["subject"]), (&json!("transform"), &json!("one")));
    assert_says(problem, "the last time with: trapped: uplink failed for StatusNotification of CP1: ");
    assert_says(problem, "no such connector. The log");
    assert_says(problem, " Replace or remove 10-one.jq, 10-one.toml in the directory of drop-ins.");
    let incidents = site.gateway.admin("/api/v1/events/recent?event=incident").await;
    assert!(incidents.contains("trapped: `uplink` failed for StatusNotification of CP1: "), "{incidents}");
    site.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_files_are_named_and_others_run() {
    let directory = Directory::new();
    directory.write("10-one.jq", adds('a'));
    let mut site = Site::start(&directory).await;
    let outside = directory.0.path().join("outside.jq");
    fs::write(&outside, adds('x')).expect("written");
    directory.write("20-twice.jq", adds('x'));
    fs::write(directory.file("20-twice.wasm"), "x").expect("written");
    directory.write("30-one.jq", adds('x'));
    directory.write("no-digits.jq", adds('x'));
    fs::create_dir(directory.file("40-folder.jq")).expect("a directory");
    symlink(&outside, directory.file("41-link.jq")).expect("linked");
    symlink("nowhere", directory.file("42-dangling.jq")).expect("linked");
    File::create(directory.file("43-huge.jq")).and_then(|file| file.set_len(100 << 20)).expect("created");
    File::create(directory.file("44-vast.wasm")).and_then(|file| file.set_len(100 << 20)).expect("created");
    File::create(directory.file("45-empty.jq")).expect("created");
    fs::write(directory.file("46-alone.toml"), LIMITS).expect("written");
    fs::write(directory.file("47-misspelt.toml"), "component = \"builtin:redact\"\nlimts.time = \"1s\"")
        .expect("written");
    fs::write(directory.file("48-unknown.toml"), "component = \"builtin:redcat\"").expect("written");
    directory.write("49-input.jq", "def uplink: input;");
    fs::write(directory.file("50-endless.toml"), "component = \"/dev/zero\"").expect("written");
    // The last of them by name, in one scan with all others or in one after them.
    fs::write(directory.file("99-last.wasm"), "no component").expect("written");
    site.until_said("not WebAssembly at all").await;
    let page = site.drop_ins().await;
    for part in [
        "20-twice.jq: 20-twice.wasm has this name already",
        "30-one.jq: 10-one has a transform \\\"one\\\" already",
        "no-digits.jq: its name has to be digits, a hyphen and the name of the transform, such as 10-no-digits.jq",
        "40-folder.jq: it is a directory",
        "41-link.jq: it links out of the directory, to ",
        "42-dangling.jq: No such file",
        "43-huge.jq: it has 104857600 bytes, where 1048576 are allowed",
        "44-vast.wasm: it has 104857600 bytes, where 67108864 are allowed",
        "45-empty.jq: it is empty",
        "46-alone.toml: names no component, and there is no .jq or .wasm file beside it",
        "47-misspelt.toml: limts.time: unknown key; did you mean limits.time?",
        "did you mean builtin:redact?",
        "49-input.jq: transform ",
        "50-endless.toml: /dev/zero: it is not a regular file",
        "99-last.wasm: transform ",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(site.info().await, "a");
    // What was refused for the sake of another is used once that is gone.
    directory.remove("10-one");
    fs::remove_file(directory.file("20-twice.wasm")).expect("removed");
    site.until_info("xx").await;
    site.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_alone_configure_a_ready_made_transform() {
    let directory = Directory::new();
    fs::write(directory.file("10-names.toml"), "component = \"builtin:redact\"\n[config]\nreplace_with = 1")
        .expect("written");
    let refused = Site::refused(&directory).await;
    assert!(refused.contains("10-names.toml: transform \"names\" (builtin:redact)"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_file_refuses_the_start_unless_its_transform_may_be_bypassed() {
    let directory = Directory::new();
    directory.write("10-one.jq", adds('a'));
    fs::write(directory.file("20-broken.jq"), "def uplink: if;").expect("written");
    fs::write(directory.file("21-broken-too.toml"), "component = \"builtin:redact\"\nlimts = 1").expect("written");
    let refused = Site::refused(&directory).await;
    for part in ["20-broken.jq: ", "21-broken-too.toml: limts: unknown key"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }

    fs::write(directory.file("20-broken.toml"), "on_error = \"bypass\"").expect("written");
    fs::write(directory.file("21-broken-too.toml"), "component = \"builtin:redact\"\non_error = \"bypass\"\nlimts = 1")
        .expect("written");
    let mut site = Site::start(&directory).await;
    assert_eq!(site.info().await, "a");
    let page = site.gateway.admin("/readyz").await;
    for part in ["\"ready\": true", "drop-in 20-broken.jq, 20-broken.toml", "limts: unknown key"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    site.gateway.stop().await;
}

impl Site {
    /// The error of a gateway that does not start.
    async fn refused(directory: &Directory) -> String {
        let started = Gateway::start(&configuration(&directory.config("")), None).await;
        started.err().expect("a refusal").to_string()
    }
}

#[test]
fn commands_name_drop_ins_and_their_faults() {
    let directory = Directory::new();
    directory.write("10-one.jq", adds('a'));
    fs::write(directory.file("20-broken.jq"), "def uplink: if;").expect("written");
    fs::write(directory.file("20-broken.toml"), "on_error = \"bypass\"").expect("written");
    let run = |command: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
        let output = program.args(command).current_dir(directory.0.path()).output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    let version = &sha256(&adds('a'))[..12];
    for (command, code) in [(&["transform", "list"][..], 1), (&["check"], 0), (&["config"], 0)] {
        let (exit, text) = run(command);
        assert_eq!(exit, Some(code), "{command:?}: {text}");
        assert!(
            text.contains("one: builtin:jq") && text.contains(&format!("program {version}")),
            "{command:?}: {text}"
        );
        assert!(text.contains("20-broken.jq: ") || command == ["config"], "{command:?}: {text}");
    }
    fs::remove_file(directory.file("20-broken.toml")).expect("removed");
    for (command, code) in [(&["transform", "list"][..], 1), (&["check"], 78), (&["run"], 78)] {
        let (exit, text) = run(command);
        assert!(exit == Some(code) && text.contains("20-broken.jq: "), "{command:?}: {text}");
    }
}
