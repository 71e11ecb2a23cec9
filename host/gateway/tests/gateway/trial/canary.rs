//! Which charge points a canary serves.

use super::{CALLS, Calls, QUIRK, STANDARD, WITH_QUIRK, end, mounted, program, promote, shown, started, until};
use crate::admin::{ask, event, get, open};
use crate::problems::{assert_says, problems};
use crate::{Running, call_object, result_object};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::back_end::BackEnd;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn canary_serves_its_charge_points_and_no_others() {
    let gateway = Running::start("").await;
    let mut calls = Calls::new(&gateway).await;
    let (mut own, mut other) = (gateway.charge_point("ACME-1").await, gateway.charge_point("CP1").await);
    // A CALL that is open at the start is answered on its own topics.
    let (open_call, _) = calls.send(&mut own, "ACME-1").await;
    let trial = started(&gateway, STANDARD, "mode=canary&charge_points=ACME-*", mounted("site")).await;
    assert_eq!((&trial["connected"], &trial["selected"]), (&json!(2), &json!(1)), "{trial}");
    calls.answer(&mut own, "ACME-1", &open_call, "ocpp").await;
    calls.until_under(&mut own, "ACME-1", "site").await;
    for _ in 0..3 {
        assert_eq!(calls.call(&mut own, "ACME-1").await, "site");
        assert_eq!(calls.call(&mut other, "CP1").await, "ocpp");
    }
    // One that connects meanwhile has its topics from the beginning.
    let mut late = gateway.charge_point("ACME-2").await;
    assert_eq!(calls.call(&mut late, "ACME-2").await, "site");
    let mut late_other = gateway.charge_point("CP2").await;
    assert_eq!(calls.call(&mut late_other, "CP2").await, "ocpp");
    let trial = until(&gateway, STANDARD, |trial| trial["canary"]["candidate"]["charge_points"] == 2).await;
    let (candidate, others) = (&trial["canary"]["candidate"], &trial["canary"]["others"]);
    assert_eq!(others["charge_points"], 2, "{trial}");
    assert!(candidate["answered"].as_u64() >= Some(5) && others["answered"].as_u64() >= Some(4), "{trial}");
    assert!(candidate["calls"].as_u64() >= Some(10) && others["calls"].as_u64() >= Some(8), "{trial}");
    assert_eq!((&candidate["errors"], &candidate["failures"]), (&json!(0), &json!(0)), "{trial}");
    assert!(candidate["answer_ms"]["p50"].as_f64().is_some_and(|time| time > 0.0), "{trial}");

    let ended = end(&gateway, STANDARD).await;
    assert_eq!(ended.status, 200);
    calls.until_under(&mut own, "ACME-1", "ocpp").await;
    calls.until_under(&mut late, "ACME-2", "ocpp").await;
    assert_eq!(calls.call(&mut other, "CP1").await, "ocpp");
    gateway.until("ocpp_gateway_mqtt_subscriptions", 4.0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promotion_is_one_swap_and_can_be_rolled_back() {
    let gateway = Running::start("").await;
    let mut calls = Calls::new(&gateway).await;
    let (mut own, mut other) = (gateway.charge_point("ACME-1").await, gateway.charge_point("CP1").await);
    let events = open(gateway.addresses.admin, "GET", "/api/v1/events", &[], "").await;
    let mut events = BufReader::new(events).lines();
    started(&gateway, STANDARD, "mode=canary&charge_points=ACME-*", mounted("site")).await;
    calls.until_under(&mut own, "ACME-1", "site").await;
    let before = gateway.metric(CALLS).await;
    let promoted = promote(&gateway, STANDARD).await;
    assert_eq!((promoted.status, &promoted.json()["changed"]), (200, &json!(true)), "{}", promoted.json());
    assert_eq!(promoted.json()["changes"][0]["change"], "replaced");
    assert!(!promoted.json()["warnings"].to_string().contains("answered"), "{}", promoted.json());
    calls.until_under(&mut other, "CP1", "site").await;
    assert_eq!(calls.call(&mut own, "ACME-1").await, "site");
    // Counts cover all versions.
    assert!(gateway.metric(CALLS).await >= before + 6.0);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let (name, data) = event(&mut events).await;
        if name == "trial" || name == "swap" {
            seen.push(format!("{name} {}", data["outcome"].as_str().expect("an outcome")));
        }
    }
    assert_eq!(seen, ["trial started", "trial promoted", "swap swapped"]);
    let trial = shown(&gateway, STANDARD).await;
    assert_eq!((&trial["state"], &trial["reason"]), (&json!("ended"), &json!("promoted")));
    promote(&gateway, STANDARD).await.problem(409);
    let settings = get(&gateway, "/api/v1/transforms/standard").await.json();
    assert_eq!(settings["settings"]["config"]["mountpoint"], "site/");
    let back = ask(&gateway, "POST", "/api/v1/transforms/standard/rollback", &[], "").await;
    assert_eq!(back.status, 200, "{}", back.json());
    calls.until_under(&mut other, "CP1", "ocpp").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_canary_ends_by_itself() {
    let gateway = Running::start(WITH_QUIRK).await;
    let mut back_end = gateway.back_end().await;
    let (mut own, mut other) = (gateway.charge_point("ACME-1").await, gateway.charge_point("CP1").await);
    let faulty = r#"def uplink: if .action == "Boom" then error("no such luck") else . end;"#;
    started(&gateway, QUIRK, "mode=canary&charge_points=ACME-*", program(faulty)).await;
    until(&gateway, QUIRK, |trial| trial["canary"]["candidate"]["charge_points"] == 1).await;
    for number in 0..10 {
        own.send(&format!(r#"[2,"{number}","Boom",{{}}]"#)).await;
        assert!(own.text().await.contains("InternalError"));
        other.send(&format!(r#"[2,"{number}","Boom",{{}}]"#)).await;
        assert!(back_end.expect_on("ocpp/cp/CP1").await.contains("Boom"));
    }
    let trial = until(&gateway, QUIRK, |trial| trial["state"] == "ended").await;
    let reason = trial["reason"].as_str().expect("a reason");
    assert!(reason.contains("uplink fails for most charge points: it trapped"), "{reason}");
    assert_eq!(
        (&trial["canary"]["candidate"]["failures"], &trial["canary"]["others"]["failures"]),
        (&json!(10), &json!(0))
    );
    assert!(trial["canary"]["candidate"]["incidents"].as_u64() >= Some(10), "{trial}");
    let problems = problems(&gateway).await;
    let ended = problems.iter().find(|problem| problem["kind"] == "trial").expect("a problem");
    assert_says(ended, "The trial of a new version of transform quirk has ended by itself");
    promote(&gateway, QUIRK).await.problem(409);
    own.send(r#"[2,"after","Boom",{}]"#).await;
    assert!(back_end.expect_on("ocpp/cp/ACME-1").await.contains("after"));
    let transforms = get(&gateway, "/api/v1/transforms").await.json();
    assert_eq!(transforms[0]["stopped"], false, "{transforms}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charge_points_take_part_in_several_trials_at_once() {
    let gateway = Running::start(WITH_QUIRK).await;
    let mut back_end = BackEnd::listen(gateway.broker(), "+/cp/#").await;
    let (mut both, mut one) = (gateway.charge_point("ACME-1").await, gateway.charge_point("ACME-2").await);
    started(&gateway, STANDARD, "mode=canary&charge_points=ACME-*", mounted("site")).await;
    started(&gateway, QUIRK, "mode=canary&charge_points=*-1", program("def uplink: .payload.a = 1;")).await;
    until(&gateway, STANDARD, |trial| trial["canary"]["candidate"]["charge_points"] == 2).await;
    until(&gateway, QUIRK, |trial| trial["canary"]["candidate"]["charge_points"] == 1).await;
    for (charge_point, name, payload) in [(&mut both, "ACME-1", r#"{"a":1}"#), (&mut one, "ACME-2", "{}")] {
        charge_point.send(r#"[2,"1","StatusNotification",{}]"#).await;
        let published = back_end.expect_on(&format!("site/cp/{name}")).await;
        assert_eq!(published, call_object("1", "StatusNotification", payload));
        back_end.publish(&format!("site/cs/{name}"), result_object("1", "{}")).await;
        charge_point.text().await;
    }
    // The end of one leaves the other.
    assert_eq!(end(&gateway, STANDARD).await.status, 200);
    let published = async {
        loop {
            both.send(r#"[2,"2","StatusNotification",{}]"#).await;
            let (topic, text) = back_end.message().await;
            assert_eq!(text, call_object("2", "StatusNotification", r#"{"a":1}"#));
            let (before, _) = topic.split_once('/').expect("a topic of the mapping");
            back_end.publish(&format!("{before}/cs/ACME-1"), result_object("2", "{}")).await;
            both.text().await;
            if before == "ocpp" {
                break;
            }
        }
    };
    timeout(TIMEOUT, published).await.expect("the topics of the live mapping in time");
    gateway.stop().await;
}
