//! A transform that fails for one charge point does not affect the others, for which it works.

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

/// Fifty connected charge points that have called the standard mapping.
fn fifty(pipeline: &Pipeline) -> Vec<Peer> {
    let peers: Vec<_> = (0..50).map(|number| peer(&format!("CP{number}"))).collect();
    for peer in &peers {
        pipeline.connected(&pipeline.newest(), peer);
        to_mqtt(pipeline, peer, &frame(HEARTBEAT)).expect("mapped");
    }
    peers
}

/// The standard mapping, and the outcomes of its swaps.
fn load() -> (Pipeline, mpsc::Receiver<SwapOutcome>) {
    let limits = Limits { time: Some(Duration::from_secs(30)), ..Limits::default() };
    let pipeline = Pipeline::load(vec![TransformSpec { limits, ..TransformSpec::standard() }]).expect("it loads");
    let (notify, outcomes) = mpsc::channel();
    pipeline.on_swap(move |report| notify.send(report.outcome).expect("received"));
    (pipeline, outcomes)
}

fn panics() -> Frame<'static> {
    Frame { action: Some("Panic".into()), ..frame(HEARTBEAT) }
}

#[test]
fn mapping_that_fails_for_one_charge_point_of_fifty_is_stopped_for_it_only() {
    let (pipeline, outcomes) = load();
    let peers = fifty(&pipeline);
    pipeline.swap("standard", Some(Source::File(faulty())), FewerHooks::Refuse).expect("swapped");
    assert_eq!(outcomes.recv(), Ok(SwapOutcome::Swapped));
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
    // Ten failures, and one for each ten seconds that this has taken.
    assert!(status.failures < 30 && status.component.ends_with("faulty.wasm"), "{status:?}");
}

#[test]
fn new_mapping_that_fails_for_most_charge_points_is_rolled_back() {
    let (pipeline, outcomes) = load();
    let peers = fifty(&pipeline);
    pipeline.swap("standard", Some(Source::File(faulty())), FewerHooks::Refuse).expect("swapped");
    let failed = peers.iter().filter(|peer| to_mqtt(&pipeline, peer, &panics()).is_err()).count();
    assert!(failed > 23, "{failed}");
    let next = || outcomes.recv_timeout(Duration::from_secs(20)).expect("in time");
    assert_eq!([next(), next()], [SwapOutcome::Swapped, SwapOutcome::RolledBack]);
    for peer in &peers {
        to_mqtt(&pipeline, peer, &frame(HEARTBEAT)).expect("mapped");
    }
}

#[test]
fn failing_admission_of_unknown_identities_does_not_keep_others_out() {
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
            attributes: Attributes::new(),
        });
        matches!(decision, Decision::Accept(_))
    };
    // A client names many identities, also from the address of a neighbour.
    for number in 0..200 {
        assert!(!admit(&format!("BAD{number}"), &format!("192.0.2.1:{number}")));
    }
    assert!(admit("CP1", "192.0.2.1:7") && admit("CP2", "198.51.100.1:7"));
    assert!(!pipeline.transforms()[0].stopped);
}

#[test]
fn many_log_lines_about_one_charge_point_leave_room_for_others() {
    let limits = Limits { log_lines: 40, time: Some(Duration::from_secs(30)), ..Limits::default() };
    let pipeline = Pipeline::load(vec![TransformSpec { limits, ..spec(faulty()) }]).expect("it loads");
    let flood = Frame { action: Some("Flood".into()), ..frame(HEARTBEAT) };
    let lines =
        |id| log_of(|| drop(to_mqtt(&pipeline, &peer(id), &flood))).matches(&format!("charge_point=\"{id}\"")).count();
    // All lines that it may have, or some more if another second has begun meanwhile; and the other has its own.
    let (flooding, other) = (lines("CP1"), lines("CP2"));
    assert!((10..=31).contains(&flooding) && other >= 10, "{flooding} {other}");
}

/// One character in becomes six out: the output grows with the input, as it is escaped.
#[test]
fn output_that_grows_by_escaping_is_not_a_failure() {
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
