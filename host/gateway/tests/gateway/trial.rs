//! Versions that run beside the live ones: what a shadow is compared by, and which charge points a canary serves.

use crate::admin::{AdminResponse, JSON, ask, assert_described, event, get, open};
use crate::{Running, call_object, pause, result_object};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::charge_point::ChargePoint;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

const STANDARD: &str = "/api/v1/transforms/standard/trial";
const QUIRK: &str = "/api/v1/transforms/quirk/trial";

/// A jq program that lets all frames pass, beside the mapping.
const WITH_QUIRK: &str = "[[transforms]]\nname = \"quirk\"\ncomponent = \"builtin:jq\"\nlimits = { time = \"1s\" }\n\
                          [transforms.config]\nprogram = \"def uplink: .;\"\n";

/// Of the mapping.
const CALLS: &str = "ocpp_gateway_transform_calls_total{transform=\"standard\"}";

fn mounted(mount_point: &str) -> Value {
    json!({"component": "builtin:standard", "config": {"mountpoint": format!("{mount_point}/")}})
}

fn program(text: &str) -> Value {
    json!({"component": "builtin:jq", "limits": {"time": "1s"}, "config": {"program": text}})
}

async fn start(gateway: &Running, page: &str, query: &str, candidate: Value) -> AdminResponse {
    ask(gateway, "POST", &format!("{page}?{query}"), &[JSON], candidate.to_string()).await
}

async fn started(gateway: &Running, page: &str, query: &str, candidate: Value) -> Value {
    let answer = start(gateway, page, query, candidate).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()
}

async fn shown(gateway: &Running, page: &str) -> Value {
    let answer = get(gateway, page).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()
}

/// Waits until the condition holds for the trial.
async fn until(gateway: &Running, page: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let holds = async {
        loop {
            let trial = shown(gateway, page).await;
            if condition(&trial) {
                return trial;
            }
            pause().await;
        }
    };
    match timeout(TIMEOUT, holds).await {
        Ok(trial) => trial,
        Err(_) => panic!("not in time: {}", shown(gateway, page).await),
    }
}

async fn promote(gateway: &Running, page: &str) -> AdminResponse {
    ask(gateway, "POST", &format!("{page}/promote"), &[], "").await
}

async fn end(gateway: &Running, page: &str) -> AdminResponse {
    ask(gateway, "DELETE", page, &[], "").await
}

/// Charge points that send CALLs, and a back end that sees them under every mount point.
struct Calls {
    back_end: BackEnd,
    count: u32,
}

impl Calls {
    async fn new(gateway: &Running) -> Self {
        Calls { back_end: BackEnd::listen(gateway.broker(), "+/cp/#").await, count: 0 }
    }

    /// Sends a CALL, answers it, and returns the mount point that it was published under.
    async fn call(&mut self, charge_point: &mut ChargePoint, name: &str) -> String {
        let (id, mount_point) = self.send(charge_point, name).await;
        self.answer(charge_point, name, &id, &mount_point).await;
        mount_point
    }

    /// Sends a CALL. Returns its message id and the mount point that it was published under.
    async fn send(&mut self, charge_point: &mut ChargePoint, name: &str) -> (String, String) {
        self.count += 1;
        let id = format!("up-{}", self.count);
        charge_point.send(&format!(r#"[2,"{id}","Heartbeat",{{}}]"#)).await;
        let (topic, text) = self.back_end.message().await;
        assert_eq!(text, call_object(&id, "Heartbeat", "{}"));
        let mount_point = topic.strip_suffix(&format!("/cp/{name}")).expect("the topic of this charge point");
        (id, mount_point.to_owned())
    }

    async fn answer(&self, charge_point: &mut ChargePoint, name: &str, id: &str, mount_point: &str) {
        self.back_end.publish(&format!("{mount_point}/cs/{name}"), result_object(id, "{}")).await;
        assert_eq!(charge_point.text().await, format!(r#"[3,"{id}",{{}}]"#));
    }

    /// Sends CALLs until one is published under this mount point, and answers each.
    async fn until_under(&mut self, charge_point: &mut ChargePoint, name: &str, mount_point: &str) {
        let moved = async { while self.call(charge_point, name).await != mount_point {} };
        timeout(TIMEOUT, moved).await.expect("the other topics in time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shadow_of_a_mapping_is_compared_and_publishes_nothing() {
    let gateway = Running::start("").await;
    let mut calls = Calls::new(&gateway).await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let trial = started(&gateway, STANDARD, "mode=shadow", mounted("site")).await;
    assert_eq!((&trial["mode"], &trial["state"]), (&json!("shadow"), &json!("running")), "{trial}");
    assert_eq!((&trial["connected"], &trial["selected"]), (&json!(1), &json!(1)), "{trial}");
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
    assert!(trial["reason"].as_str().is_some_and(|it| it.contains("uplink fails for most")), "{trial}");
    assert_eq!(
        (&trial["canary"]["candidate"]["failures"], &trial["canary"]["others"]["failures"]),
        (&json!(10), &json!(0))
    );
    assert!(trial["canary"]["candidate"]["incidents"].as_u64() >= Some(10), "{trial}");
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

#[tokio::test(flavor = "multi_thread")]
async fn four_trials_run_and_a_fifth_waits_for_the_end_of_one() {
    let transform = |name| format!("[[transforms]]\nname = \"{name}\"\ncomponent = \"builtin:local-heartbeat\"\n");
    let toml: String = ["a", "b", "c", "d", "e"].map(transform).concat();
    let gateway = Running::start(&toml).await;
    let other = || json!({"on_error": "drop"});
    let page = |name: &str| format!("/api/v1/transforms/{name}/trial");
    for name in ["a", "b", "c", "d"] {
        started(&gateway, &page(name), "mode=canary&percent=50", other()).await;
    }
    let problem = start(&gateway, &page("e"), "mode=shadow", other()).await.problem(409);
    assert!(problem.contains("end one of them"), "{problem}");
    let mut charge_point = gateway.charge_point("CP1").await;
    let mut back_end = gateway.back_end().await;
    charge_point.send(r#"[2,"1","StatusNotification",{}]"#).await;
    assert!(back_end.expect_on("ocpp/cp/CP1").await.contains("StatusNotification"));
    end(&gateway, &page("b")).await;
    started(&gateway, &page("e"), "mode=shadow", other()).await;
    let list = get(&gateway, "/api/v1/transforms").await.json();
    let modes: Vec<_> = list.as_array().expect("a list").iter().map(|it| it["trial"].clone()).collect();
    let expected = [json!("canary"), Value::Null, json!("canary"), json!("canary"), json!("shadow"), Value::Null];
    assert_eq!(modes, expected);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rollback_and_removal_end_a_trial() {
    let gateway = Running::start("").await;
    let put = ask(&gateway, "PUT", "/api/v1/transforms/standard", &[JSON], mounted("site").to_string()).await;
    assert_eq!(put.status, 200, "{}", put.json());
    started(&gateway, STANDARD, "mode=shadow", mounted("other")).await;
    let back = ask(&gateway, "POST", "/api/v1/transforms/standard/rollback", &[], "").await;
    assert_eq!(back.status, 200, "{}", back.json());
    let trial = shown(&gateway, STANDARD).await;
    assert!(trial["reason"].as_str().is_some_and(|it| it.contains("another version")), "{trial}");
    let mut quirk = program("def uplink: .;");
    quirk["name"] = json!("quirk");
    let added = ask(&gateway, "POST", "/api/v1/transforms", &[JSON], quirk.to_string()).await;
    assert_eq!(added.status, 201, "{}", added.json());
    started(&gateway, QUIRK, "mode=shadow", program("def uplink: .payload.a = 1;")).await;
    let removed = ask(&gateway, "DELETE", "/api/v1/transforms/quirk", &[], "").await;
    assert_eq!(removed.status, 200, "{}", removed.json());
    let trial = shown(&gateway, QUIRK).await;
    assert_eq!((&trial["state"], &trial["reason"]), (&json!("ended"), &json!("the transform was removed")), "{trial}");
    gateway.stop().await;
}

/// Who may connect is decided by the versions that serve, a canary among them, and by no shadow.
#[tokio::test(flavor = "multi_thread")]
async fn shadow_keeps_no_charge_point_out_and_a_canary_does() {
    let gateway = Running::start(WITH_QUIRK).await;
    let strict = "def uplink: .; def admit: {\"refuse\": {\"status\": 403, \"reason\": \"not you\"}};";
    started(&gateway, QUIRK, "mode=shadow", program(strict)).await;
    drop(gateway.charge_point("ACME-1").await);
    end(&gateway, QUIRK).await;
    started(&gateway, QUIRK, "mode=canary&charge_points=ACME-*", program(strict)).await;
    let refused = ChargePoint::connect(gateway.ocpp(), "/ocpp/ACME-1", &["ocpp1.6"]).await;
    assert!(refused.is_err());
    drop(gateway.charge_point("CP1").await);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trials_survive_a_restart_where_storage_is_configured() {
    let directory = tempfile::tempdir().expect("a directory");
    let toml = format!("[storage]\ndirectory = {:?}\n{WITH_QUIRK}", directory.path().join("store"));
    let gateway = Running::start(&toml).await;
    let trial = started(&gateway, STANDARD, "mode=canary&percent=99", mounted("site")).await;
    assert_eq!((&trial["kept"], &trial["percent"]), (&json!(true), &json!(99)), "{trial}");
    started(&gateway, QUIRK, "mode=shadow", program("def uplink: .payload.a = 1;")).await;
    gateway.stop().await;

    let gateway = Running::start(&toml).await;
    let running = async {
        while get(&gateway, STANDARD).await.status != 200 || get(&gateway, QUIRK).await.status != 200 {
            pause().await;
        }
    };
    timeout(TIMEOUT, running).await.expect("the trials in time");
    let again = shown(&gateway, STANDARD).await;
    assert_eq!((&again["mode"], &again["percent"]), (&json!("canary"), &json!(99)));
    assert_eq!(again["candidate"]["sha256"], trial["candidate"]["sha256"]);
    assert_eq!(promote(&gateway, STANDARD).await.status, 200);
    assert_eq!(end(&gateway, QUIRK).await.status, 200);
    gateway.stop().await;

    let gateway = Running::start(&toml).await;
    get(&gateway, STANDARD).await.problem(404);
    get(&gateway, QUIRK).await.problem(404);
    let settings = get(&gateway, "/api/v1/transforms/standard").await.json();
    assert_eq!(settings["settings"]["config"]["mountpoint"], "site/");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_in_place_ends_a_trial_and_other_changes_do_not() {
    let gateway = Running::start(WITH_QUIRK).await;
    let mut calls = Calls::new(&gateway).await;
    let mut own = gateway.charge_point("ACME-1").await;
    let trial = started(&gateway, STANDARD, "mode=canary&charge_points=ACME-*", mounted("site")).await;
    assert!(trial["warnings"][0].as_str().is_some_and(|it| it.contains("ends with the process")), "{trial}");
    started(&gateway, QUIRK, "mode=shadow&percent=50", program("def uplink: .payload.a = 1;")).await;
    calls.until_under(&mut own, "ACME-1", "site").await;
    let put = ask(&gateway, "PUT", "/api/v1/transforms/quirk", &[JSON], program("def uplink: . ;").to_string()).await;
    assert_eq!(put.status, 200, "{}", put.json());
    let quirk = shown(&gateway, QUIRK).await;
    assert_eq!(quirk["state"], "ended");
    assert!(quirk["reason"].as_str().is_some_and(|it| it.contains("another version")), "{quirk}");
    assert_eq!(shown(&gateway, STANDARD).await["state"], "running");
    assert_eq!(calls.call(&mut own, "ACME-1").await, "site");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_for_trials_are_refused() {
    let gateway = Running::start(WITH_QUIRK).await;
    let bad = async |page: &str, query: &str, candidate: Value, status: u16, text: &str| {
        let problem = start(&gateway, page, query, candidate).await.problem(status);
        assert!(problem.contains(text), "{query}: {problem}");
    };
    let site = || mounted("site");
    let redact = || json!({"component": "builtin:redact", "config": {"key": "0123456789abcdef0123456789abcdef"}});
    bad(STANDARD, "", site(), 400, "mode").await;
    bad(STANDARD, "mode=loud", site(), 400, "mode").await;
    bad(STANDARD, "mode=shadow&percentage=5", site(), 400, "did you mean percent?").await;
    bad(STANDARD, "mode=canary", site(), 422, "percent or charge_points").await;
    for percent in ["0", "101", "300"] {
        bad(STANDARD, &format!("mode=shadow&percent={percent}"), site(), 422, "from 1 to 100").await;
        bad(STANDARD, &format!("mode=canary&percent={percent}"), site(), 422, "from 1 to 100").await;
    }
    bad(STANDARD, "mode=canary&percent=100", site(), 422, "PUT replaces").await;
    bad(STANDARD, "mode=canary&charge_points=", site(), 422, "pattern").await;
    bad("/api/v1/transforms/none/trial", "mode=shadow", site(), 404, "none").await;
    bad(STANDARD, "mode=shadow", json!({"component": "builtin:standard"}), 409, "runs already").await;
    bad(STANDARD, "mode=shadow", redact(), 422, "mapping").await;
    bad(QUIRK, "mode=shadow", program("def downlink: ."), 422, "line").await;
    bad(QUIRK, "mode=shadow", site(), 422, "as a canary").await;
    // A dry run starts nothing, and finds the same faults.
    bad(STANDARD, "mode=shadow&dry_run=true", redact(), 422, "mapping").await;
    let dry = start(&gateway, STANDARD, "mode=shadow&dry_run=true", site()).await;
    assert_eq!((dry.status, &dry.json()["dry_run"]), (200, &json!(true)));
    get(&gateway, STANDARD).await.problem(404);
    promote(&gateway, STANDARD).await.problem(404);
    end(&gateway, STANDARD).await.problem(404);

    let trial = started(&gateway, STANDARD, "mode=canary&charge_points=ACME-*", site()).await;
    assert!(trial["warnings"].to_string().contains("ACME-*"), "{trial}");
    bad(STANDARD, "mode=shadow", mounted("other"), 409, "on trial already").await;
    let document = get(&gateway, "/api/openapi.json").await.json();
    let page = "/api/v1/transforms/{name}/trial";
    assert_described(&document, "get", page, &get(&gateway, STANDARD).await);
    assert_described(&document, "delete", page, &end(&gateway, STANDARD).await);
    let shadow = start(&gateway, STANDARD, "mode=shadow", site()).await;
    assert_described(&document, "post", page, &shadow);
    let promoted = promote(&gateway, STANDARD).await;
    assert_described(&document, "post", "/api/v1/transforms/{name}/trial/promote", &promoted);
    assert_eq!(promoted.status, 200, "{}", promoted.json());
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
