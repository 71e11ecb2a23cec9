//! One mapping call in an existing instance, compared with native concatenation of the same text; and the whole path
//! through a chain of the mapping alone.
//!
//! `cargo bench -p ocpp-gateway-pipeline`

use criterion::{Criterion, criterion_group, criterion_main};
use ocpp_gateway_core::{Frame, Identity, Peer, Publish, QoS, Version};
use ocpp_gateway_pipeline::{Clock, Message, Pipeline, TransformHarness, TransformSpec};
use std::hint::black_box;

/// 101 bytes.
const BOOT: &str =
    r#"[2,"1200012677","BootNotification",{"chargePointVendor":"vendor1","chargePointModel":"model-00012"}]"#;
const ACCEPTED: &str = concat!(
    r#"{"MessageTypeId":3,"UniqueId":"1200012677","#,
    r#""Payload":{"currentTime":"2023-12-01T14:20:39+00:00","interval":300,"status":"Accepted"}}"#
);

fn mapping(criterion: &mut Criterion) {
    let call =
        TransformHarness::load(&TransformSpec::standard(), Clock::Machine).expect("the standard transform loads");
    let pipeline = Pipeline::load(Vec::new()).expect("the standard transform loads");
    let identity = Identity::new("chargePointSim", 48).expect("an identity");
    let peer = Peer { identity, version: Version::V1_6, connection: 1, attributes: Vec::new() };
    let boot = Frame::parse(BOOT).expect("a frame");
    let accepted =
        Message { topic: "ocpp/cs/chargePointSim", payload: ACCEPTED.as_bytes(), qos: QoS::AtLeastOnce, retain: false };

    let mut group = criterion.benchmark_group("mapping");
    group
        .bench_function("native concatenation", |bench| bench.iter(|| concatenate(black_box(&peer), black_box(&boot))));
    group.bench_function("to_mqtt", |bench| bench.iter(|| call.to_mqtt(black_box(&peer), black_box(&boot))));
    let newest = pipeline.newest();
    group.bench_function("uplink", |bench| bench.iter(|| pipeline.uplink(&newest, black_box(&peer), black_box(&boot))));
    group.bench_function("downlink", |bench| {
        bench.iter(|| pipeline.downlink(&newest, black_box(&peer), black_box(&accepted), Default::default()))
    });
    group.finish();
}

/// What `standard` does for a CALL with its default settings.
fn concatenate(peer: &Peer, frame: &Frame<'_>) -> Publish {
    let id = peer.identity.as_str();
    let topic = ["ocpp/cp/", id].concat();
    let payload = [
        r#"{"MessageTypeId":2,"UniqueId":""#,
        &frame.id,
        r#"","Action":""#,
        frame.action_name(),
        r#"","Payload":"#,
        &frame.payload,
        "}",
    ];
    Publish { topic, payload: payload.concat().into_bytes(), ..Publish::default() }
}

criterion_group!(benches, mapping);
criterion_main!(benches);
