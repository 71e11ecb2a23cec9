//! Decisions of transforms about connections and messages, and the effect of failing transforms on a gateway.

use crate::{Running, call_object, result_object};
use cpu_time::{ProcessTime, ThreadTime};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::charge_point::{ChargePoint, Refused};
use ocpp_gateway_testkit::guest;
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

/// The configuration of a transform whose `hook` acts as `does` says for charge points named `BAD…` and passes messages
/// of others on (`guest-sdk/tests/guests/every_hook.rs`). `keys`: more lines of its configuration.
pub(crate) fn transform(hook: &str, does: &str, keys: &str) -> String {
    let path = component();
    let config = format!("{{ hook = {hook:?}, does = {does:?} }}");
    format!("[[transforms]]\nname = {hook:?}\ncomponent = {path:?}\nconfig = {config}\n{keys}\n")
}

/// The component of [`transform`].
pub(crate) fn component() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| guest::build("every_hook", env!("CARGO_TARGET_TMPDIR")))
}

async fn connect(gateway: &Running, id: &str) -> Result<ChargePoint, Refused> {
    ChargePoint::connect(gateway.ocpp(), &format!("/ocpp/{id}"), &["ocpp1.6"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_set_by_admission_are_passed_to_other_hooks() {
    let transforms = transform("admission", "name the vendor", "") + &transform("uplink", "publish the attributes", "");
    let gateway = Running::start(&transforms).await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("BAD1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    assert_eq!(back_end.expect_on("ocpp/cp/BAD1/news").await, r#"[("vendor", "acme")]"#);
    assert_eq!(back_end.expect_on("ocpp/cp/BAD1").await, call_object("1", "Heartbeat", "{}"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charge_point_refused_by_admission_receives_the_reason() {
    let gateway = Running::start(&transform("admission", "refuse", "")).await;
    let refused = connect(&gateway, "BAD1").await.err().expect("refused");
    assert_eq!((refused.status, refused.text.trim()), (403, "not one of ours"));
    assert_eq!(gateway.metric(r#"ocpp_gateway_refused_total{reason="forbidden"}"#).await, 1.0);
    gateway.charge_point("GOOD1").await.close().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_admission_refuses_charge_points_unless_it_is_bypassed() {
    for (on_error, status) in [("reject", Some(503)), ("drop", Some(503)), ("bypass", None)] {
        let gateway = Running::start(&transform("admission", "panic", &format!("on_error = {on_error:?}"))).await;
        let refused = connect(&gateway, "BAD1").await.err().map(|refused| refused.status);
        assert_eq!(refused, status, "{on_error}");
        gateway.charge_point("GOOD1").await.close().await;
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn violations_are_answered_or_reported_to_the_sender() {
    let gateway = Running::start(&transform("validation", "require idTag", "")).await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"1","Authorize",{"idTag":"4F2A"}]"#).await;
    assert_eq!(back_end.expect_on("ocpp/cp/CP1").await, call_object("1", "Authorize", r#"{"idTag":"4F2A"}"#));
    back_end.publish("ocpp/cs/CP1", result_object("1", "{}")).await;
    assert_eq!(charge_point.text().await, r#"[3,"1",{}]"#);
    charge_point.send(r#"[2,"2","Authorize",{}]"#).await;
    let answer = charge_point.text().await;
    // The spelling of OCPP 1.6.
    assert!(answer.starts_with(r#"[4,"2","OccurenceConstraintViolation","#) && answer.contains("idTag"), "{answer}");
    gateway.stop().await;

    let gateway = Running::start(&transform("validation", "reject", "")).await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("BAD1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    assert_eq!(charge_point.text().await, r#"[4,"1","SecurityError","not today",{}]"#);
    back_end.publish("ocpp/cs/BAD1", call_object("2", "Reset", "{}")).await;
    let report = back_end.expect_on("ocpp/cp/BAD1/Reply").await;
    assert!(report.contains(r#""UniqueId":"2","ErrorCode":"SecurityError""#), "{report}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn violations_that_are_only_logged_do_not_stop_messages() {
    const VIOLATIONS: &str = r#"ocpp_gateway_incidents_total{direction="uplink",cause="violation"}"#;
    for (does, call) in [("require idTag", "Authorize"), ("reject", "Heartbeat")] {
        let toml = "[validation]\non_violation = \"log\"\n".to_owned() + &transform("validation", does, "");
        let gateway = Running::start(&toml).await;
        let mut back_end = gateway.back_end().await;
        let mut charge_point = gateway.charge_point("BAD1").await;
        assert_eq!(gateway.metric(VIOLATIONS).await, 0.0);
        charge_point.send(&format!(r#"[2,"1","{call}",{{}}]"#)).await;
        assert_eq!(back_end.expect_on("ocpp/cp/BAD1").await, call_object("1", call, "{}"));
        assert_eq!(gateway.metric(VIOLATIONS).await, 1.0, "{does}");
        gateway.stop().await;
    }
}

/// Other charge points wait at most until the looping transform exceeds its time limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_charge_points_are_served_while_a_transform_loops() {
    /// 20 ms each.
    const LOOPS: u32 = 500;
    const CALLS: u32 = 20;
    let gateway = Running::start(&transform("uplink", "loop", "")).await;
    let mut back_end = gateway.back_end().await;
    let mut bad = gateway.charge_point("BAD1").await;
    let mut good = gateway.charge_point("GOOD1").await;
    let looped = Cell::new(0);
    let looping = async {
        while looped.get() < LOOPS {
            bad.send(r#"[2,"1","Heartbeat",{}]"#).await;
            let answer = bad.text().await;
            assert!(answer.starts_with(r#"[4,"1","InternalError","#), "{answer}");
            looped.set(looped.get() + 1);
        }
    };
    let serving = async {
        let mut served = 0;
        while served < CALLS || looped.get() == 0 {
            good.send(&format!(r#"[2,"{served}","Heartbeat",{{}}]"#)).await;
            let call = back_end.expect_on("ocpp/cp/GOOD1").await;
            assert_eq!(call, call_object(&served.to_string(), "Heartbeat", "{}"));
            back_end.publish("ocpp/cs/GOOD1", result_object(&served.to_string(), "{}")).await;
            assert_eq!(good.text().await, format!(r#"[3,"{served}",{{}}]"#));
            served += 1;
        }
    };
    tokio::select! {
        () = looping => panic!("the other charge point is not served"),
        () = serving => {}
    }
    gateway.stop().await;
}

/// A worker thread that runs a transform for long is replaced by another thread, even if it is the only one.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn other_charge_points_do_not_wait_for_the_end_of_a_loop() {
    const CALLS: u32 = 10;
    let gateway = Running::start(&transform("uplink", "loop", "limits = { time = \"5s\" }")).await;
    let mut back_end = gateway.back_end().await;
    let mut bad = gateway.charge_point("BAD1").await;
    let mut good = gateway.charge_point("GOOD1").await;
    // CPU time of the other threads.
    let others = || ProcessTime::now().as_duration().saturating_sub(ThreadTime::now().as_duration());
    let (started, quiet) = (ThreadTime::now(), others());
    bad.send(r#"[2,"1","Heartbeat",{}]"#).await;
    // Waits until the only worker runs the loop.
    while others().saturating_sub(quiet) < Duration::from_millis(50) {
        assert!(started.elapsed() < TIMEOUT, "nothing loops");
    }
    let looping = bad.text();
    let serving = async {
        for number in 0..CALLS {
            good.send(&format!(r#"[2,"{number}","Heartbeat",{{}}]"#)).await;
            back_end.expect_on("ocpp/cp/GOOD1").await;
            back_end.publish("ocpp/cs/GOOD1", result_object(&number.to_string(), "{}")).await;
            good.text().await;
        }
    };
    tokio::select! {
        answer = looping => panic!("the loop has ended first: {answer}"),
        () = serving => {}
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_made_transform_runs_by_its_name() {
    let heartbeats = "[[transforms]]\nname = \"heartbeats\"\ncomponent = \"builtin:local-heartbeat\"\n\
                      config = { forward_every_s = 0 }\n";
    let redact = "[[transforms]]\nname = \"redact\"\ncomponent = \"builtin:redact\"\n\
                  config = { key = \"0123456789abcdef0123456789abcdef\" }\n";
    let gateway = Running::start(&format!("{heartbeats}{redact}")).await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    let answer = charge_point.text().await;
    assert!(answer.starts_with(r#"[3,"1",{"currentTime":"#), "{answer}");
    charge_point.send(r#"[2,"2","Authorize",{"idTag":"4F2A"}]"#).await;
    let seen = back_end.expect_on("ocpp/cp/CP1").await;
    assert!(seen.contains("Authorize") && !seen.contains("4F2A"), "{seen}");
    gateway.stop().await;
}
