//! `Frame::parse` on a small and a large CALL, compared with two ways to parse with serde_json alone.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ocpp_gateway_core::Frame;
use serde_json::Value;
use serde_json::value::RawValue;
use std::hint::black_box;

/// A StatusNotification of 100 bytes.
const SMALL: &str =
    r#"[2,"8f1c2f0a77-01","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Charging"}]"#;

/// A MeterValues of about 1.5 KB.
fn large() -> String {
    let sampled: Vec<_> = (0..14)
        .map(|phase| {
            format!(
                r#"{{"value":"{}.5","context":"Sample.Periodic","measurand":"Voltage","phase":"L{}-N","unit":"V"}}"#,
                220 + phase,
                phase % 3 + 1
            )
        })
        .collect();
    format!(
        r#"[2,"8f1c2f0a77","MeterValues",{{"connectorId":1,"transactionId":42,"meterValue":[{{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{}]}}]}}]"#,
        sampled.join(",")
    )
}

fn split(criterion: &mut Criterion) {
    for (name, text) in [("100 bytes", SMALL.to_owned()), ("1.5 KB", large())] {
        let mut group = criterion.benchmark_group(format!("frame, {name}"));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("Frame::parse", |bencher| bencher.iter(|| Frame::parse(black_box(&text)).is_ok()));
        group.bench_function("serde_json tuple with RawValue", |bencher| {
            bencher.iter(|| serde_json::from_str::<(u8, &str, &str, &RawValue)>(black_box(&text)).is_ok())
        });
        group.bench_function("serde_json Value", |bencher| {
            bencher.iter(|| serde_json::from_str::<Value>(black_box(&text)).is_ok())
        });
        group.finish();
    }
}

criterion_group!(benches, split);
criterion_main!(benches);
