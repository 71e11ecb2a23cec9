//! What a shadow is compared by.

use super::{Calls, QUIRK, STANDARD, WITH_QUIRK, end, mounted, program, promote, shown, started, until};
use crate::admin::get;
use crate::{Running, call_object, result_object};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn shadow_of_a_mapping_is_compared_and_publishes_nothing() {
    let gateway = Running::start("").await;
    let mut calls = Calls::new(&gateway).await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let trial = started(&gateway, STANDARD, "mode=shadow", mounted("site")).await;
    assert_eq!((&trial["mode"], &trial["state"]), (&json!("shadow"), &json!("running")), "{trial}");
    assert_eq!((&trial["connected"], &trial["selected"]), (&json!(1), &json!(1)), "{trial}");
    assert_eq!(trial["settings"]["config"]["mountpoint"], "site/", "{trial}");
    until(&gateway, STANDARD, |trial| trial["selected"] == 1).await;
    for _ in 0..5 {
        assert_eq!(calls.call(&mut charge_point, "CP1").await, "ocpp");
    }
    // Five CALLs and the topics of the charge point differ; answers are read alike.
    let trial = until(&gateway, STANDARD, |trial| trial["shadow"]["messages"] == 11).await;
    let shadow = &trial["shadow"];
    assert_eq!((&shadow["equal"], &shadow["different"]), (&json!(5), &json!(6)), "{shadow}");
    assert_eq!((&shadow["failed"], &shadow["skipped"]), (&json!(0), &json!(0)), "{shadow}");
    assert!(["live_us", "candidate_us"].iter().all(|time| shadow[time].as_f64().is_some_and(|us| us > 0.0)));
    let differences = shadow["differences"].as_array().expect("a list");
    let topics = &differences[0];
    assert_eq!((&topics["hook"], &topics["charge_point"]), (&json!("subscriptions"), &json!("CP1")));
    assert_eq!(topics["live"]["actions"][0]["filter"], "ocpp/cs/CP1");
    assert_eq!(topics["candidate"]["actions"][0]["filter"], "site/cs/CP1");
    let call = &differences[1];
    assert_eq!((&call["hook"], &call["input"]["frame"]), (&json!("to-mqtt"), &json!(r#"[2,"up-1","Heartbeat",{}]"#)));
    assert_eq!(call["live"]["actions"][0]["message"]["topic"], "ocpp/cp/CP1");
    assert_eq!(call["candidate"]["actions"][0]["message"]["topic"], "site/cp/CP1");

    let ended = end(&gateway, STANDARD).await;
    assert_eq!((ended.status, &ended.json()["state"]), (200, &json!("ended")));
    assert_eq!(ended.json()["shadow"]["different"], 6);
    assert_eq!(calls.call(&mut charge_point, "CP1").await, "ocpp");
    // What has ended stays readable until it is deleted.
    assert_eq!(shown(&gateway, STANDARD).await["reason"], "ended over the API");
    end(&gateway, STANDARD).await;
    get(&gateway, STANDARD).await.problem(404);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shadow_sees_what_its_transform_sees_and_writes_to_a_copy_of_the_state() {
    let toml =
        WITH_QUIRK.replace("def uplink: .;", "def uplink: .payload.n = ((state(\\\"n\\\") // \\\"0\\\") | tonumber);");
    let gateway = Running::start(&toml).await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    // It counts, and the live version never does.
    let counting = "def uplink: ((state(\"n\") // \"0\") | tonumber + 1) as $n | set_state(\"n\"; $n | tostring) as $_ \
                    | .payload.n = ($n | if . > 2 then . else 0 end);";
    started(&gateway, QUIRK, "mode=shadow", program(counting)).await;
    until(&gateway, QUIRK, |trial| trial["selected"] == 1).await;
    for id in 1..=3 {
        charge_point.send(&format!(r#"[2,"{id}","StatusNotification",{{}}]"#)).await;
        assert!(back_end.expect_on("ocpp/cp/CP1").await.contains(r#""Payload":{"n":0}"#));
    }
    let trial = until(&gateway, QUIRK, |trial| trial["shadow"]["messages"] == 3).await;
    assert_eq!((&trial["shadow"]["equal"], &trial["shadow"]["different"]), (&json!(2), &json!(1)), "{trial}");
    assert_eq!(
        trial["shadow"]["differences"][0]["candidate"]["actions"][0]["frame"],
        r#"[2,"3","StatusNotification",{"n":3}]"#
    );
    gateway.stop().await;
}

/// A candidate with a hook that the live version lacks is shown the messages all the same.
#[tokio::test(flavor = "multi_thread")]
async fn shadow_with_a_further_hook_is_compared_with_messages_that_pass() {
    let gateway = Running::start(WITH_QUIRK).await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let back_end = gateway.back_end().await;
    let both = "def uplink: .; def downlink: if .action == \"Reset\" then .payload.type = \"Soft\" else . end;";
    started(&gateway, QUIRK, "mode=shadow", program(both)).await;
    until(&gateway, QUIRK, |trial| trial["selected"] == 1).await;
    for action in ["Reset", "ClearCache"] {
        back_end.publish("ocpp/cs/CP1", call_object(action, action, "{}")).await;
        assert_eq!(charge_point.text().await, format!(r#"[2,"{action}","{action}",{{}}]"#));
        charge_point.send(&format!(r#"[3,"{action}",{{}}]"#)).await;
    }
    // Two CALLs to the charge point, and their answers.
    let trial = until(&gateway, QUIRK, |trial| trial["shadow"]["messages"] == 4).await;
    assert_eq!((&trial["shadow"]["equal"], &trial["shadow"]["different"]), (&json!(3), &json!(1)), "{trial}");
    let difference = &trial["shadow"]["differences"][0];
    assert_eq!(
        (&difference["hook"], &difference["live"]["actions"]),
        (&json!("downlink"), &json!([{"action": "pass"}]))
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faulty_shadow_affects_no_message_and_ends_by_itself() {
    let gateway = Running::start(WITH_QUIRK).await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    for fault in [r#"error("no such luck")"#, "def f: f; f", "[range(1000000000)]"] {
        let hook = format!("def uplink: if .action == \"Boom\" then {fault} else . end;");
        started(&gateway, QUIRK, "mode=shadow", program(&hook)).await;
        until(&gateway, QUIRK, |trial| trial["selected"] == 1).await;
        for number in 0..12 {
            charge_point.send(&format!(r#"[2,"{number}","Boom",{{}}]"#)).await;
            assert!(back_end.expect_on("ocpp/cp/CP1").await.contains("Boom"));
            let rejected = result_object(&number.to_string(), "{}");
            back_end.publish("ocpp/cs/CP1", rejected).await;
            charge_point.text().await;
        }
        let trial = until(&gateway, QUIRK, |trial| trial["state"] == "ended").await;
        assert!(trial["reason"].as_str().is_some_and(|it| it.contains("fails for most charge points")), "{trial}");
        let first = &trial["shadow"]["differences"][0];
        assert!(first["candidate"]["failure"].is_string() && first["live"]["failure"].is_null(), "{first}");
        assert!(promote(&gateway, QUIRK).await.problem(409).contains("fails for most charge points"));
    }
    let transforms = get(&gateway, "/api/v1/transforms").await.json();
    assert_eq!((&transforms[0]["failures"], &transforms[0]["last_fault"]), (&json!(0), &Value::Null), "{transforms}");
    gateway.stop().await;
}

/// What operators must not see in the messages of a tap, they do not see here.
#[tokio::test(flavor = "multi_thread")]
async fn differences_show_no_secrets_and_no_payloads_where_these_are_not_shown() {
    for (section, is_shown) in [("", true), ("[admin]\ntap_payloads = false\n", false)] {
        let gateway = Running::start(&format!("{section}{WITH_QUIRK}")).await;
        let mut charge_point = gateway.charge_point("CP1").await;
        let back_end = gateway.back_end().await;
        let candidate = program("def uplink: .; def downlink: .payload.extra = .payload.value;");
        started(&gateway, QUIRK, "mode=shadow", candidate).await;
        until(&gateway, QUIRK, |trial| trial["selected"] == 1).await;
        back_end
            .publish(
                "ocpp/cs/CP1",
                call_object("1", "ChangeConfiguration", r#"{"key":"AuthorizationKey","value":"topsecret"}"#),
            )
            .await;
        assert!(charge_point.text().await.contains("topsecret"));
        charge_point.send(r#"[3,"1",{"key":"AuthorizationKey","value":"topsecret"}]"#).await;
        let trial = until(&gateway, QUIRK, |trial| trial["shadow"]["different"] == 1).await;
        assert!(!trial.to_string().contains("topsecret"), "{trial}");
        let difference = &trial["shadow"]["differences"][0];
        assert_eq!(difference["input"].is_object(), is_shown, "{difference}");
        assert_eq!(difference["candidate"]["actions"].is_array(), is_shown, "{difference}");
        gateway.stop().await;
    }
}
