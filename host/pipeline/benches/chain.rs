//! The cost of a message in chains, on several threads, and while transforms are swapped.
//!
//! `cargo bench -p ocpp-gateway-pipeline --bench chain`

use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use ocpp_gateway_core::{Frame, Identity, Peer, Version};
use ocpp_gateway_pipeline::{FewerHooks, Matching, Pipeline, STANDARD, Source, TransformSpec};
use ocpp_gateway_testkit::component::another_version;
use ocpp_gateway_testkit::guest;
use std::hint::black_box;
use std::sync::{Barrier, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

const HEARTBEAT: &str = r#"[2,"1200012677","Heartbeat",{}]"#;

fn chain(criterion: &mut Criterion) {
    let passing = guest::build("passing", env!("CARGO_TARGET_TMPDIR"));
    let stage = |name: &str, charge_points: &str| TransformSpec {
        name: name.into(),
        source: Source::File(passing.clone()),
        matching: Matching { charge_points: vec![charge_points.into()], ..Matching::default() },
        ..TransformSpec::standard()
    };
    let chains = [
        ("mapping alone", vec![]),
        ("two stages and mapping", vec![stage("first", "*"), stage("second", "*")]),
        ("two stages for others and mapping", vec![stage("first", "A*"), stage("second", "B*")]),
        ("mapping alone, again", vec![]),
    ];
    let mut group = criterion.benchmark_group("chain");
    for (name, stages) in chains {
        let pipeline = load([stages, vec![TransformSpec::standard()]].concat());
        group.bench_function(name, |bench| bench.iter(|| uplink(&pipeline)));
    }
    group.finish();
}

/// The same number of calls on each thread: two threads take as long as one if they do not wait for each other.
fn threads(criterion: &mut Criterion) {
    let pipeline = load(vec![TransformSpec::standard()]);
    let mut group = criterion.benchmark_group("threads");
    for threads in [1, 2] {
        group.bench_function(format!("{threads}"), |bench: &mut Bencher<'_>| {
            bench.iter_custom(|calls| on_threads(threads, || (0..calls).for_each(|_| uplink(&pipeline))));
        });
    }
    group.finish();
}

fn on_threads(count: usize, run: impl Fn() + Sync) -> Duration {
    let start = Barrier::new(count + 1);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    run();
                })
            })
            .collect();
        start.wait();
        let started = Instant::now();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        started.elapsed()
    })
}

/// From a complete file to the first message through its component, which was compiled before.
fn swap(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let files = [0, 1].map(|number| {
        let path = directory.path().join(format!("{number}.wasm"));
        std::fs::write(&path, another_version(STANDARD, number)).expect("written");
        path
    });
    let pipeline = load(vec![TransformSpec::standard()]);
    let mut alternating = files.iter().cycle();
    criterion.bench_function("swap and first message", |bench| {
        bench.iter(|| {
            let file = alternating.next().expect("the cycle does not end");
            pipeline.swap("standard", Some(Source::File(file.clone())), FewerHooks::Refuse).expect("it loads");
            uplink(&pipeline);
        });
    });
}

fn uplink(pipeline: &Pipeline) {
    static MESSAGE: LazyLock<(Peer, Frame<'_>)> = LazyLock::new(|| {
        let identity = Identity::new("chargePointSim", 48).expect("an identity");
        let peer = Peer { identity, version: Version::V1_6, connection: 1, attributes: Vec::new() };
        (peer, Frame::parse(HEARTBEAT).expect("a frame"))
    });
    let (peer, heartbeat) = &*MESSAGE;
    let outcome = pipeline.uplink(&pipeline.newest(), black_box(peer), black_box(heartbeat));
    assert_eq!(outcome.publishes.len(), 1);
}

fn load(specs: Vec<TransformSpec>) -> Pipeline {
    Pipeline::load(specs).expect("they load")
}

criterion_group!(benches, chain, threads, swap);
criterion_main!(benches);
