//! Hot swap of components under traffic.

use crate::{Running, configuration};
use ocpp_gateway_pipeline::STANDARD;
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::component::another_version;
use ocpp_gateway_testkit::guest;
use std::path::Path;
use tempfile::TempDir;
use tokio::time::timeout;

/// The standard mapping as a component with another hash.
fn another_standard(number: u8) -> Vec<u8> {
    another_version(STANDARD, number)
}

fn mapping_from(path: &Path) -> String {
    format!("[[transforms]]\nname = \"mine\"\ncomponent = {path:?}")
}

/// A gateway that loads its mapping from a file in the returned directory.
async fn with_file() -> (Running, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("mine.wasm");
    std::fs::write(&path, STANDARD).expect("written");
    (Running::start(&mapping_from(&path)).await, directory)
}

async fn wait_for_metric(gateway: &Running, metric: &str, value: f64) {
    let reached = async {
        while !gateway.admin("/metrics").await.contains(&format!("{metric} {value}")) {
            crate::pause().await;
        }
    };
    timeout(TIMEOUT, reached).await.unwrap_or_else(|_| panic!("{metric} never became {value}"));
}

/// Alternates two components a thousand times while charge point and back end send messages that have no answer (SEND,
/// OCPP 2.1), so that no open CALL delays them. Each message arrives once, in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_swaps_lose_and_reorder_nothing() {
    const SWAPS: u32 = 1000;
    let (gateway, _directory) = with_file().await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point_of("CP1", "ocpp2.1").await;
    let components = [another_standard(0), another_standard(1)];

    let swapping = async {
        for number in 0..SWAPS {
            let component = &components[number as usize % 2];
            let answer = gateway.request("PUT", "/api/v1/transforms/mine", component).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    };
    let (done, mut swapped) = tokio::sync::watch::channel(false);
    let messaging = async {
        let mut sent = 0_u32;
        while !*swapped.borrow_and_update() {
            charge_point.send(&format!(r#"[6,"{sent}","NotifyPeriodicEventStream",{{}}]"#)).await;
            let text = format!(
                r#"{{"MessageTypeId":6,"UniqueId":"{sent}","Action":"NotifyWebPaymentStarted","Payload":{{}}}}"#
            );
            back_end.publish("ocpp/cs/CP1", text).await;
            let up = back_end.expect_on("ocpp/cp/CP1").await;
            assert!(up.contains(&format!(r#""UniqueId":"{sent}""#)), "{sent}: {up}");
            assert_eq!(charge_point.text().await, format!(r#"[6,"{sent}","NotifyWebPaymentStarted",{{}}]"#));
            sent += 1;
        }
        sent
    };
    let ((), sent) = tokio::join!(
        async {
            swapping.await;
            done.send_replace(true);
        },
        messaging
    );
    assert!(sent > 0);
    let swapped = gateway.metric(r#"ocpp_gateway_transform_swaps_total{outcome="swapped"}"#).await;
    assert_eq!(swapped, f64::from(SWAPS));
    assert_eq!(gateway.metric("ocpp_gateway_mqtt_unrouted_total").await, 0.0);
    assert!(!gateway.admin("/metrics").await.contains("ocpp_gateway_mqtt_lost_total{"));
    gateway.stop().await;
}

/// The sender does not wait for its messages to arrive.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_not_disturbed_by_swaps() {
    const MESSAGES: u32 = 5000;
    let (gateway, _directory) = with_file().await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point_of("CP1", "ocpp2.1").await;
    let streaming = tokio::spawn(async move {
        for number in 0..MESSAGES {
            charge_point.send(&format!(r#"[6,"{number}","NotifyPeriodicEventStream",{{}}]"#)).await;
        }
        charge_point
    });
    let components = [another_standard(0), another_standard(1)];
    let mut swaps = 0;
    for number in 0..MESSAGES {
        let up = back_end.expect_on("ocpp/cp/CP1").await;
        assert!(up.contains(&format!(r#""UniqueId":"{number}""#)), "{number}: {up}");
        if number % 100 == 0 {
            let component = &components[swaps % 2];
            let answer = gateway.request("PUT", "/api/v1/transforms/mine", component).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            swaps += 1;
        }
    }
    streaming.await.expect("no panic").close().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_component_is_refused_with_the_reason_and_the_old_one_stays() {
    let (gateway, _directory) = with_file().await;
    let wrong = gateway.request("PUT", "/api/v1/transforms/mine", b"no component at all").await;
    assert!(wrong.starts_with("HTTP/1.1 422") && wrong.contains("not WebAssembly at all"), "{wrong}");
    let list = gateway.admin("/api/v1/transforms").await;
    assert!(list.contains(r#""name": "mine""#) && list.contains("not WebAssembly at all"), "{list}");
    assert_eq!(gateway.metric(r#"ocpp_gateway_transform_swaps_total{outcome="failed"}"#).await, 1.0);

    let unknown = gateway.request("PUT", "/api/v1/transforms/yours", &another_standard(0)).await;
    assert!(unknown.starts_with("HTTP/1.1 404"), "{unknown}");

    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    gateway.stop().await;
}

/// A case for the standard mapping: where a Heartbeat goes.
fn heartbeat_goes_to(topic: &str) -> String {
    let payload = crate::call_object("1", "Heartbeat", "{}");
    let step = "[[step]]\nhook = \"to-mqtt\"\nframe = '[2,\"1\",\"Heartbeat\",{}]'";
    format!(
        "about = \"A Heartbeat.\"\n{step}\nexpect = [{{ publish = {{ topic = {topic:?}, payload = '{payload}' }} }}]"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn component_that_fails_its_samples_is_refused() {
    let samples = tempfile::tempdir().expect("a directory");
    let case = samples.path().join("heartbeat.toml");
    std::fs::write(&case, heartbeat_goes_to("ocpp/cp/CP1")).expect("written");
    let toml = format!("{}\nsamples = {:?}", mounted_at("site/").replace("[transforms.config]", ""), samples.path());
    // Cases bring their own settings; this one has none.
    let toml = toml.replace("mountpoint = \"site/\"", "config = { mountpoint = \"site/\" }");
    let gateway = Running::start(&toml).await;
    let accepted = gateway.request("PUT", "/api/v1/transforms/standard", &another_standard(0)).await;
    assert!(accepted.starts_with("HTTP/1.1 200"), "{accepted}");

    std::fs::write(&case, heartbeat_goes_to("elsewhere")).expect("written");
    let refused = gateway.request("PUT", "/api/v1/transforms/standard", &another_standard(1)).await;
    assert!(refused.starts_with("HTTP/1.1 422"), "{refused}");
    for part in ["heartbeat.toml", "A Heartbeat.", "step 1, to-mqtt", "elsewhere", "ocpp/cp/CP1"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    std::fs::remove_file(&case).expect("removed");
    let refused = gateway.request("PUT", "/api/v1/transforms/standard", &another_standard(1)).await;
    assert!(refused.starts_with("HTTP/1.1 422") && refused.contains("there are no cases"), "{refused}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn previous_version_can_be_restored() {
    let (gateway, _directory) = with_file().await;
    let none = gateway.request("POST", "/api/v1/transforms/mine/rollback", &[]).await;
    assert!(none.starts_with("HTTP/1.1 409"), "{none}");
    let put = gateway.request("PUT", "/api/v1/transforms/mine", &another_standard(0)).await;
    assert!(put.contains(&format!("upload of {} bytes", another_standard(0).len())), "{put}");
    let back = gateway.request("POST", "/api/v1/transforms/mine/rollback", &[]).await;
    assert!(back.starts_with("HTTP/1.1 200") && back.contains("mine.wasm"), "{back}");
    assert_eq!(gateway.metric(r#"ocpp_gateway_transform_swaps_total{outcome="rolled_back"}"#).await, 1.0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_component_file_is_loaded() {
    let (gateway, directory) = with_file().await;
    let (file, beside) = (directory.path().join("mine.wasm"), directory.path().join("new.wasm"));
    std::fs::write(&file, another_standard(0)).expect("written");
    wait_for_metric(&gateway, r#"ocpp_gateway_transform_swaps_total{outcome="swapped"}"#, 1.0).await;
    std::fs::write(&beside, another_standard(1)).expect("written");
    std::fs::rename(&beside, &file).expect("moved");
    wait_for_metric(&gateway, r#"ocpp_gateway_transform_swaps_total{outcome="swapped"}"#, 2.0).await;
    std::fs::write(&file, b"half of it").expect("written");
    wait_for_metric(&gateway, r#"ocpp_gateway_transform_swaps_total{outcome="failed"}"#, 1.0).await;
    gateway.stop().await;
}

/// The standard mapping with this mount point.
fn mounted_at(mountpoint: &str) -> String {
    let transform = "[[transforms]]\nname = \"standard\"\ncomponent = \"builtin:standard\"";
    format!("{transform}\n[transforms.config]\nmountpoint = \"{mountpoint}\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn connected_charge_points_change_their_topics() {
    let gateway = Running::start(&mounted_at("ocpp/")).await;
    let back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point_of("CP1", "ocpp2.1").await;
    back_end.publish("ocpp/cs/CP1", crate::call_object("1", "Reset", "{}")).await;
    assert_eq!(charge_point.text().await, r#"[2,"1","Reset",{}]"#);
    charge_point.send(r#"[3,"1",{}]"#).await;

    gateway.hot_swap.reload(configuration(&mounted_at("site/")));
    // Both topics are subscribed for a moment, then only the new one.
    let moving = async {
        let mut number = 2;
        loop {
            back_end.publish("site/cs/CP1", crate::call_object(&number.to_string(), "Reset", "{}")).await;
            let received = tokio::time::timeout(std::time::Duration::from_millis(200), charge_point.text()).await;
            if received.is_ok() {
                break;
            }
            number += 1;
        }
    };
    timeout(TIMEOUT, moving).await.expect("on the new topic");
    wait_for_metric(&gateway, "ocpp_gateway_mqtt_subscriptions", 1.0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_a_fault_changes_nothing() {
    let (gateway, directory) = with_file().await;
    gateway.hot_swap.reload(configuration(&mapping_from(Path::new("/nowhere/at/all.wasm"))));
    assert_eq!(gateway.metric(r#"ocpp_gateway_transform_swaps_total{outcome="failed"}"#).await, 1.0);
    let shown = gateway.admin("/api/v1/transforms").await;
    assert!(shown.contains("mine.wasm") && shown.contains("the component cannot be read"), "{shown}");
    gateway.hot_swap.reload(configuration(&mapping_from(&directory.path().join("mine.wasm"))));
    let shown = gateway.admin("/api/v1/transforms").await;
    assert!(shown.contains(r#""last_fault": null"#), "{shown}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_component_file_is_loaded_by_both_its_transforms() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("both.wasm");
    let every_hook = guest::build("every_hook", env!("CARGO_TARGET_TMPDIR"));
    std::fs::copy(&every_hook, &path).expect("copied");
    let transform = |name: &str| {
        let config = "{ hook = \"uplink\", does = \"pass\" }";
        format!("[[transforms]]\nname = {name:?}\ncomponent = {path:?}\nconfig = {config}\n")
    };
    let gateway = Running::start(&(transform("one") + &transform("two"))).await;
    let other = another_version(&std::fs::read(&every_hook).expect("read"), 0);
    std::fs::write(&path, other).expect("written");
    wait_for_metric(&gateway, r#"ocpp_gateway_transform_swaps_total{outcome="swapped"}"#, 2.0).await;
    gateway.stop().await;
}
