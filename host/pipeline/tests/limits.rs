//! A guest with every kind of fault (`guest-sdk/tests/guests/faulty.rs`): each is contained, named and survived.

mod common;

use common::{frame, from_mqtt, log_of, peer, spec, to_mqtt};
use ocpp_gateway_core::{Frame, Publish};
use ocpp_gateway_pipeline::{
    Cause, Failure, GuestFault, IllegalOutput, Limits, LoadFault, Message, Pipeline, TransformSpec, Validation,
};
use ocpp_gateway_testkit::guest;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

fn faulty() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| guest::build("faulty", env!("CARGO_TARGET_TMPDIR"))).clone()
}

/// A busy machine must not reach the time limit where another limit is under test.
fn unhurried() -> Limits {
    Limits { time: Some(Duration::from_secs(30)), ..Limits::default() }
}

fn load(limits: Limits) -> Pipeline {
    Pipeline::load(vec![TransformSpec { limits, ..spec(faulty()) }]).expect("it loads")
}

fn call<'a>(action: &'a str) -> Frame<'a> {
    Frame { action: Some(action.into()), ..frame(r#"[2,"1","x",{}]"#) }
}

/// The fault of one action. The next call must work again.
fn fault(pipeline: &Pipeline, action: &str) -> GuestFault {
    let fault = match to_mqtt(pipeline, &peer("CP1"), &call(action)) {
        Err(Failure::Guest(fault)) => fault,
        other => panic!("{action}: {other:?}"),
    };
    let next = to_mqtt(pipeline, &peer("CP1"), &call("Heartbeat")).expect("a fresh instance");
    assert_eq!((next[0].topic.as_str(), next[0].payload.as_slice()), ("up/CP1", &b"{}"[..]));
    fault
}

#[test]
fn an_endless_loop_ends_at_the_deadline() {
    let limit = Duration::from_millis(20);
    let pipeline = load(Limits { time: Some(limit), ..Limits::default() });
    to_mqtt(&pipeline, &peer("CP1"), &call("Heartbeat")).expect("a warm instance");
    let started = Instant::now();
    assert_eq!(fault(&pipeline, "Loop"), GuestFault::Deadline { limit });
    assert!(started.elapsed() >= limit);
}

#[test]
fn memory_is_limited() {
    let limit = 4 << 20;
    let pipeline = load(Limits { memory: limit, ..unhurried() });
    let hog = fault(&pipeline, "Hog");
    assert!(matches!(hog, GuestFault::Memory { wanted, limit: named } if wanted > limit && named == limit), "{hog}");
}

#[test]
fn deep_recursion_is_reported_as_a_stack_fault() {
    assert_eq!(fault(&load(unhurried()), "Recurse"), GuestFault::Stack);
}

#[test]
fn a_panic_reaches_the_log_and_is_the_reason_with_a_backtrace() {
    let pipeline = load(unhurried());
    let log = log_of(|| {
        let panic = fault(&pipeline, "Panic").to_string();
        let (reason, panic) = panic.split_once('\n').expect("a backtrace");
        assert!(reason.starts_with("trapped: panicked at ") && reason.contains("no such luck"), "{reason}");
        assert!(panic.contains("unreachable") && panic.contains("faulty"), "{panic}");
        // Names as in the source, without the frames that all panics have in common.
        assert!(
            panic.contains("mapping@1.0.0#to-mqtt") && !panic.contains("panic") && !panic.contains("_RN"),
            "{panic}"
        );
    });
    let line = log.lines().find(|line| line.contains("no such luck")).expect(&log);
    assert!(line.contains("ERROR") && line.contains("under test") && line.contains("CP1"), "{line}");
    // With its place in the source.
    assert!(line.contains("faulty.rs:") && line.contains("Panic") && line.contains("version"), "{line}");
    let status = pipeline.transforms().remove(0);
    assert_eq!((status.calls, status.failures), (2, 1));
    assert!(status.last_failure.is_some_and(|why| why.contains("no such luck")));
}

#[test]
fn log_lines_carry_transform_charge_point_and_fields() {
    let pipeline = load(unhurried());
    let log = log_of(|| assert_eq!(to_mqtt(&pipeline, &peer("CP1"), &call("Log")), Ok(vec![])));
    let line = log.lines().find(|line| line.contains("odd")).expect(&log);
    for part in ["WARN", "transform", "under test", "CP1", "payload", "{}"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn log_lines_are_limited_per_second() {
    let pipeline = load(Limits { log_lines: 10, ..unhurried() });
    let log = log_of(|| assert_eq!(to_mqtt(&pipeline, &peer("CP1"), &call("Flood")), Ok(vec![])));
    // Ten lines, or some more if another second has begun meanwhile.
    let lines = log.lines().count();
    assert!((1..=21).contains(&lines), "{lines}");
    assert!(pipeline.transforms()[0].log_lines_suppressed >= 980);
}

#[test]
fn log_limit_of_a_new_configuration_applies_to_a_running_transform() {
    let quiet = TransformSpec { limits: Limits { log_lines: 0, ..unhurried() }, ..spec(faulty()) };
    let pipeline = Pipeline::load(vec![quiet.clone()]).expect("it loads");
    let lines = || log_of(|| assert_eq!(to_mqtt(&pipeline, &peer("CP1"), &call("Log")), Ok(vec![]))).lines().count();
    assert_eq!(lines(), 0);
    let talkative = TransformSpec { limits: unhurried(), ..quiet };
    pipeline.swap_all(vec![talkative], Vec::new(), Validation::default(), pipeline.rollback_mark()).expect("swapped");
    assert_eq!(lines(), 1);
}

#[test]
fn message_that_the_mapping_maps_to_nothing_counts_as_dropped() {
    let pipeline = load(unhurried());
    let incidents = pipeline.uplink(&pipeline.newest(), &peer("CP1"), &call("Log")).incidents;
    assert!(matches!(&incidents[0].cause, Cause::Dropped(reason) if reason == "answered with an empty list"));
}

#[test]
fn illegal_output_is_not_passed_on() {
    let pipeline = load(unhurried());
    let limit = Limits::default().bytes_out;
    for (action, illegal) in [
        ("Many", IllegalOutput::TooMany { count: 17, limit: 16 }),
        ("Large", IllegalOutput::TooLarge { bytes: (300 << 10) + 2, limit }),
        ("Wildcard", IllegalOutput::TopicCharacter('#')),
        ("QoS", IllegalOutput::QoS(3)),
    ] {
        assert_eq!(fault(&pipeline, action), GuestFault::Output(illegal), "{action}");
    }
    // An answer so large that it is not even copied.
    assert!(matches!(fault(&pipeline, "Huge"), GuestFault::Trap(_)));
    let filters = pipeline.subscriptions(&pipeline.newest(), &peer("HASH"));
    assert_eq!(filters, Err(GuestFault::Output(IllegalOutput::Filter("#/a".into())).into()));
}

#[test]
fn illegal_frames_do_not_reach_a_charge_point() {
    let pipeline = load(unhurried());
    for (text, illegal) in [
        ("two values", IllegalOutput::Payload),
        ("[]", IllegalOutput::Payload),
        ("{", IllegalOutput::Payload),
        ("long id", IllegalOutput::MessageId(256)),
        ("no action", IllegalOutput::NoAction),
    ] {
        let publish = Publish { topic: "down/CP1/x".into(), payload: text.into(), ..Publish::default() };
        let frames = from_mqtt(&pipeline, &peer("CP1"), &Message::from(&publish));
        assert_eq!(frames, Err(GuestFault::Output(illegal).into()), "{text}");
    }
}

#[test]
fn refusal_is_not_a_failure() {
    let pipeline = load(unhurried());
    let refused = to_mqtt(&pipeline, &peer("CP1"), &call("Refuse"));
    let Err(Failure::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!((&*refusal.code, refusal.message_id().as_deref()), ("SecurityError", Some("7")));
    let status = pipeline.transforms().remove(0);
    assert_eq!((status.calls, status.refusals, status.failures), (1, 1, 0));
}

#[test]
fn refusal_has_a_description_and_is_cut_to_the_limits() {
    let pipeline = load(unhurried());
    for (action, code, description) in [
        ("RefuseWithoutWords", "GenericError".to_owned(), "no reason is given".to_owned()),
        ("RefuseAtLength", "é".repeat(50), "ä".repeat(255)),
    ] {
        let refused = to_mqtt(&pipeline, &peer("CP1"), &call(action));
        let Err(Failure::Refused(refusal)) = refused else { panic!("{refused:?}") };
        assert_eq!((&*refusal.code, &*refusal.description), (&*code, &*description));
    }
}

#[test]
fn clock_of_a_guest_advances() {
    let pipeline = load(unhurried());
    let read = || {
        let published = to_mqtt(&pipeline, &peer("CP1"), &call("Clock")).expect("a reading");
        let text = String::from_utf8(published[0].payload.clone()).expect("text");
        let (unix_ms, monotonic_ns) = text.split_once(' ').expect("two numbers");
        (unix_ms.parse::<u64>().expect("a number"), monotonic_ns.parse::<u64>().expect("a number"))
    };
    let (first, second) = (read(), read());
    assert!(first.0 > 1_700_000_000_000 && second.1 > first.1, "{first:?} {second:?}");
}

#[test]
fn an_instance_that_leaks_is_replaced_before_it_fails() {
    let pipeline = load(unhurried());
    // 100 MB are leaked, and 16 MiB are allowed.
    for _ in 0..5_000 {
        to_mqtt(&pipeline, &peer("CP1"), &call("Leak")).expect("never out of memory");
    }
}

#[test]
fn configuration_that_is_refused_panics_or_never_ends_is_a_load_fault() {
    let fault = |config: &str| {
        let errors = Pipeline::load(vec![TransformSpec { config: config.into(), ..spec(faulty()) }]);
        errors.err().expect("not loaded").remove(0).fault
    };
    assert!(matches!(fault("refuse"), LoadFault::Config(reason) if reason == "nothing is right"));
    assert!(matches!(fault("panic"), LoadFault::Start(Failure::Guest(GuestFault::Trap(_)))));
    assert!(matches!(fault("loop"), LoadFault::Start(Failure::Guest(GuestFault::Deadline { .. }))));
}
