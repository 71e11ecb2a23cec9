//! Sample messages with which every transform is tried before it goes live.

use crate::clock::Clock;
use crate::error::{Failure, LoadFault};
use crate::harness::TransformHarness;
use crate::hook::Function;
use crate::transform::Transform;
use ocpp_gateway_core::{Attributes, Frame, Identity, MessageType, Offer, Peer, Publish, Version};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Common frames of charge points; the payloads are those of OCPP 1.6.
const FRAMES: [&str; 6] = [
    r#"[2,"1","BootNotification",{"chargePointVendor":"vendor1","chargePointModel":"model1"}]"#,
    r#"[2,"2","Heartbeat",{}]"#,
    r#"[2,"3","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available"}]"#,
    concat!(
        r#"[2,"4","MeterValues",{"connectorId":1,"transactionId":7,"meterValue":[{"timestamp":"2026-01-01T00:00:00Z","#,
        r#""sampledValue":[{"value":"1730","unit":"Wh","measurand":"Energy.Active.Import.Register"}]}]}]"#
    ),
    r#"[3,"5",{"status":"Accepted"}]"#,
    r#"[4,"6","NotSupported","no such thing",{}]"#,
];

/// MQTT messages to and from back ends, in the form of the standard mapping.
const MESSAGES: [&str; 2] = [
    r#"{"MessageTypeId":2,"UniqueId":"7","Action":"Reset","Payload":{"type":"Soft"}}"#,
    r#"{"MessageTypeId":3,"UniqueId":"2","Payload":{"currentTime":"2026-01-01T00:00:00Z"}}"#,
];

/// Payloads with which every schema is tried, whatever its action. One is nested deeper than any payload of OCPP.
pub(crate) fn payloads() -> Vec<String> {
    const NESTED: usize = 30;
    let nested = "{\"a\":".repeat(NESTED) + "[]" + &"}".repeat(NESTED);
    let of_frames = FRAMES.iter().filter_map(|text| Frame::parse(text).ok()).map(|frame| frame.payload.into_owned());
    of_frames.chain([nested]).collect()
}

/// Cases of one transform, which each version of it has to pass before it goes live. The samples of this module are for
/// every transform.
pub trait Samples: fmt::Debug + Send + Sync {
    /// Runs all cases. The error says which of them failed, and how.
    fn try_on(&self, candidate: &TrialTransform<'_>) -> Result<(), String>;
}

/// A transform on trial.
pub struct TrialTransform<'a>(&'a Arc<Transform>);

impl TrialTransform<'_> {
    /// With the settings with which it is to go live.
    pub fn configured(&self) -> TransformHarness {
        TransformHarness(self.0.clone())
    }

    /// With other settings (JSON text of an object), another clock and an empty state. A program that was read from a
    /// file stays: it is what is on trial.
    pub fn with(&self, config: String, clock: Clock) -> Result<TransformHarness, LoadFault> {
        let has_program = self.0.program_sha256.is_some();
        let config = if has_program { with_program_of(&self.0.factory.config, &config)? } else { config };
        self.0.with(config, clock).map(TransformHarness)
    }
}

/// `config` with the program of `running`; both are JSON text of an object.
fn with_program_of(running: &str, config: &str) -> Result<String, LoadFault> {
    let object = |text| {
        let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
        object.map_err(|error| LoadFault::Config(error.to_string()))
    };
    let mut config = object(config)?;
    config.extend(object(running)?.remove_entry("program"));
    Ok(serde_json::Value::Object(config).to_string())
}

/// Calls every hook of `trial` with every sample. A hook may refuse, reject or drop a sample, but it must neither trap
/// nor exceed a limit. `own`: the transform's own samples, which it has to pass as well.
pub(crate) fn try_samples(trial: &Arc<Transform>, own: Option<&dyn Samples>) -> Result<(), LoadFault> {
    let candidate = TrialTransform(trial);
    let harness = candidate.configured();
    for version in Version::ALL {
        let samples = BuiltinSamples::of(version).map_err(LoadFault::Engine)?;
        for &function in Function::ALL.iter().filter(|function| trial.has(**function)) {
            samples.try_on(&harness, function).map_err(LoadFault::Sample)?;
        }
    }
    own.map_or(Ok(()), |own| own.try_on(&candidate).map_err(LoadFault::OwnSamples))
}

/// A refusal is success too: the hook has answered.
fn accept_refusal(tried: Result<(), Failure>) -> Result<(), Failure> {
    tried.or_else(|failure| if matches!(failure, Failure::Refused(_)) { Ok(()) } else { Err(failure) })
}

/// The arguments of the hooks.
struct BuiltinSamples {
    peer: Peer,
    frames: Vec<Frame<'static>>,
    outbound: Vec<Publish>,
    inbound: Vec<Publish>,
    offer: Offer,
}

impl BuiltinSamples {
    fn of(version: Version) -> Result<Self, String> {
        let identity = Identity::new("SAMPLE", 48).map_err(|error| error.to_string())?;
        let frame = |text| {
            let mut frame = Frame::parse(text).map_err(|fault| fault.to_string())?;
            if frame.kind == MessageType::CallResult {
                frame.action = Some(Cow::Borrowed("Reset"));
            }
            Ok::<_, String>(frame)
        };
        let on = |topic: &str| {
            let publish =
                |payload: &&str| Publish { topic: topic.into(), payload: (*payload).into(), ..Publish::default() };
            MESSAGES.iter().map(publish).collect()
        };
        let offer = Offer {
            identity: identity.clone(),
            remote_address: "192.0.2.1:5000".into(),
            path: "/ocpp/SAMPLE".into(),
            protocols: vec![version.subprotocol().into()],
            headers: vec![("host".into(), "gateway.example".into())],
            user: None,
            attributes: Attributes::new(),
        };
        Ok(BuiltinSamples {
            peer: Peer { identity, version, connection: 0, attributes: Attributes::new() },
            frames: FRAMES.into_iter().map(frame).collect::<Result<_, _>>()?,
            outbound: on("ocpp/cp/SAMPLE"),
            inbound: on("ocpp/cs/SAMPLE"),
            offer,
        })
    }

    fn try_on(&self, harness: &TransformHarness, function: Function) -> Result<(), Failure> {
        let BuiltinSamples { peer, offer, .. } = self;
        let each_frame = |call: &dyn Fn(&Frame<'_>) -> Result<(), Failure>| {
            self.frames.iter().try_for_each(|frame| accept_refusal(call(frame)))
        };
        let each = |messages: &[Publish], call: &dyn Fn(&Publish) -> Result<(), Failure>| {
            messages.iter().try_for_each(|message| accept_refusal(call(message)))
        };
        match function {
            // Both have been called: to make the instance, and to compile its rules.
            Function::Configure | Function::Schemas => Ok(()),
            Function::Subscriptions => harness.subscriptions(peer).map(drop),
            Function::ToMqtt => each_frame(&|frame| harness.to_mqtt(peer, frame).map(drop)),
            Function::Uplink => each_frame(&|frame| harness.uplink(peer, frame).map(drop)),
            Function::Downlink => each_frame(&|frame| harness.downlink(peer, frame).map(drop)),
            Function::Check => each_frame(&|frame| harness.check(peer, frame).map(drop)),
            Function::FromMqtt => each(&self.inbound, &|message| harness.from_mqtt(peer, message).map(drop)),
            Function::Inbound => each(&self.inbound, &|message| harness.inbound(peer, message).map(drop)),
            Function::Outbound => each(&self.outbound, &|message| harness.outbound(peer, message).map(drop)),
            Function::Admit => harness.admit(offer).map(drop),
            Function::Connected => harness.connected(peer).map(drop),
            Function::Disconnected => harness.disconnected(peer, "gone").map(drop),
        }
    }
}
