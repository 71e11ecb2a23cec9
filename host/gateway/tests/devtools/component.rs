//! Looking at components, and running their fixtures.

use super::{expect_code, transform};
use ocpp_gateway_guest_build::GuestCrate;
use ocpp_gateway_pipeline::STANDARD;
use std::fs;
use std::path::Path;

/// A folder with the built-in mapping in it as `standard.wasm`, and with these cases.
fn desk(cases: &[(&str, &str)]) -> tempfile::TempDir {
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

/// Every ready-made transform does in the engine of the gateway what its fixtures say.
#[test]
fn the_fixtures_of_the_ready_made_transforms_pass() {
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
        fs::write(&component, guest.build().expect("it builds")).expect("written");
        let fixtures = fixtures.display().to_string();
        let component = component.display().to_string();
        let said = expect_code(0, &transform(&dir, &["test", &component, "--fixtures", &fixtures]));
        assert!(said.contains(" passed, 0 failed") && !said.contains("compiled components"), "{name}: {said}");
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
}

#[test]
fn a_case_that_fails_shows_the_difference() {
    let right = r#"expect = [{ publish = { topic = "ocpp/cp/CP1", payload = '{"MessageTypeId":2,"UniqueId":"1","Action":"Heartbeat","Payload":{}}' } }]"#;
    let right = heartbeat(right);
    let wrong = right.replace("ocpp/cp", "ocpp/cs");
    let dir = desk(&[("right.toml", &right), ("wrong.toml", &wrong)]);
    let said = expect_code(1, &transform(dir.path(), &["test", "standard.wasm"]));
    for line in ["wrong.toml", "A Heartbeat.", "step 1, to-mqtt", "- ", "ocpp/cs/CP1", "1 passed, 1 failed"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("right.toml"), "{said}");
}

#[test]
fn a_case_that_cannot_be_read_is_named_with_its_place() {
    let dir = desk(&[("odd.toml", &heartbeat("expcet = []"))]);
    let said = expect_code(1, &transform(dir.path(), &["test", "standard.wasm"]));
    assert!(said.contains("odd.toml") && said.contains("line 5") && said.contains("expcet"), "{said}");
}

#[test]
fn a_configuration_that_is_refused_fails_the_case() {
    let case = format!("config = {{ mountpont = \"x/\" }}\n{}", heartbeat("expect = []"));
    let dir = desk(&[("config.toml", &case)]);
    let said = expect_code(1, &transform(dir.path(), &["test", "standard.wasm"]));
    assert!(said.contains("refuses its configuration") && said.contains("mountpont"), "{said}");
}

#[test]
fn the_memory_limit_binds() {
    let dir = desk(&[("a.toml", &heartbeat("expect = []"))]);
    let said = expect_code(1, &transform(dir.path(), &["test", "standard.wasm", "--memory", "64KiB"]));
    assert!(said.contains("of memory, where 65536 are allowed"), "{said}");
}

#[test]
fn no_cases_is_a_failure() {
    let dir = desk(&[]);
    let said = expect_code(1, &transform(dir.path(), &["test", "standard.wasm"]));
    assert!(said.contains("no cases"), "{said}");
    expect_code(1, &transform(dir.path(), &["test", "nowhere.wasm"]));
}

#[test]
fn inspect_says_what_a_component_is() {
    let dir = desk(&[]);
    let said = expect_code(0, &transform(dir.path(), &["inspect", "standard.wasm"]));
    let size = format!("{} bytes", STANDARD.len());
    for line in ["ocpp-transform-standard 0.1.0", &size, "1.0.0", "mapping", "ocpp-gateway:transform/log@1.0.0"] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

#[test]
fn inspect_says_what_would_be_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let core_module = b"\0asm\x01\0\0\0";
    for (bytes, why) in [(&core_module[..], "a core module"), (b"hello, world", "not WebAssembly at all")] {
        fs::write(dir.path().join("odd.wasm"), bytes).expect("written");
        let said = expect_code(1, &transform(dir.path(), &["inspect", "odd.wasm"]));
        assert!(said.contains("REFUSED") && said.contains(why), "{said}");
    }
}

#[test]
fn bench_measures_each_hook() {
    let dir = desk(&[]);
    let said = expect_code(0, &transform(dir.path(), &["bench", "standard.wasm"]));
    for row in ["standard, to-mqtt", "from-mqtt", "subscriptions"] {
        assert!(said.contains(row), "{row}: {said}");
    }
}

#[test]
fn a_configuration_that_cannot_be_used_is_78() {
    let dir = desk(&[]);
    fs::write(dir.path().join("config.toml"), "mountpont = \"x/\"").expect("written");
    for file in ["config.toml", "nowhere.toml"] {
        expect_code(78, &transform(dir.path(), &["bench", "standard.wasm", "--config", file]));
    }
}
