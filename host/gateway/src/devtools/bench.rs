//! `transform bench`: the time per call of each hook, compared with the built-in mapping.

use super::args::BenchArgs;
use super::component::{self, CompiledCode};
use super::verdict::{BadConfiguration, CommandResult};
use crate::transforms::fixture::{Fixture, HookCall, Offered};
use anyhow::Context as _;
use ocpp_gateway_core::{Attributes, Frame, Identity, Peer, Publish, Version};
use ocpp_gateway_pipeline::{Failure, LoadOptions, TransformHarness, TransformSpec};
use std::path::Path;
use std::time::{Duration, Instant};

const ROUNDS: usize = 11;
const CALLS: u32 = 1000;
const WARM_UP: u32 = 500;

const CALL: &str =
    r#"[2,"1200012677","BootNotification",{"chargePointVendor":"vendor1","chargePointModel":"model-00012"}]"#;
/// A CALLRESULT in the format of the standard mapping.
const ANSWER: &str = concat!(
    r#"{"MessageTypeId":3,"UniqueId":"1200012677","#,
    r#""Payload":{"currentTime":"2026-01-02T03:04:05Z","interval":300,"status":"Accepted"}}"#
);

pub(super) fn run(args: &BenchArgs) -> anyhow::Result<CommandResult> {
    component::show_log();
    args.transform.read()?;
    let fixture = args.fixture.as_deref().map(read_fixture).transpose()?;
    let config = match (&fixture, &args.config) {
        (Some(fixture), _) => fixture.config(),
        (None, file) => component::configuration(file.as_deref())?,
    };
    let compiled = CompiledCode::directory()?;
    let options = LoadOptions { clock: fixture.as_ref().map(Fixture::clock).unwrap_or_default(), ..compiled.options() };
    let load = |spec: &TransformSpec, options| component::load(spec, options).map_err(BadConfiguration);
    let harness = load(&args.transform.spec(config, component::MEMORY), options)?;
    let standard = load(&TransformSpec::standard(), compiled.options())?;

    let peer = sample_peer()?;
    let base = measure(&sample_call("to-mqtt", &peer)?, &standard, &peer)?.time;
    println!("{:<24}{:>12}{:>16}", "", "per call", "of standard");
    print_line("standard, to-mqtt", base, base, "");
    let print = |name: &str, call: &HookCall, peer: &Peer| {
        let Measured { time, refused } = measure(call, &harness, peer).with_context(|| name.to_owned())?;
        print_line(name, time, base, if refused { "   (it refuses the message)" } else { "" });
        anyhow::Ok(())
    };
    match &fixture {
        Some(fixture) => {
            for (number, call) in (1..).zip(fixture.calls()) {
                print(&format!("step {number}, {}", call.name()), call, &fixture.peer())?;
            }
        }
        None => {
            for function in functions(&harness) {
                print(function, &sample_call(function, &peer)?, &peer)?;
            }
        }
    }
    let size = CALL.len();
    println!(
        "\n{ROUNDS} rounds of {CALLS} calls on a warm instance, one thread; medians. Built-in sample: {size} bytes."
    );
    Ok(CommandResult::Good)
}

fn read_fixture(file: &Path) -> anyhow::Result<Fixture> {
    Fixture::read(file).map_err(|fault| anyhow::anyhow!("{}: {fault}", file.display()))
}

/// The functions of its hooks that are called for messages and charge points.
fn functions(harness: &TransformHarness) -> Vec<&'static str> {
    let of = |hook: &'static str| match hook {
        "mapping" => vec!["to-mqtt", "from-mqtt", "subscriptions"],
        "admission" => vec!["admit"],
        "events" => vec!["connected", "disconnected"],
        "validation" => vec!["check"],
        other => vec![other],
    };
    harness.hooks().into_iter().flat_map(of).collect()
}

fn sample_peer() -> anyhow::Result<Peer> {
    let identity = Identity::new("CP1", 48)?;
    Ok(Peer { identity, version: Version::V1_6, connection: 1, attributes: Attributes::new() })
}

/// A call of the function with a sample.
fn sample_call(function: &str, peer: &Peer) -> anyhow::Result<HookCall> {
    let frame = Frame::parse(CALL)?.into_owned();
    let message = || Publish { topic: "ocpp/cs/CP1".into(), payload: ANSWER.into(), ..Publish::default() };
    Ok(match function {
        "uplink" => HookCall::Uplink(frame),
        "downlink" => HookCall::Downlink(frame),
        "to-mqtt" => HookCall::ToMqtt(frame),
        "check" => HookCall::Check(frame),
        "outbound" => HookCall::Outbound(published(&frame)),
        "inbound" => HookCall::Inbound(message()),
        "from-mqtt" => HookCall::FromMqtt(message()),
        "subscriptions" => HookCall::Subscriptions,
        "admit" => HookCall::Admit(Offered {
            remote_address: "192.0.2.1:5000".into(),
            path: format!("/ocpp/{}", peer.identity),
            ..Offered::default()
        }),
        "connected" => HookCall::Connected,
        _ => HookCall::Disconnected("gone".into()),
    })
}

/// The message that the standard mapping makes of a CALL.
fn published(call: &Frame<'_>) -> Publish {
    let (id, action) = (&call.id, call.action_name());
    let payload = format!(r#"{{"MessageTypeId":2,"UniqueId":"{id}","Action":"{action}","Payload":{}}}"#, call.payload);
    Publish { topic: "ocpp/cp/CP1".into(), payload: payload.into_bytes(), ..Publish::default() }
}

struct Measured {
    time: Duration,
    /// The mapping does not accept the topic or the payload.
    refused: bool,
}

/// The median of all rounds. An error is a failure of the transform or of the gateway.
fn measure(call: &HookCall, harness: &TransformHarness, peer: &Peer) -> Result<Measured, Failure> {
    let mut refused = false;
    for _ in 0..WARM_UP {
        refused = is_refused(call, harness, peer)?;
    }
    let mut rounds = [Duration::ZERO; ROUNDS];
    for round in &mut rounds {
        let started = Instant::now();
        for _ in 0..CALLS {
            is_refused(call, harness, peer)?;
        }
        *round = started.elapsed() / CALLS;
    }
    rounds.sort_unstable();
    Ok(Measured { time: rounds[ROUNDS / 2], refused })
}

/// Whether the function refuses the message. A refusal is measured like an answer; a failure is not measured.
fn is_refused(call: &HookCall, harness: &TransformHarness, peer: &Peer) -> Result<bool, Failure> {
    match call.run_only(harness, peer) {
        Err(Failure::Refused(_)) => Ok(true),
        answer => answer.map(|()| false),
    }
}

fn print_line(name: &str, time: Duration, base: Duration, note: &str) {
    let microseconds = time.as_secs_f64() * 1e6;
    println!("{name:<24}{microseconds:>9.2} µs{:>15.2}{note}", time.as_secs_f64() / base.as_secs_f64());
}
