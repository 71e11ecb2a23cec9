//! `transform inspect`, `bench` and `test`: components and their fixtures.

use super::{expect_code, transform};
use ocpp_gateway_guest_build::GuestCrate;
use ocpp_gateway_pipeline::STANDARD;
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

/// Runs the fixtures of every ready-made transform in the gateway's engine.
#[test]
fn fixtures_of_the_ready_made_transforms_pass() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out = tempfile::tempdir().expect("a folder");
    let mut seen = 0;
    for entry in fs::read_dir(workspace.join("transforms")).expect("transforms") {
        let dir = entry.expect("an entry").path();
        let fixtures = dir.join("fixtures");
        if !fixtures.is_dir() {
            continue;
        }
        let name = dir.file_name().expect("a name").to_string_lossy().into_owned();
        let package = format!("ocpp-transform-{name}");
        let guest = GuestCrate {
            manifest: &workspace.join("Cargo.toml"),
            target_dir: &Path::new(env!("CARGO_TARGET_TMPDIR")).join("transforms"),
            args: &["--locked", "--quiet", "--lib", "--package", &package],
            module: &format!("{}.wasm", package.replace('-', "_")),
        };
        let component = out.path().join(&name).with_extension("wasm");
        fs::write(&component, guest.build().expect("built")).expect("written");
        let fixtures = fixtures.display().to_string();
        let component = component.display().to_string();
        let output = expect_code(0, &transform(&dir, &["test", &component, "--fixtures", &fixtures]));
        assert!(output.contains(" passed, 0 failed") && !output.contains("compiled components"), "{name}: {output}");
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
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
}

#[test]
fn invalid_configuration_exits_with_78() {
    let dir = folder_with(&[]);
    fs::write(dir.path().join("config.toml"), "mountpont = \"x/\"").expect("written");
    for file in ["config.toml", "nowhere.toml"] {
        expect_code(78, &transform(dir.path(), &["bench", "standard.wasm", "--config", file]));
    }
}
