//! How much the host copies from a guest at a time: the answer of a call, and values for its state.

mod common;

use common::{BEGINNING, component, file, peer, spec};
use ocpp_gateway_core::{Peer, Publish};
use ocpp_gateway_pipeline::{Clock, Failure, GuestFault, IllegalOutput, Limits, TransformHarness, TransformSpec};
use std::time::Duration;

/// The messages and values of the guest are this many bytes, times the number of the connection.
const UNIT: usize = 64 << 10;

const WORLD: &str = "
    package test:guest;
    world guest {
        include ocpp-gateway:transform/lifecycle-hook@1.0.0;
        include ocpp-gateway:transform/events-hook@1.0.0;
    }
";

const SET: &str = r#"
    (import "ocpp-gateway:transform/state@1.0.0" "set" (func $set (param i32 i32 i32 i32 i32 i32 i32)))
"#;

/// When a charge point connects, it publishes as many messages of one unit as the number of the connection says: always
/// the same bytes, so that it can answer with more than its memory holds. The topic has one character for each call of
/// the instance.
///
/// When one disconnects, it runs `body` and publishes the two bytes of the result at 128.
fn guest(imports: &str, body: &str) -> Vec<u8> {
    let module = format!(
        r#"(module
            {imports}
            (memory (export "memory") 20)
            (data (i32.const 1024) "tttttttt")
            (global $calls (mut i32) (i32.const 0))
            {BEGINNING}
            ;; Adds a message to the list at 64, whose items lie above 32768.
            (func $publish (param $payload i32) (param $length i32) (local $at i32)
                (local.set $at (i32.add (i32.const 32768) (i32.mul (i32.load (i32.const 68)) (i32.const 36))))
                (i32.store (local.get $at) (i32.const 1024))
                (i32.store offset=4 (local.get $at) (global.get $calls))
                (i32.store offset=8 (local.get $at) (local.get $payload))
                (i32.store offset=12 (local.get $at) (local.get $length))
                (i32.store (i32.const 68) (i32.add (i32.load (i32.const 68)) (i32.const 1))))
            (func $begin
                (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                (i32.store (i32.const 64) (i32.const 32768))
                (i32.store (i32.const 68) (i32.const 0))
                (i32.store16 (i32.const 128) (i32.const 0)))
            (func (export "ocpp-gateway:transform/events@1.0.0#connected")
                (param i32 i32 i32 i32) (param $number i32) (param i32 i32) (result i32)
                (call $begin)
                (block $end (loop $next
                    (br_if $end (i32.eqz (local.get $number)))
                    (call $publish (i32.const {UNIT}) (i32.const {UNIT}))
                    (local.set $number (i32.sub (local.get $number) (i32.const 1)))
                    (br $next)))
                (i32.const 64))
            (func (export "ocpp-gateway:transform/events@1.0.0#disconnected")
                (param i32 i32 i32 i32) (param $number i32) (param i32 i32 i32 i32) (result i32)
                (call $begin)
                {body}
                (call $publish (i32.const 128) (i32.const 2))
                (i32.const 64)))"#
    );
    component(&module, WORLD)
}

/// A guest without state.
fn plain() -> Vec<u8> {
    guest("", "")
}

/// A guest that keeps a value under a key of one byte: as many units as the number of the connection says.
fn keeping() -> Vec<u8> {
    let set = format!(
        "(call $set (i32.const 1024) (i32.const 1)
            (i32.const {UNIT}) (i32.mul (local.get $number) (i32.const {UNIT})) (i32.const 0) (i32.const 0) (i32.const 128))"
    );
    guest(SET, &set)
}

/// A busy machine must not reach the time limit, and the number of messages is not under test here.
fn limits() -> Limits {
    Limits { time: Some(Duration::from_secs(30)), memory: 2 << 20, items: 100, ..Limits::default() }
}

fn load(name: &str, component: &[u8], limits: Limits) -> TransformHarness {
    let spec = TransformSpec { limits, ..spec(file(name, component)) };
    TransformHarness::load(&spec, Clock::Machine).map_err(|errors| errors[0].to_string()).expect("it loads")
}

fn connection(number: usize) -> Peer {
    Peer { connection: u32::try_from(number).expect("a small number"), ..peer("CP1") }
}

/// The number of messages in an answer, and the number of the call in its instance; or why there is no answer.
fn answer(harness: &TransformHarness, messages: usize) -> Result<(usize, usize), GuestFault> {
    match harness.connected(&connection(messages)) {
        Ok(publishes) => Ok((publishes.len(), publishes[0].topic.len())),
        Err(Failure::Guest(fault)) => Err(fault),
        Err(other) => panic!("{other}"),
    }
}

/// The fault of an answer that is copied, and then found to be too large.
fn too_large(messages: usize, call: usize) -> GuestFault {
    IllegalOutput::TooLarge { bytes: messages * (UNIT + call), limit: limits().bytes_out }.into()
}

/// The limit that the error names if an answer is not even copied.
fn most_copied(answer: Result<(usize, usize), GuestFault>) -> usize {
    let Err(GuestFault::Trap(text)) = answer else { panic!("{answer:?}") };
    let (_, figure) = text.split_once("(at most ").expect(&text);
    figure.split_once(" bytes are copied").expect(&text).0.parse().expect(&text)
}

#[test]
fn answer_too_large_to_be_copied_names_the_limit_and_ends_its_instance() {
    let harness = load("plain.wasm", &plain(), limits());
    assert_eq!((answer(&harness, 1), answer(&harness, 3)), (Ok((1, 1)), Ok((3, 2))));
    assert_eq!(answer(&harness, 4), Err(too_large(4, 3)));
    assert_eq!(answer(&harness, 8), Err(too_large(8, 4)));
    assert_eq!(most_copied(answer(&harness, 9)), 9 * UNIT);
    assert_eq!(answer(&harness, 1), Ok((1, 1)), "another instance");
}

#[test]
fn answer_of_a_component_that_keeps_values_is_copied_up_to_its_memory_limit() {
    let harness = load("keeping.wasm", &keeping(), limits());
    let units = limits().memory / UNIT;
    assert_eq!(answer(&harness, units - 1), Err(too_large(units - 1, 1)));
    assert_eq!(most_copied(answer(&harness, units)), limits().memory);
    assert_eq!(answer(&harness, 1), Ok((1, 1)), "another instance");
    // The answer of a component without state is not.
    assert_eq!(most_copied(answer(&load("keeps-nothing.wasm", &plain(), limits()), units - 1)), 9 * UNIT);
}

#[test]
fn value_that_does_not_fit_is_refused_without_stopping_the_guest() {
    const KEPT: &[u8] = &[0, 0];
    const TOO_LARGE: &[u8] = &[1, 1];
    // The limit is above what is copied of the answers of other components.
    let harness = load("keeps.wasm", &keeping(), Limits { state_bytes: 16 * UNIT + 1, ..limits() });
    let keep = |units: usize, call: usize| {
        let published = harness.disconnected(&connection(units), "gone").expect("an answer");
        let [Publish { topic, payload, .. }] = published.as_slice() else { panic!("{published:?}") };
        assert_eq!(topic.len(), call, "it is still the same instance");
        payload.clone()
    };
    assert_eq!(keep(16, 1), KEPT);
    assert_eq!(keep(17, 2), TOO_LARGE);
    // All of its memory from there on.
    assert_eq!(keep(19, 3), TOO_LARGE);
    assert_eq!(keep(1, 4), KEPT);
}
