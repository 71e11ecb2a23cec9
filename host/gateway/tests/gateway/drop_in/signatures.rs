//! With keys in `[trust]`, drop-ins need signatures.

use super::{Directory, INTERPRETER, LIMITS, Site, adds};
use crate::trust::{signature_file, trusting};
use ocpp_gateway_pipeline::STANDARD;
use ocpp_gateway_testkit::component::another_version;
use ocpp_gateway_testkit::signing::SigningKey;
use std::fs;

impl Directory {
    fn sign(&self, name: &str, key: &SigningKey) {
        let file = self.file(name);
        let content = fs::read(&file).expect("read");
        fs::write(signature_file(&file), key.sign(content)).expect("written");
    }
}

/// A gateway that trusts the key.
async fn site(directory: &Directory, key: &SigningKey) -> Site {
    Site::start_with(&directory.config(&format!("{}{INTERPRETER}", trusting(&[key])))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn program_runs_once_the_right_signature_is_beside_it() {
    let directory = Directory::new();
    let (key, other) = (SigningKey::new(1), SigningKey::new(2));
    let mut site = site(&directory, &key).await;
    directory.write("10-one.jq", adds('a'));
    let page = site.until_said("10-one.jq may not run: it is not signed").await;
    assert!(page.contains(&key.public()), "{page}");
    let signature = signature_file(&directory.file("10-one.jq"));
    let right = key.sign(adds('a'));
    for (text, part) in [
        (other.sign(adds('a')), format!("signed with key {}", other.id())),
        (right[..100].to_owned(), "truncated".to_owned()),
        (key.sign(adds('b')), "does not match".to_owned()),
    ] {
        fs::write(&signature, text).expect("written");
        site.until_said(&part).await;
        assert_eq!(site.info().await, "", "{part}");
    }
    fs::write(&signature, right).expect("written");
    site.until_info("a").await;
    site.until_said("\"fault\": null").await;

    // The version that runs stays until the next one is signed.
    fs::write(directory.file("10-one.jq"), adds('b')).expect("written");
    site.until_said("does not match").await;
    assert_eq!(site.info().await, "a");
    directory.sign("10-one.jq", &key);
    site.until_info("b").await;
    fs::remove_file(&signature).expect("removed");
    site.until_said("it is not signed").await;
    assert_eq!(site.info().await, "b");
    site.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn component_needs_a_signature_and_its_settings_need_none() {
    let directory = Directory::new();
    let key = SigningKey::new(1);
    let site = site(&directory, &key).await;
    fs::write(directory.file("10-one.toml"), LIMITS).expect("written");
    fs::write(directory.file("10-one.wasm"), another_version(STANDARD, 0)).expect("written");
    site.until_said("10-one.wasm may not run: it is not signed").await;
    directory.sign("10-one.wasm", &key);
    site.until_said("\"fault\": null").await;
    let page = site.gateway.admin("/api/v1/transforms").await;
    assert!(page.contains("\"name\": \"one\""), "{page}");
    site.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_need_a_signature_if_they_contain_a_program() {
    let directory = Directory::new();
    let key = SigningKey::new(1);
    fs::write(directory.file("20-names.toml"), "component = \"builtin:local-heartbeat\"").expect("written");
    let mut site = site(&directory, &key).await;
    assert!(site.gateway.admin("/api/v1/transforms").await.contains("\"name\": \"names\""));
    let program = adds('a').replace('"', "\\\"");
    let settings = format!("component = \"builtin:jq\"\n{LIMITS}config.program = \"{program}\"");
    fs::write(directory.file("10-one.toml"), &settings).expect("written");
    site.until_said("10-one.toml: it is not signed").await;
    directory.sign("10-one.toml", &key);
    site.until_info("a").await;
    fs::write(directory.file("10-one.toml"), settings.replace("\\\"a\\\"", "\\\"b\\\"")).expect("written");
    site.until_said("10-one.toml: its signature with key").await;
    assert_eq!(site.info().await, "a");
    directory.sign("10-one.toml", &key);
    site.until_info("b").await;
    site.gateway.stop().await;
}
