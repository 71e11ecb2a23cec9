//! jq programs that do harm: each is stopped, named and survived, and harms no other message.

mod common;

use common::{frame, peer, to_mqtt};
use ocpp_gateway_core::Frame;
use ocpp_gateway_pipeline::{Failure, GuestFault, Limits, Pipeline, Source, TransformSpec};
use std::time::Duration;

/// Does harm to certain actions only, so that it passes the messages on which it is tried.
const PROGRAM: &str = r#"
    def forever: forever;
    def deeper: 1 + deeper;
    def uplink:
        if .action == "Forever" then forever
        elif .action == "Deeper" then deeper
        elif .action == "Large" then .payload.x = "x" * 10000000
        elif .action == "Many" then range(1000) as $_ | .
        end;"#;

/// Long enough for all but what is endless.
const TIME: Duration = Duration::from_secs(10);

fn spec(name: &str, memory: usize, program: &str) -> TransformSpec {
    let config = serde_json::json!({ "program": program }).to_string();
    let limits = Limits { time: Some(TIME), memory, ..Limits::default() };
    let source = Source::Builtin("jq".into());
    TransformSpec { name: name.into(), source, config, limits, ..TransformSpec::standard() }
}

fn call<'a>(action: &'a str) -> Frame<'a> {
    Frame { action: Some(action.into()), ..frame(r#"[2,"1","x",{}]"#) }
}

#[test]
fn endless_recursion_and_large_output_end_at_a_limit() {
    // With more memory, the limit of the output is what ends it.
    let roomy = PROGRAM.replace("\"Large\"", "\"LargeAndRoomy\"");
    let specs = vec![spec("quirk", 16 << 20, PROGRAM), spec("roomy", 256 << 20, &roomy)];
    let pipeline = Pipeline::load(specs).unwrap_or_else(|errors| panic!("{errors:?}"));
    let fault = |action: &str| {
        let Err(Failure::Guest(fault)) = to_mqtt(&pipeline, &peer(action), &call(action)) else {
            panic!("{action} passes");
        };
        let next = to_mqtt(&pipeline, &peer(action), &call("Heartbeat")).expect("a fresh instance");
        assert_eq!(next[0].topic, format!("ocpp/cp/{action}"));
        fault
    };
    assert_eq!(fault("Forever"), GuestFault::Deadline { limit: TIME });
    let deeper = fault("Deeper");
    assert!(matches!(deeper, GuestFault::Memory { .. } | GuestFault::Stack), "{deeper}");
    let large = fault("Large");
    assert!(matches!(large, GuestFault::Memory { .. }), "{large}");
    for action in ["LargeAndRoomy", "Many"] {
        let output = fault(action);
        assert!(matches!(output, GuestFault::Output(_)), "{action}: {output}");
    }
}
