//! `transform bench`: the time per call of each hook, compared with the built-in mapping.

use super::args::BenchArgs;
use super::component;
use super::verdict::{BadConfiguration, CommandResult};
use crate::config;
use ocpp_gateway_core::{Attributes, Frame, Identity, Offer, Peer, Publish, Version};
use ocpp_gateway_pipeline::{Failure, TransformHarness, TransformSpec};
use std::fs;
use std::hint::black_box;
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
    let config = match &args.config {
        Some(file) => configuration(file).map_err(BadConfiguration)?,
        None => "{}".into(),
    };
    args.transform.read()?;
    let compiled = component::CompiledCode::directory()?;
    let load = |spec: &TransformSpec| component::load(spec, compiled.options()).map_err(BadConfiguration);
    let harness = load(&args.transform.spec(config, component::MEMORY))?;
    let standard = load(&TransformSpec::standard())?;
    let bench = BenchInputs::new()?;

    let base = bench.measure("to-mqtt", &standard)?.time;
    println!("{:<24}{:>12}{:>16}", "", "per call", "of standard");
    print_line("standard, to-mqtt", base, base, "");
    for function in functions(&harness) {
        let Measured { time, refused } = bench.measure(function, &harness)?;
        print_line(function, time, base, if refused { "   (it refuses the sample)" } else { "" });
    }
    println!(
        "\n{ROUNDS} rounds of {CALLS} calls on a warm instance, one thread; medians. Sample: {} bytes.",
        CALL.len()
    );
    Ok(CommandResult::Good)
}

fn configuration(file: &Path) -> Result<String, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let table: toml::Table = text.parse().map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(config::to_json(&table))
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

/// The sample arguments of the hooks.
struct BenchInputs {
    peer: Peer,
    call: Frame<'static>,
    publish: Publish,
    message: Publish,
    offer: Offer,
}

struct Measured {
    time: Duration,
    /// The mapping does not accept the topic or the payload of the sample.
    refused: bool,
}

impl BenchInputs {
    fn new() -> anyhow::Result<Self> {
        let identity = Identity::new("CP1", 48)?;
        let peer =
            Peer { identity: identity.clone(), version: Version::V1_6, connection: 1, attributes: Attributes::new() };
        let call = Frame::parse(CALL)?;
        let (id, action) = (&call.id, call.action_name());
        let payload =
            format!(r#"{{"MessageTypeId":2,"UniqueId":"{id}","Action":"{action}","Payload":{}}}"#, call.payload);
        let publish = Publish { topic: "ocpp/cp/CP1".into(), payload: payload.into_bytes(), ..Publish::default() };
        let message = Publish { topic: "ocpp/cs/CP1".into(), payload: ANSWER.into(), ..Publish::default() };
        let offer = Offer {
            identity,
            remote_address: "192.0.2.1:5000".into(),
            path: "/ocpp/CP1".into(),
            protocols: vec![peer.version.subprotocol().into()],
            headers: Attributes::new(),
            user: None,
        };
        Ok(BenchInputs { peer, call: call.into_owned(), publish, message, offer })
    }

    /// The median of all rounds. An error is a failure of the transform or of the gateway.
    fn measure(&self, function: &str, harness: &TransformHarness) -> Result<Measured, Failure> {
        let mut refused = false;
        for _ in 0..WARM_UP {
            refused = self.is_refused(function, harness)?;
        }
        let mut rounds = [Duration::ZERO; ROUNDS];
        for round in &mut rounds {
            let started = Instant::now();
            for _ in 0..CALLS {
                self.is_refused(function, harness)?;
            }
            *round = started.elapsed() / CALLS;
        }
        rounds.sort_unstable();
        Ok(Measured { time: rounds[ROUNDS / 2], refused })
    }

    /// Whether the function refuses the sample. A refusal is measured like an answer; a failure is not measured.
    fn is_refused(&self, function: &str, harness: &TransformHarness) -> Result<bool, Failure> {
        match self.call(function, harness) {
            Err(Failure::Refused(_)) => Ok(true),
            answer => answer.map(|()| false),
        }
    }

    fn call(&self, function: &str, harness: &TransformHarness) -> Result<(), Failure> {
        let BenchInputs { peer, call, publish, message, offer } = self;
        match function {
            "uplink" => harness.uplink(peer, call).map(drop_answer),
            "downlink" => harness.downlink(peer, call).map(drop_answer),
            "to-mqtt" => harness.to_mqtt(peer, call).map(drop_answer),
            "check" => harness.check(peer, call).map(drop_answer),
            "outbound" => harness.outbound(peer, publish).map(drop_answer),
            "inbound" => harness.inbound(peer, message).map(drop_answer),
            "from-mqtt" => harness.from_mqtt(peer, message).map(drop_answer),
            "subscriptions" => harness.subscriptions(peer).map(drop_answer),
            "admit" => harness.admit(offer).map(drop_answer),
            "connected" => harness.connected(peer).map(drop_answer),
            _ => harness.disconnected(peer, "gone").map(drop_answer),
        }
    }
}

fn drop_answer<T>(answer: T) {
    drop(black_box(answer));
}

fn print_line(name: &str, time: Duration, base: Duration, note: &str) {
    let microseconds = time.as_secs_f64() * 1e6;
    println!("{name:<24}{microseconds:>9.2} µs{:>15.2}{note}", time.as_secs_f64() / base.as_secs_f64());
}
