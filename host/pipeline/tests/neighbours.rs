//! One charge point for which a transform breaks, among others for which it works: none of these notices.

mod common;

use common::{frame, log_of, peer, spec, to_mqtt};
use ocpp_gateway_core::{Attributes, Decision, Frame, Offer, Peer};
use ocpp_gateway_pipeline::{
    Failure, FewerHooks, GuestFault, Limits, Message, Pipeline, Source, SwapOutcome, TransformSpec, UplinkOutcome,
};
use ocpp_gateway_testkit::guest;
use std::path::PathBuf;
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

const HEARTBEAT: &str = r#"[2,"1","Heartbeat",{}]"#;

fn faulty() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| guest::build("faulty", env!("CARGO_TARGET_TMPDIR"))).clone()
}

/// Fifty charge points, which have called the standard mapping.
fn fifty(pipeline: &Pipeline) -> Vec<Peer> {
    let peers: Vec<_> = (0..50).map(|number| peer(&format!("CP{number}"))).collect();
    for peer in &peers {
        pipeline.connected(&pipeline.newest(), peer);
        to_mqtt(pipeline, peer, &frame(HEARTBEAT)).expect("mapped");
    }
    peers
}

/// The standard mapping, and what has become of it.
fn load() -> (Pipeline, mpsc::Receiver<SwapOutcome>) {
    let limits = Limits { time: Some(Duration::from_secs(30)), ..Limits::default() };
    let pipeline = Pipeline::load(vec![TransformSpec { limits, ..TransformSpec::standard() }]).expect("it loads");
    let (notify, noticed) = mpsc::channel();
    pipeline.on_swap(move |report| notify.send(report.outcome).expect("heard"));
    (pipeline, noticed)
}

fn panics() -> Frame<'static> {
    Frame { action: Some("Panic".into()), ..frame(HEARTBEAT) }
}

#[test]
fn one_charge_point_of_fifty_that_breaks_a_new_mapping_is_alone_with_that() {
    let (pipeline, noticed) = load();
    let peers = fifty(&pipeline);
    pipeline.swap("standard", Some(Source::File(faulty())), FewerHooks::Refuse).expect("swapped");
    assert_eq!(noticed.recv(), Ok(SwapOutcome::Swapped));
    let (hostile, others) = peers.split_first().expect("some");
    for _ in 0..20 {
        // A hundred messages before any other has sent one.
        for _ in 0..100 {
            assert!(to_mqtt(&pipeline, hostile, &panics()).is_err());
        }
        for other in others {
            to_mqtt(&pipeline, other, &frame(HEARTBEAT)).expect("mapped");
        }
    }
    let stopped = to_mqtt(&pipeline, hostile, &frame(HEARTBEAT));
    assert!(matches!(stopped, Err(Failure::Guest(GuestFault::Stopped { for_all: false, .. }))), "{stopped:?}");
    let status = pipeline.transforms().remove(0);
    assert_eq!((status.stopped, status.stopped_charge_points), (false, 1));
    // Ten, and one for each ten seconds that this took.
    assert!(status.failures < 30 && status.component.ends_with("faulty.wasm"), "{status:?}");
}

#[test]
fn a_new_mapping_that_breaks_for_most_is_taken_back_for_all() {
    let (pipeline, noticed) = load();
    let peers = fifty(&pipeline);
    pipeline.swap("standard", Some(Source::File(faulty())), FewerHooks::Refuse).expect("swapped");
    let failed = peers.iter().filter(|peer| to_mqtt(&pipeline, peer, &panics()).is_err()).count();
    assert!(failed > 23, "{failed}");
    let next = || noticed.recv_timeout(Duration::from_secs(20)).expect("in time");
    assert_eq!([next(), next()], [SwapOutcome::Swapped, SwapOutcome::RolledBack]);
    for peer in &peers {
        to_mqtt(&pipeline, peer, &frame(HEARTBEAT)).expect("mapped");
    }
}

#[test]
fn strangers_that_break_admission_keep_nobody_out() {
    let every_hook = guest::build("every_hook", env!("CARGO_TARGET_TMPDIR"));
    let config = r#"{"hook":"admission","does":"panic"}"#.to_owned();
    let pipeline = Pipeline::load(vec![TransformSpec { config, ..spec(every_hook) }]).expect("it loads");
    let admit = |identity: &str, address: &str| {
        let (decision, _) = pipeline.admit(&Offer {
            identity: peer(identity).identity,
            remote_address: address.into(),
            path: format!("/ocpp/{identity}"),
            protocols: vec!["ocpp1.6".into()],
            headers: Attributes::new(),
            user: None,
        });
        matches!(decision, Decision::Accept(_))
    };
    // Under as many names as it likes, also from where a neighbour is.
    for number in 0..200 {
        assert!(!admit(&format!("BAD{number}"), &format!("192.0.2.1:{number}")));
    }
    assert!(admit("CP1", "192.0.2.1:7") && admit("CP2", "198.51.100.1:7"));
    assert!(!pipeline.transforms()[0].stopped);
}

#[test]
fn a_flood_of_lines_about_one_charge_point_leaves_room_for_others() {
    let limits = Limits { log_lines: 40, time: Some(Duration::from_secs(30)), ..Limits::default() };
    let pipeline = Pipeline::load(vec![TransformSpec { limits, ..spec(faulty()) }]).expect("it loads");
    let flood = Frame { action: Some("Flood".into()), ..frame(HEARTBEAT) };
    let lines =
        |id| log_of(|| drop(to_mqtt(&pipeline, &peer(id), &flood))).matches(&format!("charge_point=\"{id}\"")).count();
    // All that it may have, or some more where the second came to its end meanwhile; and so has the other.
    let (flooding, other) = (lines("CP1"), lines("CP2"));
    assert!((10..=31).contains(&flooding) && other >= 10, "{flooding} {other}");
}

/// One character in, six out: the output grows with what comes in, as it is escaped.
#[test]
fn what_grows_by_escaping_is_no_failure_of_the_mapping() {
    let pipeline = Pipeline::load(Vec::new()).expect("it loads");
    let control = |count| "\u{1}".repeat(count);
    for (id, action, code) in [(255, 128, 0), (255, 45_000, 0), (45_000, 45_000, 0), (255, 0, 45_000)] {
        let (id, action, code) = (control(id), control(action), control(code));
        let mut frame = frame(HEARTBEAT);
        if !code.is_empty() {
            frame = common::frame(r#"[4,"1","x","x",{}]"#);
            let head = frame.error.as_mut().expect("an error");
            (head.code, head.description) = (code.clone().into(), code.into());
        }
        frame.id = id.into();
        frame.action = (!action.is_empty()).then(|| action.into());
        let UplinkOutcome { publishes, incidents, .. } = pipeline.uplink(&pipeline.newest(), &peer("CP1"), &frame);
        assert_eq!((publishes.len(), incidents), (1, vec![]));
        let message = Message { topic: "ocpp/cs/CP1", ..Message::from(&publishes[0]) };
        let back = pipeline.downlink(&pipeline.newest(), &peer("CP1"), &message, Default::default());
        // An id of that length is refused, which is no failure.
        assert_eq!(back.incidents, []);
    }
}
