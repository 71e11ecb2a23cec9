//! Charge points whose messages take long in a transform do not delay others.

use crate::compile::CompilingProgram;
use crate::transforms::component;
use crate::{Running, call_object, result_object};
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::charge_point::ChargePoint;
use std::fs;

/// Each message of a slow charge point takes 9 ms, so `SLOW * BACKLOG` of them take 16 seconds: longer than the rounds.
const SLOW: usize = 20;
const BACKLOG: usize = 90;
const CALLS: usize = 30;
const ROUNDS: usize = 10;
const UPLINK: &str = r#"ocpp_gateway_messages_total{direction="uplink",type="CALL"}"#;

/// Messages of `BAD…` take as long in the transform as `does` says.
fn configuration(does: &str) -> String {
    let (component, config) = (component(), format!("{{ hook = \"uplink\", does = {does:?} }}"));
    format!("[{{ name = \"uplink\", component = {component:?}, config = {config}, limits = {{ time = \"1s\" }} }}]")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn charge_points_are_served_while_many_others_are_slow() {
    let gateway =
        Running::start(&format!("transforms = {}\n[ocpp]\nopen_calls = 100", configuration("take 9 ms"))).await;
    let mut back_end = BackEnd::listen(gateway.broker(), "ocpp/cp/GOOD1").await;
    let mut good = gateway.charge_point("GOOD1").await;
    let mut slow = Vec::new();
    for number in 0..SLOW {
        slow.push(gateway.charge_point(&format!("BAD{number}")).await);
    }
    for charge_point in &mut slow {
        for number in 0..BACKLOG {
            charge_point.send(&format!(r#"[2,"{number}","Heartbeat",{{}}]"#)).await;
        }
    }
    // If slow messages ran on the workers of all charge points, each answer would wait for about ten of them, in all
    // rounds. On a machine that is busy with other tests, an answer may wait for its own thread as long.
    let mut rounds = Vec::new();
    while rounds.iter().all(|slow| *slow >= 5 * CALLS) && rounds.len() < 5 {
        let before = gateway.metric(UPLINK).await;
        for number in 0..CALLS {
            let id = format!("{}-{number}", rounds.len());
            good.send(&format!(r#"[2,"{id}","Heartbeat",{{}}]"#)).await;
            let call = back_end.expect_on("ocpp/cp/GOOD1").await;
            assert_eq!(call, call_object(&id, "Heartbeat", "{}"));
            back_end.publish("ocpp/cs/GOOD1", result_object(&id, "{}")).await;
            assert_eq!(good.text().await, format!(r#"[3,"{id}",{{}}]"#));
        }
        rounds.push((gateway.metric(UPLINK).await - before) as usize - CALLS);
    }
    assert!(
        rounds.iter().any(|slow| *slow < 5 * CALLS),
        "slow messages before {CALLS} answers, in each round: {rounds:?}"
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_charge_points_do_not_need_a_thread_each() {
    let program = CompilingProgram::start(&[
        ("OCPP_GATEWAY__TRANSFORMS", configuration("take 18 ms").as_str()),
        ("OCPP_GATEWAY__RUNTIME__THREADS", "1"),
        ("OCPP_GATEWAY__OCPP__OPEN_CALLS", "1000"),
    ]);
    let threads = || fs::read_dir(format!("/proc/{}/task", program.child.id())).expect("the program runs").count();
    let address = program.ocpp.parse().expect("an address");
    let mut slow = Vec::new();
    for number in 0..3 * SLOW {
        slow.push(ChargePoint::ocpp16(address, &format!("BAD{number}")).await);
    }
    for round in 0..ROUNDS {
        for charge_point in &mut slow {
            charge_point.send(&format!(r#"[2,"{round}","Heartbeat",{{}}]"#)).await;
        }
    }
    let mut most = threads();
    while program.metric(UPLINK) < (slow.len() * ROUNDS / 4) as f64 {
        most = most.max(threads());
    }
    // Workers, their replacements while they block, threads for slow messages, and threads that handle no messages.
    assert!(most <= 30, "{most} threads");
}
