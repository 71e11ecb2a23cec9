//! The time to validate payloads with the published schemas, compared with splitting frames and parsing payloads.
//!
//! `cargo bench -p ocpp-gateway-core --bench validation`

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ocpp_gateway_core::{Frame, Payload, Schema, Version};
use std::hint::black_box;

/// A frame without a payload, one of 100 bytes, and one of 1.5 kB.
fn frames() -> [(&'static str, String); 3] {
    let status =
        r#"[2,"1200012678","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available"}]"#;
    let sample = r#"{"value":"1234567.8","context":"Sample.Periodic","format":"Raw","measurand":"Energy.Active.Import.Register","location":"Outlet","unit":"Wh"}"#;
    let samples = [sample; 10].join(",");
    let meter = format!(
        r#"[2,"1200012679","MeterValues",{{"connectorId":1,"transactionId":7,"meterValue":[{{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{samples}]}}]}}]"#
    );
    [
        ("Heartbeat", r#"[2,"1200012677","Heartbeat",{}]"#.to_owned()),
        ("StatusNotification, 100 bytes", status.to_owned()),
        ("MeterValues, 1.5 kB", meter),
    ]
}

fn validation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("validation");
    for (name, text) in frames() {
        group.bench_function(BenchmarkId::new("split only", name), |bench| {
            bench.iter(|| Frame::parse(black_box(&text)).expect("a frame").payload.len());
        });
        group.bench_function(BenchmarkId::new("split and validate", name), |bench| {
            bench.iter(|| assert!(is_valid(&Frame::parse(black_box(&text)).expect("a frame"))));
        });
        let frame = Frame::parse(&text).expect("a frame");
        group.bench_function(BenchmarkId::new("parse only", name), |bench| {
            bench.iter(|| serde_json::from_str::<serde_json::Value>(black_box(&frame.payload)).expect("JSON"));
        });
    }
    group.finish();
}

fn is_valid(frame: &Frame<'_>) -> bool {
    let schema = Schema::find(Version::V1_6, frame.kind, frame.action_name()).expect("a schema");
    schema.violation(Version::V1_6, &Payload::new(&frame.payload)).is_none()
}

criterion_group!(benches, validation);
criterion_main!(benches);
