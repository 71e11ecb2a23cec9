//! Number of allocations that the gateway makes per relayed CALL. Only the threads of the gateway are counted: charge
//! point, back end and broker run on another runtime.
//!
//! The expected numbers are in `expected.toml`. A change of one is made there too, with the benefit in the commit
//! message.

mod counting;

use counting::{Counting, count, count_this_thread};
use ocpp_gateway::app::Gateway;
use ocpp_gateway::config;
use ocpp_gateway_mqtt::{BrokerLimits, EmbeddedBroker};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::charge_point::ChargePoint;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// CALLs before counting begins: afterwards buffers have reached their final sizes.
const WARM_UP: usize = 100;
const CALLS: usize = 200;

#[test]
fn call_and_answer_take_the_expected_number_of_allocations() {
    let outer_runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let gateway_runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .on_thread_start(count_this_thread)
        .enable_all()
        .build()
        .expect("a runtime");
    let counted = outer_runtime.block_on(measure(&gateway_runtime));
    gateway_runtime.shutdown_timeout(Duration::from_secs(1));

    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/allocations/expected.toml");
    let expected: BTreeMap<String, u64> =
        toml::from_str(&std::fs::read_to_string(&file).expect("a file")).expect("numbers by name");
    let counted: BTreeMap<_, _> = counted.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    assert_eq!(counted, expected, "if the counts on the left are intended, write them into {}", file.display());
}

/// Allocations per CALL and its CALLRESULT, by kind of payload.
async fn measure(gateway_runtime: &Runtime) -> [(&'static str, u64); 2] {
    let broker = EmbeddedBroker::start(([127, 0, 0, 1], 0).into(), BrokerLimits::new(2 << 20)).await.expect("a broker");
    let gateway = {
        let _entered = gateway_runtime.enter();
        Gateway::start(&configuration(&broker), None).await.expect("started")
    };
    let address = gateway.addresses().ocpp;
    gateway_runtime.spawn(gateway.run(Box::pin(std::future::pending())));
    let mut back_end = BackEnd::listen(broker.local_addr(), "ocpp/cp/#").await;
    let mut charge_point = timeout(TIMEOUT, connect_when_ready(address)).await.expect("accepted");

    let sampled =
        r#"{"value":"230.1","context":"Sample.Periodic","measurand":"Voltage","phase":"L1","unit":"V"},"#.repeat(15);
    let sampled = sampled.trim_end_matches(',');
    let values = format!(
        r#"{{"connectorId":1,"meterValue":[{{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{sampled}]}}]}}"#
    );
    let mut per_call = [("heartbeat", 0), ("meter_values", 0)];
    for ((_, counted), (action, payload)) in per_call.iter_mut().zip([("Heartbeat", "{}"), ("MeterValues", &values)]) {
        let mut before = 0;
        for number in 0..WARM_UP + CALLS {
            if number == WARM_UP {
                before = count();
            }
            call(&mut charge_point, &mut back_end, &format!("{action}{number:06}"), action, payload).await;
        }
        // Rounding removes the occasional allocations of timers and connections.
        *counted = (count() - before + CALLS as u64 / 2) / CALLS as u64;
    }
    per_call
}

async fn call(charge_point: &mut ChargePoint, back_end: &mut BackEnd, id: &str, action: &str, payload: &str) {
    charge_point.send(&format!(r#"[2,"{id}","{action}",{payload}]"#)).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    back_end.publish("ocpp/cs/CP1", format!(r#"{{"MessageTypeId":3,"UniqueId":"{id}","Payload":{{}}}}"#)).await;
    assert_eq!(charge_point.text().await, format!(r#"[3,"{id}",{{}}]"#));
}

/// Retries until the gateway has reached its broker.
async fn connect_when_ready(address: std::net::SocketAddr) -> ChargePoint {
    loop {
        if let Ok(charge_point) = ChargePoint::connect(address, "/ocpp/CP1", &["ocpp1.6"]).await {
            return charge_point;
        }
        tokio::task::yield_now().await;
    }
}

fn configuration(broker: &EmbeddedBroker) -> config::Config {
    let keys = [
        ("OCPP__LISTEN", "127.0.0.1:0".to_owned()),
        ("ADMIN__LISTEN", "127.0.0.1:0".to_owned()),
        ("MQTT__URL", format!("mqtt://{}", broker.local_addr())),
    ];
    let variables = keys.into_iter().map(|(key, value)| (format!("OCPP_GATEWAY__{key}"), value));
    config::load(None::<&Path>, variables).expect("a configuration")
}
