//! The README's tutorial, and its precondition: payloads pass unchanged, byte for byte.

use crate::{Running, call_object, result_object};

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_point_boots_and_reports_its_status() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("chargePointSim").await;
    let payload = r#"{"chargePointVendor":"vendor1","chargePointModel":"model1"}"#;
    charge_point.send(&format!(r#"[2,"1200012677","BootNotification",{payload}]"#)).await;
    let seen = back_end.expect_on("ocpp/cp/chargePointSim").await;
    assert_eq!(seen, call_object("1200012677", "BootNotification", payload));

    let answer = r#"{"MessageTypeId":3,"UniqueId":"1200012677","Payload":{"currentTime":"2023-12-01T14:20:39+00:00","interval":300,"status":"Accepted"},"Action":"BootNotification"}"#;
    back_end.publish("ocpp/cs/chargePointSim", answer).await;
    assert_eq!(
        charge_point.text().await,
        r#"[3,"1200012677",{"currentTime":"2023-12-01T14:20:39+00:00","interval":300,"status":"Accepted"}]"#
    );

    charge_point
        .send(r#"[2,"2","StatusNotification",{"connectorId":0,"errorCode":"NoError","status":"Available"}]"#)
        .await;
    assert!(back_end.expect_on("ocpp/cp/chargePointSim").await.contains("StatusNotification"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_pass_byte_for_byte_in_both_directions() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let odd = "{\"z\":1.50, \"a\" : 1e3,\"n\":-0.0,\"big\":12345678901234567890.123,\"u\":\"\\u00e9é\\/\",\"e\":{},\"l\":[ ] }";

    charge_point.send(&format!(r#"[2,"1","DataTransfer",{odd}]"#)).await;
    assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object("1", "DataTransfer", odd));
    back_end.publish("ocpp/cs/CP1", result_object("1", odd)).await;
    assert_eq!(charge_point.text().await, format!(r#"[3,"1",{odd}]"#));

    back_end.publish("ocpp/cs/CP1", call_object("2", "DataTransfer", odd)).await;
    assert_eq!(charge_point.text().await, format!(r#"[2,"2","DataTransfer",{odd}]"#));
    charge_point.send(&format!(r#"[3,"2",{odd}]"#)).await;
    assert_eq!(back_end.expect_on("ocpp/cp/CP1/Reply").await, result_object("2", odd));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_pass_in_both_directions() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;

    back_end.publish("ocpp/cs/CP1", call_object("1", "Reset", "{}")).await;
    charge_point.text().await;
    charge_point.send(r#"[4,"1","NotSupported","not this one",{"why":1}]"#).await;
    assert_eq!(
        back_end.expect_on("ocpp/cp/CP1/Reply").await,
        r#"{"MessageTypeId":4,"UniqueId":"1","ErrorCode":"NotSupported","ErrorDescription":"not this one","ErrorDetails":{"why":1}}"#
    );

    charge_point.send(r#"[2,"2","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    let error = r#"{"MessageTypeId":4,"UniqueId":"2","ErrorCode":"InternalError","ErrorDescription":"no \"luck\""}"#;
    back_end.publish("ocpp/cs/CP1", error).await;
    assert_eq!(charge_point.text().await, r#"[4,"2","InternalError","no \"luck\"",{}]"#);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payload_of_one_megabyte_passes() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let large = format!(r#"{{"data":"{}"}}"#, "x".repeat(1_000_000));
    charge_point.send(&format!(r#"[2,"1","DataTransfer",{large}]"#)).await;
    assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object("1", "DataTransfer", &large));
    back_end.publish("ocpp/cs/CP1", result_object("1", &large)).await;
    assert_eq!(charge_point.text().await, format!(r#"[3,"1",{large}]"#));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ocpp_2_1_send_is_forwarded_and_not_answered() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point_of("CP1", "ocpp2.1").await;
    charge_point.send(r#"[6,"s1","NotifyPeriodicEventStream",{"id":7}]"#).await;
    assert_eq!(
        back_end.expect_on("ocpp/cp/CP1").await,
        r#"{"MessageTypeId":6,"UniqueId":"s1","Action":"NotifyPeriodicEventStream","Payload":{"id":7}}"#
    );
    charge_point.send(r#"[2,"h1","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    back_end.publish("ocpp/cs/CP1", result_object("h1", "{}")).await;
    assert_eq!(charge_point.text().await, r#"[3,"h1",{}]"#);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_follow_the_configuration_of_the_mapping() {
    let toml = r#"
        [[transforms]]
        name = "standard"
        component = "builtin:standard"
        [transforms.config]
        mountpoint = "site-7/"
        [transforms.config.uplink]
        topic = "up/${clientid}/${action}"
        reply_topic = "up/${cid}/reply/${id}"
        topic_overrides = { Heartbeat = "beats/${cid}" }
        [transforms.config.downlink]
        topic = "down/${cid}"
    "#;
    let gateway = Running::start(toml).await;
    let mut back_end = ocpp_gateway_testkit::back_end::BackEnd::listen(gateway.broker(), "site-7/#").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"1","Authorize",{}]"#).await;
    back_end.expect_on("site-7/up/CP1/Authorize").await;
    back_end.publish("site-7/down/CP1", result_object("1", "{}")).await;
    back_end.expect_on("site-7/down/CP1").await;
    charge_point.text().await;
    charge_point.send(r#"[2,"2","Heartbeat",{}]"#).await;
    back_end.expect_on("site-7/beats/CP1").await;
    back_end.publish("site-7/down/CP1", call_object("3", "Reset", "{}")).await;
    back_end.expect_on("site-7/down/CP1").await;
    charge_point.text().await;
    charge_point.send(r#"[3,"3",{}]"#).await;
    back_end.expect_on("site-7/up/CP1/reply/3").await;
    gateway.stop().await;
}
