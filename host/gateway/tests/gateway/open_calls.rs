//! Several open CALLs of one charge point, duplicates, dropped CALLs, and the state kept over a reconnect.

use crate::transforms::transform;
use crate::{Running, call_object, result_object};
use std::collections::BTreeSet;

fn status(id: &str) -> String {
    format!(r#"[2,"{id}","StatusNotification",{{"connectorId":1,"errorCode":"NoError","status":"Available"}}]"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_nine_calls_gets_nine_results() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"boot","BootNotification",{"chargePointVendor":"v","chargePointModel":"m"}]"#).await;
    for connector in 1..9 {
        charge_point.send(&status(&connector.to_string())).await;
    }
    let mut ids = Vec::new();
    for _ in 0..9 {
        let call: serde_json::Value = serde_json::from_str(&back_end.expect_on("ocpp/cp/CP1").await).expect("JSON");
        ids.push(call["UniqueId"].as_str().expect("an id").to_owned());
    }
    assert_eq!(ids, ["boot", "1", "2", "3", "4", "5", "6", "7", "8"], "in the order of arrival");
    for id in ids.iter().rev() {
        back_end.publish("ocpp/cs/CP1", result_object(id, "{}")).await;
    }
    for id in ids.iter().rev() {
        assert_eq!(charge_point.text().await, format!(r#"[3,"{id}",{{}}]"#));
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_over_the_limit_are_held_back_and_all_answered() {
    let gateway = Running::start("[ocpp]\nopen_calls = 2").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    for id in 0..50 {
        charge_point.send(&status(&id.to_string())).await;
    }
    let mut open = BTreeSet::new();
    for answered in 0..50 {
        while open.len() < 2 && answered + open.len() < 50 {
            let call: serde_json::Value = serde_json::from_str(&back_end.expect_on("ocpp/cp/CP1").await).expect("JSON");
            open.insert(call["UniqueId"].as_str().expect("an id").to_owned());
        }
        let page = gateway.admin("/api/v1/charge-points/CP1").await;
        assert!(page.matches("StatusNotification").count() <= 2, "{page}");
        let id = open.pop_last().expect("one that is open");
        back_end.publish("ocpp/cs/CP1", result_object(&id, "{}")).await;
        assert_eq!(charge_point.text().await, format!(r#"[3,"{id}",{{}}]"#));
    }
    assert!(gateway.metric(r#"ocpp_gateway_limited_total{limit="open_calls"}"#).await > 0.0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn call_with_an_open_id_is_forwarded_after_the_answer() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let start = r#"[2,"7","StartTransaction",{"meterStart":1}]"#;
    charge_point.send(start).await;
    charge_point.send(start).await;
    charge_point.send(r#"[2,"7","StopTransaction",{"meterStop":2}]"#).await;
    assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object("7", "StartTransaction", r#"{"meterStart":1}"#));
    gateway.until(r#"ocpp_gateway_incidents_total{direction="uplink",cause="duplicate"}"#, 1.0).await;
    gateway.until(r#"ocpp_gateway_incidents_total{direction="uplink",cause="id_in_use"}"#, 1.0).await;
    back_end.publish("ocpp/cs/CP1", result_object("7", r#"{"transactionId":1}"#)).await;
    assert_eq!(charge_point.text().await, r#"[3,"7",{"transactionId":1}]"#);
    assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object("7", "StopTransaction", r#"{"meterStop":2}"#));
    back_end.publish("ocpp/cs/CP1", result_object("7", "{}")).await;
    assert_eq!(charge_point.text().await, r#"[3,"7",{}]"#);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_with_unusual_ids_are_answered() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let braces = r#""{01234567-89ab-cdef-0123-456789abcdef}""#;
    let longest = format!("\"{}\"", "x".repeat(255));
    for sent in [braces, &longest, "17"] {
        charge_point.send(&format!("\u{feff}[2,{sent},\"Heartbeat\",{{}}]")).await;
        let id = sent.trim_matches('"');
        assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object(id, "Heartbeat", "{}"));
        back_end.publish("ocpp/cs/CP1", result_object(id, "{}")).await;
        assert_eq!(charge_point.text().await, format!("[3,{sent},{{}}]"));
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_ends_at_once() {
    for hook in ["uplink", "outbound"] {
        let gateway = Running::start(&(transform(hook, "drop", "") + "[ocpp]\nopen_calls = 1")).await;
        let mut charge_point = gateway.charge_point("BAD1").await;
        for id in 0..20 {
            charge_point.send(&status(&id.to_string())).await;
        }
        let dropped = r#"ocpp_gateway_calls_total{direction="uplink",action="StatusNotification",outcome="dropped"}"#;
        gateway.until(dropped, 20.0).await;
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeat_interval_is_kept_for_later_connections() {
    // The configured interval is long, so that only the interval of the BootNotification response closes in time.
    let gateway = Running::start("[ocpp]\nping_interval = \"0s\"\nheartbeat_interval = \"1h\"").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"b","BootNotification",{}]"#).await;
    back_end.message().await;
    back_end.publish("ocpp/cs/CP1", result_object("b", r#"{"status":"Accepted","interval":1}"#)).await;
    charge_point.text().await;
    charge_point.close().await;
    let mut again = gateway.charge_point("CP1").await;
    assert_eq!(again.closed().await.map(|(code, _)| code), Some(1008), "silent for twice the interval");
    let mut other = gateway.charge_point("CP2").await;
    other.send(&status("1")).await;
    back_end.message().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn back_end_that_answers_every_message_causes_no_endless_loop() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let _charge_point = gateway.charge_point("CP1").await;
    back_end.publish("ocpp/cs/CP1", result_object("1", "{}")).await;
    let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
    assert!(report.contains(r#""UniqueId":"1""#), "{report}");
    back_end.publish("ocpp/cs/CP1", report).await;
    back_end.publish("ocpp/cs/CP1", result_object("1", "{}")).await;
    back_end.publish("ocpp/cs/CP1", result_object("2", "{}")).await;
    let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
    assert!(report.contains(r#""UniqueId":"2""#), "neither the error nor the repeat is reported: {report}");
    gateway.stop().await;
}
