//! Versions that run beside the live ones: how trials start and end.

mod canary;
mod shadow;

use crate::admin::{AdminResponse, JSON, ask, assert_described, get};
use crate::{Running, call_object, pause, result_object};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::charge_point::ChargePoint;
use serde_json::{Value, json};
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
    assert!(put.json()["warnings"].to_string().contains("ends the trial"), "{}", put.json());
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
    bad(STANDARD, "mode=canary&percent=100", site(), 422, "replace the transform").await;
    bad(STANDARD, "mode=canary&charge_points=", site(), 422, "pattern").await;
    bad("/api/v1/transforms/none/trial", "mode=shadow", site(), 404, "none").await;
    bad(STANDARD, "mode=shadow", json!({"component": "builtin:standard"}), 409, "runs already").await;
    // Topics that would bring a message for one charge point to all of them.
    let shared = json!({"component": "builtin:standard", "config": {"downlink": {"topic": "cs"}}});
    bad(STANDARD, "mode=canary&percent=1", shared, 422, "would reach all of them").await;
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
    assert!(promoted.json()["warnings"].to_string().contains("shown no message"), "{}", promoted.json());
    assert_described(&document, "post", "/api/v1/transforms/{name}/trial/promote", &promoted);
    assert_eq!(promoted.status, 200, "{}", promoted.json());
    gateway.stop().await;
}
