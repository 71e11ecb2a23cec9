//! Minimal components with the imports of an interpreter: which functions of WASI they get, and which they do not.

mod common;

use common::{BEGINNING, component, file, log_of, peer, spec};
use ocpp_gateway_pipeline::{Clock, Failure, GuestFault, LoadError, LoadFault, LoadOptions, TransformHarness};
use std::fs;
use std::time::Duration;

/// The part of WASI that the guests below import; resources are shared as in the whole.
const WASI: &str = r#"
    package test:guest;
    world guest {
        include ocpp-gateway:transform/lifecycle-hook@1.0.0;
        include ocpp-gateway:transform/events-hook@1.0.0;
        import wasi:io/streams@VERSION;
        import wasi:cli/environment@VERSION;
        import wasi:cli/stdout@VERSION;
        import wasi:cli/stderr@VERSION;
        import wasi:random/random@VERSION;
        import wasi:clocks/wall-clock@VERSION;
        import wasi:sockets/network@VERSION;
        import wasi:sockets/instance-network@VERSION;
    }
    package wasi:io@VERSION {
        interface error { resource error; }
        interface poll { resource pollable; }
        interface streams {
            use error.{error};
            use poll.{pollable};
            variant stream-error { last-operation-failed(error), closed }
            resource output-stream {
                check-write: func() -> result<u64, stream-error>;
                write: func(contents: list<u8>) -> result<_, stream-error>;
                blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
                subscribe: func() -> pollable;
            }
        }
    }
    package wasi:cli@VERSION {
        interface environment {
            get-environment: func() -> list<tuple<string, string>>;
            get-arguments: func() -> list<string>;
            initial-cwd: func() -> option<string>;
        }
        interface stdout { use wasi:io/streams@VERSION.{output-stream}; get-stdout: func() -> output-stream; }
        interface stderr { use wasi:io/streams@VERSION.{output-stream}; get-stderr: func() -> output-stream; }
    }
    package wasi:random@VERSION {
        interface random { get-random-bytes: func(len: u64) -> list<u8>; }
    }
    package wasi:clocks@VERSION {
        interface wall-clock {
            record datetime { seconds: u64, nanoseconds: u32 }
            now: func() -> datetime;
        }
    }
    package wasi:sockets@VERSION {
        interface network { resource network; }
        interface instance-network { use network.{network}; instance-network: func() -> network; }
    }
"#;

/// A component that runs `body` when a charge point connects, except the one of its trial, which has the connection 0;
/// then it publishes nothing. `imports` and `body` are text of a core module. Its memory up to 1024 is free and zero;
/// `text` is above.
fn guest(version: &str, imports: &str, text: &str, body: &str) -> Vec<u8> {
    let module = format!(
        r#"(module
            {imports}
            (memory (export "memory") 4)
            (data (i32.const 1024) "{text}")
            {BEGINNING}
            (func (export "ocpp-gateway:transform/events@1.0.0#connected")
                (param i32 i32 i32 i32 i32 i32 i32) (result i32)
                (local $count i32) (local $stream i32)
                (if (i32.eqz (local.get 4)) (then (return (i32.const 0))))
                {body}
                (i32.const 0))
            (func (export "ocpp-gateway:transform/events@1.0.0#disconnected")
                (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 0)))"#
    )
    .replace("VERSION", version);
    component(&module, &WASI.replace("VERSION", version))
}

fn load(name: &str, component: &[u8]) -> Result<TransformHarness, Vec<LoadError>> {
    TransformHarness::load(&spec(file(name, component)), Clock::Fixed(Duration::from_secs(1_000_000_000)))
}

/// The outcome of a guest when a charge point connects, and what it logs.
fn connect(name: &str, component: &[u8]) -> (Result<(), Failure>, String) {
    let harness = load(name, component).map_err(|errors| errors[0].to_string()).expect("it loads");
    let mut outcome = None;
    let log = log_of(|| outcome = Some(harness.connected(&peer("CP1")).map(|publishes| assert_eq!(publishes, []))));
    (outcome.expect("it ran"), log)
}

const STREAMS: &str = r#"
    (import "wasi:cli/stderr@VERSION" "get-stderr" (func $stderr (result i32)))
    (import "wasi:cli/stdout@VERSION" "get-stdout" (func $stdout (result i32)))
    (import "wasi:io/streams@VERSION" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
    (import "wasi:io/streams@VERSION" "[method]output-stream.blocking-write-and-flush"
        (func $write-and-flush (param i32 i32 i32 i32)))
    (import "wasi:io/streams@VERSION" "[method]output-stream.subscribe" (func $subscribe (param i32) (result i32)))
"#;

#[test]
fn printed_text_reaches_the_log_in_lines() {
    let body = r#"
        (call $write (call $stderr) (i32.const 1024) (i32.const 6) (i32.const 64))
        (call $write-and-flush (call $stdout) (i32.const 1042) (i32.const 5) (i32.const 64))
        (call $write (call $stderr) (i32.const 1030) (i32.const 12) (i32.const 64))"#;
    for version in ["0.2.0", "0.2.10"] {
        let component = guest(version, STREAMS, r"one line\ntwo linesthree", body);
        let (outcome, log) = connect(&format!("prints-{version}.wasm"), &component);
        assert_eq!(outcome, Ok(()));
        let lines: Vec<_> = log.lines().collect();
        assert_eq!(lines.len(), 3, "{log}");
        for (line, parts) in lines.iter().zip([["WARN", "one line"], ["INFO", "three"], ["WARN", "two lines"]]) {
            assert!(parts.iter().all(|part| line.contains(part)) && line.contains("CP1"), "{line}");
        }
    }
}

#[test]
fn text_printed_before_a_trap_reaches_the_log_and_is_the_reason() {
    let body = "(call $write (call $stderr) (i32.const 1024) (i32.const 8) (i32.const 64)) unreachable";
    let (outcome, log) = connect("fails.wasm", &guest("0.2.6", STREAMS, "KeyError", body));
    let Err(Failure::Guest(GuestFault::Trap(trap))) = outcome else { panic!("{outcome:?}") };
    assert!(trap.starts_with("KeyError\n") && log.contains("KeyError"), "{trap} {log}");
}

#[test]
fn printed_lines_are_limited() {
    let body = r#"
        (local.set $stream (call $stderr))
        (loop $again
            (call $write (local.get $stream) (i32.const 1024) (i32.const 2) (i32.const 64))
            (local.set $count (i32.add (local.get $count) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $count) (i32.const 1000))))"#;
    let (outcome, log) = connect("floods.wasm", &guest("0.2.6", STREAMS, r"x\n", body));
    assert_eq!(outcome, Ok(()));
    // A quarter of a hundred lines, or some more if another second has begun meanwhile.
    assert!((25..=51).contains(&log.lines().count()), "{log}");
}

#[test]
fn guest_gets_no_environment_but_a_clock_and_random_bytes() {
    let imports = r#"
        (import "wasi:cli/environment@VERSION" "get-environment" (func $environment (param i32)))
        (import "wasi:cli/environment@VERSION" "get-arguments" (func $arguments (param i32)))
        (import "wasi:cli/environment@VERSION" "initial-cwd" (func $directory (param i32)))
        (import "wasi:clocks/wall-clock@VERSION" "now" (func $now (param i32)))
        (import "wasi:random/random@VERSION" "get-random-bytes" (func $random (param i64 i32)))"#;
    let body = r#"
        (call $environment (i32.const 64)) (if (i32.load (i32.const 68)) (then unreachable))
        (call $arguments (i32.const 64)) (if (i32.load (i32.const 68)) (then unreachable))
        (call $directory (i32.const 64)) (if (i32.load8_u (i32.const 64)) (then unreachable))
        (call $now (i32.const 64)) (if (i64.ne (i64.load (i32.const 64)) (i64.const 1000000000)) (then unreachable))
        (call $random (i64.const 16) (i32.const 64))
        (if (i32.ne (i32.load (i32.const 68)) (i32.const 16)) (then unreachable))
        (if (i64.eqz (i64.load (i32.load (i32.const 64)))) (then unreachable))"#;
    assert_eq!(connect("asks.wasm", &guest("0.2.9", imports, "", body)).0, Ok(()));

    let too_many = "(call $random (i64.const 1000000000000) (i32.const 64))";
    let (outcome, _) = connect("draws.wasm", &guest("0.2.9", imports, "", too_many));
    let Err(Failure::Guest(GuestFault::Trap(trap))) = outcome else { panic!("{outcome:?}") };
    assert!(trap.contains("1000000000000 random bytes"), "{trap}");
}

#[test]
fn other_wasi_functions_trap_and_are_named() {
    let imports = r#"
        (import "wasi:sockets/instance-network@VERSION" "instance-network" (func $network (result i32)))"#;
    let network = guest("0.2.3", imports, "", "(drop (call $network))");
    // The stream that it borrows is still borrowed when the call ends.
    let subscribe = guest("0.2.3", STREAMS, "", "(drop (call $subscribe (call $stderr)))");
    for (name, component, called) in [
        ("network.wasm", network, "wasi:sockets/instance-network@0.2.3#instance-network"),
        ("subscribe.wasm", subscribe, "wasi:io/streams@0.2.3#[method]output-stream.subscribe"),
    ] {
        let (outcome, _) = connect(name, &component);
        let Err(Failure::Guest(GuestFault::Trap(trap))) = outcome else { panic!("{outcome:?}") };
        assert!(trap.contains(&format!("{called}, which is not available to transforms")), "{trap}");
    }
}

#[test]
fn other_versions_of_wasi_are_refused() {
    let component = guest("0.3.0", STREAMS, "", "(drop (call $stderr)) (drop (call $stdout))");
    let errors = load("later.wasm", &component).err().expect("not loaded");
    let names: Vec<_> = errors.iter().map(|error| error.fault.to_string()).collect();
    assert!(errors.iter().all(|error| matches!(error.fault, LoadFault::ForeignImport(_))), "{names:?}");
    assert!(names.iter().any(|name| name.contains("wasi:cli/stderr@0.3.0") && name.contains("WASI 0.2")), "{names:?}");
}

#[test]
fn cached_component_is_compiled_once() {
    let parent = tempfile::tempdir().expect("a directory");
    let cache = parent.path().join("compiled");
    let spec = spec(file("cached.wasm", &guest("0.2.3", STREAMS, "", "(drop (call $stderr))")));
    let options = LoadOptions { cache: Some(cache.clone()), ..LoadOptions::default() };
    let load =
        || TransformHarness::load(&spec, options.clone()).map_err(|errors| errors[0].to_string()).expect("it loads");
    let written = || {
        let files = fs::read_dir(&cache).expect("a directory").map(|file| file.expect("a file"));
        files.map(|file| file.metadata().and_then(|data| data.modified()).expect("a time")).collect::<Vec<_>>()
    };
    load();
    let first = written();
    assert_eq!(load().connected(&peer("CP1")), Ok(vec![]));
    assert_eq!((first.len(), written()), (1, first));
}
