//! Messages that the gateway published and receives itself (echoes) are not treated as messages of a back end.

use crate::{Running, call_object, result_object};
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::guest;

const ECHOES: &str = "ocpp_gateway_echoes_total";

/// A mapping that subscribes to `#` and understands nothing (`guest-sdk/tests/guests/faulty.rs`).
#[tokio::test(flavor = "multi_thread")]
async fn echoed_reports_cause_no_further_reports() {
    let path = guest::build("faulty", env!("CARGO_TARGET_TMPDIR"));
    for version in [4, 5] {
        let transforms = format!("[[transforms]]\nname = \"faulty\"\ncomponent = {path:?}\n");
        let gateway = Running::start(&format!("[mqtt]\nversion = {version}\n{transforms}")).await;
        let mut back_end = BackEnd::listen(gateway.broker(), "up/#").await;
        let (mut one, _other) = (gateway.charge_point("ALL1").await, gateway.charge_point("ALL2").await);
        one.send(r#"[2,"1","DataTransfer",{"vendorId":"x"}]"#).await;
        assert_eq!(back_end.expect_on("up/ALL1").await, r#"{"vendorId":"x"}"#);
        back_end.publish("anything", "nonsense").await;
        // Each of the two charge points reports it.
        let topics = [back_end.message().await.0, back_end.message().await.0];
        assert!(topics.contains(&"up/ALL1".to_owned()) && topics.contains(&"up/ALL2".to_owned()), "{topics:?}");
        // Each of three publications is echoed to both charge points.
        gateway.until(ECHOES, 6.0).await;
        assert_eq!(gateway.metric("ocpp_gateway_mqtt_published_total").await, 3.0);
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn echoed_call_is_not_sent_to_its_charge_point() {
    let topics =
        "[transforms.config.uplink]\ntopic = \"both/${cid}\"\n[transforms.config.downlink]\ntopic = \"both/${cid}\"";
    let standard = format!("[[transforms]]\nname = \"standard\"\ncomponent = \"builtin:standard\"\n{topics}\n");
    let gateway = Running::start(&standard).await;
    let mut back_end = BackEnd::listen(gateway.broker(), "ocpp/both/#").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    // More than the number of recent publications that are remembered.
    for id in 1..=10 {
        let id = id.to_string();
        charge_point.send(&format!(r#"[2,"{id}","Heartbeat",{{}}]"#)).await;
        assert_eq!(back_end.expect_on("ocpp/both/CP1").await, call_object(&id, "Heartbeat", "{}"));
        let answer = result_object(&id, "{}");
        back_end.publish("ocpp/both/CP1", answer.as_str()).await;
        assert_eq!(back_end.expect_on("ocpp/both/CP1").await, answer);
        assert_eq!(charge_point.text().await, format!(r#"[3,"{id}",{{}}]"#));
    }
    assert_eq!(gateway.metric(ECHOES).await, 10.0);
    gateway.stop().await;
}
