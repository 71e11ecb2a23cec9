//! Several gateways on one broker: the gateway that a charge point connected to last serves it.

use crate::{Running, call_object, result_object};
use ocpp_gateway_mqtt::{BrokerLimits, EmbeddedBroker};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::broker::{Script, ScriptedBroker};
use ocpp_gateway_testkit::charge_point::{ChargePoint, Received};
use ocpp_gateway_testkit::port::ReservedPort;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

const CLAIMS: &str = "[presence]\nclaims = \"claims/${cid}\"\n";

/// Largest packet, in bytes.
const LIMIT: usize = 2 << 20;

async fn broker() -> EmbeddedBroker {
    EmbeddedBroker::start(SocketAddr::from(([127, 0, 0, 1], 0)), BrokerLimits::new(LIMIT)).await.expect("a broker")
}

async fn gateway(broker: SocketAddr) -> Running {
    Running::start(&format!("{CLAIMS}[mqtt]\nurl = \"mqtt://{broker}\"")).await
}

async fn expect_taken_over(charge_point: &mut ChargePoint) {
    let (code, reason) = charge_point.closed().await.expect("a reason");
    assert_eq!((code, reason.as_str()), (1008, "this charge point has connected to another gateway"));
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_connection_wins_across_gateways() {
    let broker = broker().await;
    let (a, b) = (gateway(broker.local_addr()).await, gateway(broker.local_addr()).await);
    let mut back_end = BackEnd::listen(broker.local_addr(), "ocpp/cp/#").await;
    let mut old = a.charge_point("CP1").await;
    let mut new = b.charge_point("CP1").await;
    expect_taken_over(&mut old).await;
    a.until("ocpp_gateway_connections", 0.0).await;
    assert_eq!(a.metric(r#"ocpp_gateway_closed_total{reason="taken_over"}"#).await, 1.0);
    assert_eq!(a.metric(r#"ocpp_gateway_claims_total{outcome="yielded"}"#).await, 1.0);
    // The late end of the old connection has no effect: only the new connection receives CALLs of back ends.
    old.close().await;
    for number in 0..20 {
        back_end.publish("ocpp/cs/CP1", call_object(&format!("{number}"), "Reset", "{}")).await;
        assert!(new.text().await.contains(&format!(r#""{number}""#)));
        new.send(&format!(r#"[3,"{number}",{{}}]"#)).await;
        assert_eq!(back_end.expect_on("ocpp/cp/CP1/Reply").await, result_object(&format!("{number}"), "{}"));
    }
    // The charge point returns to the first gateway.
    let mut newest = a.charge_point("CP1").await;
    expect_taken_over(&mut new).await;
    newest.send(r#"[2,"1","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    back_end.publish("ocpp/cs/CP1", result_object("1", "{}")).await;
    assert_eq!(newest.text().await, r#"[3,"1",{}]"#);
    a.stop().await;
    b.stop().await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_claim_does_not_close_a_newer_connection() {
    let broker = broker().await;
    let a = gateway(broker.local_addr()).await;
    let mut claims = BackEnd::listen(broker.local_addr(), "claims/#").await;
    let mut charge_point = a.charge_point("CP1").await;
    let own = claims.expect_on("claims/CP1").await;
    for claim in [r#"{"chargePoint":"CP1","gateway":"zzz","number":1}"#, "rubbish", "", r#"{"chargePoint":"CP1"}"#] {
        claims.publish("claims/CP1", claim).await;
    }
    // The newer claim is published again in answer to the older one.
    let mut received = Vec::new();
    for _ in 0..5 {
        received.push(claims.expect_on("claims/CP1").await);
    }
    assert!(received.contains(&own), "{received:?}");
    assert_eq!(a.metric(r#"ocpp_gateway_claims_total{outcome="contradicted"}"#).await, 1.0);
    a.until(r#"ocpp_gateway_claims_total{outcome="unreadable"}"#, 3.0).await;
    let mut back_end = BackEnd::listen(broker.local_addr(), "ocpp/cp/#").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    a.stop().await;
    broker.stop().await;
}

/// The broker restarts without its state: the gateways publish their claims again and settle conflicts.
#[tokio::test(flavor = "multi_thread")]
async fn conflicting_claim_made_during_an_outage_is_settled_afterwards() {
    let port = ReservedPort::new();
    let address = port.address();
    let first = EmbeddedBroker::start(address, BrokerLimits::new(LIMIT)).await.expect("a broker");
    let (a, b) = (gateway(address).await, gateway(address).await);
    let mut old = a.charge_point("CP1").await;
    first.stop().await;
    for gateway in [&a, &b] {
        gateway.until(r#"ocpp_gateway_mqtt_connected{connection="publisher"}"#, 0.0).await;
        gateway.until(r#"ocpp_gateway_mqtt_connected{connection="subscriber"}"#, 0.0).await;
    }
    let mut new = ChargePoint::ocpp16(b.ocpp(), "CP1").await;
    let second = EmbeddedBroker::start(address, BrokerLimits::new(LIMIT)).await.expect("the same port");
    expect_taken_over(&mut old).await;
    b.until_subscribed().await;
    let mut back_end = BackEnd::listen(address, "ocpp/cp/#").await;
    new.send(r#"[2,"1","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    a.stop().await;
    b.stop().await;
    second.stop().await;
}

#[test]
fn example_configures_two_gateways_on_one_broker() {
    let read = |name: &str| {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/two-gateways").join(name);
        ocpp_gateway::config::load(Some(&file), []).expect("a configuration")
    };
    let (a, b) = (read("a.toml"), read("b.toml"));
    assert_eq!((&a.mqtt.url, &a.presence.claims), (&b.mqtt.url, &b.presence.claims));
    assert_ne!((a.mqtt.client_id, a.ocpp.listen, a.admin.listen), (b.mqtt.client_id, b.ocpp.listen, b.admin.listen));
}

/// A broker whose access list refuses the claims: the gateway works without them.
#[tokio::test(flavor = "multi_thread")]
async fn charge_points_connect_although_the_broker_refuses_claims() {
    let broker = ScriptedBroker::start_with(Script { refuse: ["claims/+".into()].into(), ..Script::default() }).await;
    let gateway = Running::start(&format!("{CLAIMS}[mqtt]\nurl = \"{}\"", broker.url())).await;
    let _charge_point = gateway.charge_point("CP1").await;
    gateway.stop().await;
}

/// Without claims nothing is published, and no gateway closes connections for another.
#[tokio::test(flavor = "multi_thread")]
async fn gateways_without_claims_do_not_affect_each_other() {
    let broker = broker().await;
    let toml = format!("[mqtt]\nurl = \"mqtt://{}\"", broker.local_addr());
    let (a, b) = (Running::start(&toml).await, Running::start(&toml).await);
    let mut all = BackEnd::listen(broker.local_addr(), "#").await;
    let mut old = a.charge_point("CP1").await;
    let mut new = b.charge_point("CP1").await;
    for charge_point in [&mut old, &mut new] {
        charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
        all.expect_on("ocpp/cp/CP1").await;
    }
    a.stop().await;
    b.stop().await;
    broker.stop().await;
}

const ROAMERS: usize = 6;
const VISITS: usize = 40;
/// CALLs that a charge point sends at each visit.
const CALLS: usize = 10;
/// Maximum number of open CALLs of the back end.
const OPEN: usize = 2 * ROAMERS;

/// Number of answers and error reports for a CALL of the back end.
#[derive(Default)]
struct AnswerCounts {
    answered: usize,
    reported: usize,
}

/// Answers CALLs of charge points and sends them CALLs. After `stop` it sends no more, waits until each of its CALLs is
/// answered or reported, and returns the outcomes by message id.
async fn run_back_end(
    mut back_end: BackEnd,
    mut stop: tokio::sync::oneshot::Receiver<()>,
) -> BTreeMap<String, AnswerCounts> {
    let mut outcomes: BTreeMap<String, AnswerCounts> = BTreeMap::new();
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut asking = true;
    let mut open = 0;
    while asking || open > 0 {
        tokio::select! {
            _ = &mut stop, if asking => asking = false,
            _ = tick.tick(), if asking && open < OPEN => {
                open += 1;
                let id = format!("b{}", outcomes.len());
                let topic = format!("ocpp/cs/CP{}", outcomes.len() % ROAMERS);
                outcomes.insert(id.clone(), AnswerCounts::default());
                back_end.publish(&topic, call_object(&id, "TriggerMessage", "{}")).await;
            }
            (topic, text) = back_end.message() => {
                let message: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                let id = message["UniqueId"].as_str().expect("an id").to_owned();
                match message["MessageTypeId"].as_u64() {
                    Some(2) => {
                        let answer = result_object(&id, r#"{"currentTime":"now"}"#);
                        back_end.publish(&topic.replace("ocpp/cp/", "ocpp/cs/"), answer).await;
                    }
                    kind => {
                        // An answer from here that is late for its connection is reported with the id of the charge
                        // point's CALL, which is not in the table.
                        if let Some(outcome) = outcomes.get_mut(&id) {
                            open -= usize::from(outcome.answered + outcome.reported == 0);
                            if kind == Some(3) { outcome.answered += 1 } else { outcome.reported += 1 }
                        }
                    }
                }
            }
        }
    }
    outcomes
}

/// Answers CALLs of the back end until the connection is closed or `answers` reaches `wanted`.
async fn answer_until(charge_point: &mut ChargePoint, answers: &mut usize, wanted: usize) -> Option<(u16, String)> {
    while *answers < wanted {
        match charge_point.receive().await {
            Received::Ping => {}
            Received::Closed(reason) => return reason,
            Received::Text(text) => {
                let frame: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                match frame[0].as_u64() {
                    Some(2) => charge_point.send(&format!("[3,{},{{}}]", frame[1])).await,
                    _ => *answers += 1,
                }
            }
        }
    }
    None
}

/// Alternates between the gateways; connects to the next one before the previous connection ends. Returns the last
/// connection.
async fn roam(name: String, mut current: ChargePoint, gateways: [SocketAddr; 2]) -> ChargePoint {
    for visit in 1..=VISITS {
        let mut answers = 0;
        // One CALL at a time, as OCPP requires, so that each is answered or the connection is closed.
        for number in 0..CALLS {
            current.send(&format!(r#"[2,"{name}-{visit}-{number}","Heartbeat",{{}}]"#)).await;
            let closed = answer_until(&mut current, &mut answers, number + 1).await;
            assert_eq!(closed, None, "{name} is connected only here");
        }
        let next = ChargePoint::ocpp16(gateways[visit % 2], &name).await;
        let mut last = std::mem::replace(&mut current, next);
        let (code, _) = answer_until(&mut last, &mut 0, usize::MAX).await.expect("a reason");
        assert_eq!(code, 1008);
    }
    current
}

#[tokio::test(flavor = "multi_thread")]
async fn charge_points_that_roam_under_load_lose_no_call() {
    let broker = broker().await;
    let (a, b) = (gateway(broker.local_addr()).await, gateway(broker.local_addr()).await);
    let addresses = [a.ocpp(), b.ocpp()];
    let back_end = BackEnd::listen(broker.local_addr(), "ocpp/cp/#").await;
    // The back end sends no CALL before the charge points are connected.
    let mut starting = Vec::new();
    for number in 0..ROAMERS {
        let name = format!("CP{number}");
        starting.push((a.charge_point(&name).await, name));
    }
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let back_end = tokio::spawn(run_back_end(back_end, stopped));
    let roamers: Vec<_> =
        starting.into_iter().map(|(charge_point, name)| tokio::spawn(roam(name, charge_point, addresses))).collect();
    let mut charge_points = Vec::new();
    for roamer in roamers {
        charge_points.push(timeout(TIMEOUT * 3, roamer).await.expect("in time").expect("no panic"));
    }
    // The charge points continue to answer on their last connections.
    let answering: Vec<_> = charge_points
        .into_iter()
        .map(|mut charge_point| tokio::spawn(async move { answer_until(&mut charge_point, &mut 0, usize::MAX).await }))
        .collect();
    drop(stop);
    let outcomes = timeout(TIMEOUT, back_end).await.expect("every CALL is accounted for").expect("no panic");
    let answered = outcomes.values().filter(|outcome| outcome.answered > 0).count();
    assert!(answered > outcomes.len() / 2, "{answered} of {}", outcomes.len());
    // A CALL that arrives while a charge point is connected to both gateways, for one round trip to the broker, may be
    // answered on both connections.
    let twice = outcomes.values().filter(|outcome| outcome.answered > 1).count();
    assert!(twice < outcomes.len() / 10, "{twice} of {}", outcomes.len());
    let connections = a.metric("ocpp_gateway_connections").await + b.metric("ocpp_gateway_connections").await;
    assert_eq!(connections, ROAMERS as f64);
    let taken_over = r#"ocpp_gateway_closed_total{reason="taken_over"}"#;
    assert_eq!(a.metric(taken_over).await + b.metric(taken_over).await, (ROAMERS * VISITS) as f64);
    answering.into_iter().for_each(|task| task.abort());
    a.stop().await;
    b.stop().await;
    broker.stop().await;
}
