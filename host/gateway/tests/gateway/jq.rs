//! `builtin:jq`: a program from a file, replaced while the gateway runs.

use super::Running;
use super::call_object;
use std::path::Path;

const SWAPPED: &str = r#"ocpp_gateway_transform_swaps_total{outcome="swapped"}"#;
const FAILED: &str = r#"ocpp_gateway_transform_swaps_total{outcome="failed"}"#;

/// A chain with the program of this file. It allows what a debug build needs to start an interpreter.
fn with_program(file: &Path) -> String {
    format!(
        "[[transforms]]\nname = \"quirk\"\ncomponent = \"builtin:jq\"\nlimits = {{ time = \"1s\" }}\n\
         [transforms.config]\nfile = {file:?}"
    )
}

/// A program that replaces a misspelt status.
fn status_is(status: &str) -> String {
    format!(r#"def uplink: if .payload.status == "Occuppied" then .payload.status = "{status}" end;"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_program_file_is_in_force_for_the_next_message() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("quirk.jq");
    std::fs::write(&file, status_is("Occupied")).expect("written");
    let gateway = Running::start(&with_program(&file)).await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let mut send = async |id: &str| {
        charge_point.send(&format!(r#"[2,"{id}","StatusNotification",{{"status":"Occuppied"}}]"#)).await;
        back_end.expect_on("ocpp/cp/CP1").await
    };
    assert_eq!(send("1").await, call_object("1", "StatusNotification", r#"{"status":"Occupied"}"#));

    std::fs::write(&file, status_is("Charging")).expect("written");
    gateway.until(SWAPPED, 1.0).await;
    assert_eq!(send("2").await, call_object("2", "StatusNotification", r#"{"status":"Charging"}"#));

    // A program that does not compile changes nothing, and the API says why.
    std::fs::write(&file, "def uplink: if .payload;\n").expect("written");
    gateway.until(FAILED, 1.0).await;
    assert_eq!(send("3").await, call_object("3", "StatusNotification", r#"{"status":"Charging"}"#));
    let page = gateway.admin("/api/v1/transforms").await;
    assert!(page.contains("line 1") && page.contains("def uplink: if .payload;"), "{page}");

    let back = gateway.request("POST", "/api/v1/transforms/quirk/rollback", &[]).await;
    assert!(back.starts_with("HTTP/1.1 200"), "{back}");
    assert_eq!(send("4").await, call_object("4", "StatusNotification", r#"{"status":"Occupied"}"#));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn program_file_has_to_pass_the_samples() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, samples) = (directory.path().join("quirk.jq"), directory.path().join("fixtures"));
    std::fs::create_dir(&samples).expect("a directory");
    // The case has no program of its own: it is for the file.
    let case = "about = \"A status.\"\n[[step]]\nhook = \"uplink\"\n\
                frame = '[2,\"1\",\"StatusNotification\",{\"status\":\"Occuppied\"}]'\n\
                expect = [{ replace = '[2,\"1\",\"StatusNotification\",{\"status\":\"Occupied\"}]' }]\n";
    std::fs::write(samples.join("status.toml"), case).expect("written");
    std::fs::write(&file, status_is("Occupied")).expect("written");
    let configuration =
        with_program(&file).replace("[transforms.config]", &format!("samples = {samples:?}\n[transforms.config]"));
    let gateway = Running::start(&configuration).await;

    std::fs::write(&file, status_is("Charging")).expect("written");
    gateway.until(FAILED, 1.0).await;
    let page = gateway.admin("/api/v1/transforms").await;
    assert!(page.contains("fails on its own samples") && page.contains("status.toml"), "{page}");
    std::fs::write(&file, format!("# Another.\n{}", status_is("Occupied"))).expect("written");
    gateway.until(SWAPPED, 1.0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn program_without_to_mqtt_is_no_mapping_and_one_with_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("mapping.jq");
    std::fs::write(&file, "def uplink: .;").expect("written");
    let gateway = Running::start(&with_program(&file)).await;
    let page = gateway.admin("/api/v1/transforms").await;
    assert!(page.contains("builtin:standard"), "{page}");
    gateway.stop().await;

    let mapping = r#"def subscriptions: "down/\(.charge_point.id)";
                     def to_mqtt: {topic: "up/\(.charge_point.id)/\(.action)", payload: .payload};
                     def from_mqtt: empty;"#;
    std::fs::write(&file, mapping).expect("written");
    let gateway = Running::start(&with_program(&file)).await;
    let page = gateway.admin("/api/v1/transforms").await;
    assert!(!page.contains("builtin:standard"), "{page}");
    let mut back_end = ocpp_gateway_testkit::back_end::BackEnd::listen(gateway.broker(), "up/#").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    assert_eq!(back_end.expect_on("up/CP1/Heartbeat").await, "{}");
    gateway.stop().await;
}
