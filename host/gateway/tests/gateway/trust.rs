//! Signatures of the files that the configuration names. Those of drop-ins are in `drop_in::signatures`.

use crate::{Running, configuration};
use ocpp_gateway::app::Gateway;
use ocpp_gateway_pipeline::STANDARD;
use ocpp_gateway_testkit::component::another_version;
use ocpp_gateway_testkit::signing::SigningKey;
use std::fs;
use std::path::{Path, PathBuf};

const FAILED: &str = r#"ocpp_gateway_transform_swaps_total{outcome="failed"}"#;
const SWAPPED: &str = r#"ocpp_gateway_transform_swaps_total{outcome="swapped"}"#;

/// `[trust]` with these keys.
pub(crate) fn trusting(keys: &[&SigningKey]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| key.public()).collect();
    format!("[trust]\nkeys = {keys:?}\n")
}

pub(crate) fn signature_file(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.minisig", path.display()))
}

fn mapping_from(key: &SigningKey, path: &Path) -> String {
    format!("{}[[transforms]]\nname = \"mine\"\ncomponent = {path:?}", trusting(&[key]))
}

async fn refusal(toml: &str) -> String {
    Gateway::start(&configuration(toml), None).await.err().expect("a refusal").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_does_not_start_with_a_file_that_the_key_has_not_signed() {
    let directory = tempfile::tempdir().expect("a directory");
    let (key, other) = (SigningKey::new(1), SigningKey::new(2));
    let component = directory.path().join("mine.wasm");
    fs::write(&component, STANDARD).expect("written");
    let toml = mapping_from(&key, &component);
    let signature = signature_file(&component);

    let unsigned = refusal(&toml).await;
    for part in ["mine.wasm may not run: it is not signed", &key.public(), "minisign -S"] {
        assert!(unsigned.contains(part), "{part}: {unsigned}");
    }
    let right = key.sign(STANDARD);
    for (text, part) in [
        (other.sign(STANDARD), format!("signed with key {}, and [trust] wants key {}", other.id(), key.id())),
        (key.sign("else"), format!("key {} does not match", key.id())),
        (right[..right.len() / 2].to_owned(), "truncated".to_owned()),
        (String::new(), "truncated".to_owned()),
        ("x".repeat((64 << 10) + 1), "more than 65536 bytes".to_owned()),
    ] {
        fs::write(&signature, text).expect("written");
        let refused = refusal(&toml).await;
        assert!(refused.contains(&part), "{part}: {refused}");
    }
    fs::remove_file(&signature).expect("removed");
    fs::create_dir(&signature).expect("a directory");
    let refused = refusal(&toml).await;
    assert!(refused.contains("mine.wasm.minisig: it is not a regular file"), "{refused}");
    fs::remove_dir(&signature).expect("removed");
    fs::write(&signature, right).expect("written");
    Running::start(&toml).await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn file_that_changes_runs_once_its_signature_has_changed_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = SigningKey::new(1);
    let component = directory.path().join("mine.wasm");
    fs::write(&component, STANDARD).expect("written");
    fs::write(signature_file(&component), key.sign(STANDARD)).expect("written");
    let toml = mapping_from(&key, &component);
    let gateway = Running::start(&toml).await;

    let next = another_version(STANDARD, 0);
    fs::write(&component, &next).expect("written");
    gateway.until(FAILED, 1.0).await;
    let list = gateway.admin("/api/v1/transforms").await;
    assert!(list.contains(&format!("key {} does not match", key.id())), "{list}");
    fs::write(signature_file(&component), key.sign(&next)).expect("written");
    gateway.until(SWAPPED, 1.0).await;
    assert!(!gateway.admin("/api/v1/transforms").await.contains("does not match"));

    // A version that runs is verified again when the configuration is read again.
    fs::remove_file(signature_file(&component)).expect("removed");
    gateway.hot_swap.reload(configuration(&toml));
    let list = gateway.admin("/api/v1/transforms").await;
    assert!(list.contains("it is not signed"), "{list}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn program_in_a_file_needs_a_signature_and_one_in_the_configuration_does_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = SigningKey::new(1);
    let program = directory.path().join("mine.jq");
    fs::write(&program, "def uplink: .;").expect("written");
    let toml = |config: &str| {
        let keys = trusting(&[&key]);
        format!("{keys}[[transforms]]\nname = \"mine\"\ncomponent = \"builtin:jq\"\nlimits.time = \"1s\"\n{config}")
    };
    let in_file = toml(&format!("config.file = {program:?}"));
    let refused = refusal(&in_file).await;
    assert!(refused.contains("mine.jq may not run: it is not signed"), "{refused}");
    fs::write(signature_file(&program), key.sign("def uplink: .;")).expect("written");
    for toml in [in_file, toml("config.program = \"def uplink: .;\"")] {
        Running::start(&toml).await.stop().await;
    }
}
