//! One call of the standard mapping as a library, to compare with the same call of the component:
//! `cargo bench -p ocpp-gateway-pipeline --bench mapping`.

use criterion::{Criterion, criterion_group, criterion_main};
use ocpp_transform::{Frame, FrameType, Mapping as _, Peer, Transform as _};
use ocpp_transform_standard::Standard;
use std::hint::black_box;

/// The BootNotification of that benchmark.
fn boot() -> Frame {
    Frame {
        type_: FrameType::Call,
        id: "1200012677".into(),
        action: Some("BootNotification".into()),
        payload: r#"{"chargePointVendor":"vendor1","chargePointModel":"model-00012"}"#.into(),
        error: None,
        attributes: Vec::new(),
    }
}

fn mapping(criterion: &mut Criterion) {
    let standard = Standard::configure("{}").expect("the defaults are valid");
    let peer = Peer { id: "chargePointSim".into(), protocol: "ocpp1.6".into(), connection: 1, attributes: Vec::new() };
    let boot = boot();
    criterion.bench_function("to_mqtt as a library", |bench| {
        // Cloned for each call, since a component gets a copy of the texts too.
        bench.iter(|| standard.to_mqtt(black_box(&peer), black_box(&boot).clone()));
    });
}

criterion_group!(benches, mapping);
criterion_main!(benches);
