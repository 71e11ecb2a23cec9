//! `transform inspect`, `bench` and `test`: components and their fixtures.

use super::{expect_code, transform};
use ocpp_gateway_pipeline::{BUILTINS, Builtin, STANDARD};
use std::fs;
use std::path::Path;

/// A folder with the built-in mapping as `standard.wasm`, and these fixtures (file name, text).
fn folder_with(cases: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("standard.wasm"), STANDARD).expect("written");
    fs::create_dir(dir.path().join("fixtures")).expect("a folder");
    for (name, text) in cases {
        fs::write(dir.path().join("fixtures").join(name), text).expect("written");
    }
    dir
}

fn heartbeat(expect: &str) -> String {
    format!("about = \"A Heartbeat.\"\n[[step]]\nhook = \"to-mqtt\"\nframe = '[2,\"1\",\"Heartbeat\",{{}}]'\n{expect}")
}

#[test]
fn fixtures_of_the_ready_made_transforms_pass() {
    let dir = tempfile::tempdir().expect("a folder");
    let transforms = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../transforms");
    let mut seen = 0;
    for Builtin { name, .. } in BUILTINS {
        let fixtures = transforms.join(name).join("fixtures");
        if !fixtures.is_dir() {
            continue;
        }
        let (component, fixtures) = (format!("builtin:{name}"), fixtures.display().to_string());
        let output = expect_code(0, &transform(dir.path(), &["test", &component, "--fixtures", &fixtures]));
        assert!(output.contains(" passed, 0 failed") && !output.contains("compiled components"), "{name}: {output}");
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
}

#[test]
fn list_names_the_ready_made_transforms_and_what_they_do() {
    let dir = tempfile::tempdir().expect("a folder");
    let output = expect_code(0, &transform(dir.path(), &["list"]));
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines.len(), BUILTINS.len(), "{output}");
    assert!(lines.is_sorted(), "{output}");
    for (line, Builtin { name, description, .. }) in lines.iter().zip(BUILTINS) {
        let parts = line.strip_prefix("builtin:").and_then(|rest| rest.split_once(' '));
        assert_eq!(parts.map(|(name, what)| (name, what.trim_start())), Some((*name, *description)));
    }
}

#[test]
fn inspect_shows_the_settings_of_a_ready_made_transform() {
    let dir = tempfile::tempdir().expect("a folder");
    let output = expect_code(0, &transform(dir.path(), &["inspect", "builtin:redact"]));
    for line in
        ["builtin:redact", "uplink", "ocpp-gateway:transform/state@1.0.0", "does not start", "\nrestore = true\n"]
    {
        assert!(output.contains(line), "{line}: {output}");
    }
    // What follows the fields can be pasted into a configuration.
    let (_, settings) = output.split_once("\n\n").expect("settings");
    assert!(settings.parse::<toml::Table>().expect("TOML").contains_key("mask"), "{settings}");
}

#[test]
fn unknown_ready_made_transform_is_an_error_that_names_the_nearest() {
    let dir = tempfile::tempdir().expect("a folder");
    for command in ["inspect", "bench"] {
        let output = expect_code(1, &transform(dir.path(), &[command, "builtin:redcat"]));
        assert!(output.contains("builtin:redcat") && output.contains("did you mean builtin:redact?"), "{output}");
    }
}

#[test]
fn failing_case_shows_the_difference() {
    let right = r#"expect = [{ publish = { topic = "ocpp/cp/CP1", payload = '{"MessageTypeId":2,"UniqueId":"1","Action":"Heartbeat","Payload":{}}' } }]"#;
    let right = heartbeat(right);
    let wrong = right.replace("ocpp/cp", "ocpp/cs");
    let dir = folder_with(&[("right.toml", &right), ("wrong.toml", &wrong)]);
    let output = expect_code(1, &transform(dir.path(), &["test", "standard.wasm"]));
    for line in ["wrong.toml", "A Heartbeat.", "step 1, to-mqtt", "- ", "ocpp/cs/CP1", "1 passed, 1 failed"] {
        assert!(output.contains(line), "{line}: {output}");
    }
    assert!(!output.contains("right.toml"), "{output}");
}

#[test]
fn invalid_case_is_reported_with_file_and_line() {
    let dir = folder_with(&[("odd.toml", &heartbeat("expcet = []"))]);
    let output = expect_code(1, &transform(dir.path(), &["test", "standard.wasm"]));
    assert!(output.contains("odd.toml") && output.contains("line 5") && output.contains("expcet"), "{output}");
}

#[test]
fn configuration_refused_by_the_component_fails_the_case() {
    let case = format!("config = {{ mountpont = \"x/\" }}\n{}", heartbeat("expect = []"));
    let dir = folder_with(&[("config.toml", &case)]);
    let output = expect_code(1, &transform(dir.path(), &["test", "standard.wasm"]));
    assert!(output.contains("refuses its configuration") && output.contains("mountpont"), "{output}");
}

#[test]
fn memory_limit_is_enforced() {
    let dir = folder_with(&[("a.toml", &heartbeat("expect = []"))]);
    let output = expect_code(1, &transform(dir.path(), &["test", "standard.wasm", "--memory", "64KiB"]));
    assert!(output.contains("of memory, where 65536 are allowed"), "{output}");
}

#[test]
fn test_without_cases_fails() {
    let dir = folder_with(&[]);
    let output = expect_code(1, &transform(dir.path(), &["test", "standard.wasm"]));
    assert!(output.contains("no cases"), "{output}");
    expect_code(1, &transform(dir.path(), &["test", "nowhere.wasm"]));
}

#[test]
fn inspect_describes_a_component() {
    let dir = folder_with(&[]);
    let output = expect_code(0, &transform(dir.path(), &["inspect", "standard.wasm"]));
    let size = format!("{} bytes", STANDARD.len());
    for line in ["ocpp-transform-standard 0.1.0", &size, "1.0.0", "mapping", "ocpp-gateway:transform/log@1.0.0"] {
        assert!(output.contains(line), "{line}: {output}");
    }
}

#[test]
fn inspect_reports_components_that_would_be_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let core_module = b"\0asm\x01\0\0\0";
    for (bytes, why) in [(&core_module[..], "a core module"), (b"hello, world", "not WebAssembly at all")] {
        fs::write(dir.path().join("odd.wasm"), bytes).expect("written");
        let output = expect_code(1, &transform(dir.path(), &["inspect", "odd.wasm"]));
        assert!(output.contains("REFUSED") && output.contains(why), "{output}");
    }
}

#[test]
fn bench_measures_each_hook() {
    let dir = folder_with(&[]);
    let output = expect_code(0, &transform(dir.path(), &["bench", "standard.wasm"]));
    for row in ["standard, to-mqtt", "from-mqtt", "subscriptions"] {
        assert!(output.contains(row), "{row}: {output}");
    }
    let output = expect_code(0, &transform(dir.path(), &["bench", "builtin:local-heartbeat"]));
    assert!(output.contains("uplink "), "{output}");
}

#[test]
fn bench_measures_the_steps_of_a_fixture_with_its_configuration() {
    let two = heartbeat(
        "expect = []\n[[step]]\nhook = \"from-mqtt\"\nmessage = { topic = \"a\", payload = 'x' }\nexpect = []",
    );
    let config = |key: &str| format!("config = {{ {key} = \"x/\" }}\n{two}");
    let dir = folder_with(&[("two.toml", &config("mountpoint")), ("odd.toml", &config("mountpont"))]);
    let bench =
        |arguments: &[&str]| transform(dir.path(), &[&["bench", "standard.wasm", "--fixture"][..], arguments].concat());
    let output = expect_code(0, &bench(&["fixtures/two.toml"]));
    let rows: Vec<_> = output.lines().filter(|line| line.contains(" µs")).collect();
    let [standard, first, second] = rows[..] else { panic!("{output}") };
    assert!(standard.starts_with("standard, to-mqtt ") && first.starts_with("step 1, to-mqtt "), "{output}");
    assert!(second.starts_with("step 2, from-mqtt ") && second.contains("it refuses the message"), "{output}");
    let output = expect_code(78, &bench(&["fixtures/odd.toml"]));
    assert!(output.contains("mountpont"), "{output}");
    expect_code(2, &bench(&["fixtures/two.toml", "--config", "fixtures/two.toml"]));
    expect_code(1, &bench(&["nowhere.toml"]));
}

#[test]
fn invalid_configuration_exits_with_78() {
    let dir = folder_with(&[]);
    fs::write(dir.path().join("config.toml"), "mountpont = \"x/\"").expect("written");
    for file in ["config.toml", "nowhere.toml"] {
        expect_code(78, &transform(dir.path(), &["bench", "standard.wasm", "--config", file]));
    }
}
