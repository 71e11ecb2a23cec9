//! Messages that every transform is tried on before it goes live.

use crate::abi::PublishIn;
use crate::chain::Chain;
use crate::error::{Cause, Failure, LoadFault};
use crate::hook::Function;
use crate::pipeline::Message;
use crate::spec::Validation;
use crate::transform::Transform;
use crate::walk::Walk;
use ocpp_gateway_core::{Attributes, Frame, Identity, MessageType, Peer, QoS, Version};
use std::borrow::Cow;
use std::sync::Arc;

/// What charge points say on an ordinary day; the payloads are those of OCPP 1.6.
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

/// What back ends say, in the form that the standard mapping understands.
const MESSAGES: [&str; 2] = [
    r#"{"MessageTypeId":2,"UniqueId":"7","Action":"Reset","Payload":{"type":"Soft"}}"#,
    r#"{"MessageTypeId":3,"UniqueId":"2","Payload":{"currentTime":"2026-01-01T00:00:00Z"}}"#,
];

/// Runs `trial` on every sample. It may refuse, reject or drop them all; but it must neither trap nor break a limit.
pub(crate) fn try_out(trial: &Arc<Transform>) -> Result<(), LoadFault> {
    // A chain of this one transform, for messages that go no further than through it.
    let chain = Chain::new(vec![trial.clone()], Validation::default());
    for version in Version::ALL {
        let identity = Identity::new("SAMPLE", 48).map_err(|error| LoadFault::Engine(error.to_string()))?;
        let peer = Peer { identity, version, connection: 0, attributes: Attributes::new() };
        for text in FRAMES {
            let Ok(mut frame) = Frame::parse(text) else { continue };
            if frame.kind == MessageType::CallResult {
                frame.action = Some(Cow::Borrowed("Reset"));
            }
            verdict(&chain, &peer, |walk| {
                if trial.has(Function::ToMqtt) {
                    walk.map_uplink(&frame);
                }
                if trial.has(Function::Uplink) {
                    walk.uplink(&frame);
                }
                if trial.has(Function::Downlink) {
                    walk.downlink(0, frame.clone().into_owned());
                }
            })?;
        }
        for payload in MESSAGES {
            let payload = payload.as_bytes();
            let message = Message { topic: "ocpp/cs/SAMPLE", payload, qos: QoS::AtLeastOnce, retain: false };
            verdict(&chain, &peer, |walk| {
                if trial.has(Function::FromMqtt) || trial.has(Function::Inbound) {
                    walk.inbound(0, PublishIn::from(&message));
                }
            })?;
        }
    }
    Ok(())
}

fn verdict(chain: &Chain, peer: &Peer, run: impl FnOnce(&mut Walk<'_>)) -> Result<(), LoadFault> {
    let mut walk = Walk::new(chain, peer);
    run(&mut walk);
    let fault = walk.mishaps.into_iter().find_map(|mishap| match mishap.cause {
        Cause::Failed(failure @ (Failure::Guest(_) | Failure::Host(_))) => Some(failure),
        _ => None,
    });
    fault.map_or(Ok(()), |failure| Err(LoadFault::Sample(failure)))
}
