//! Publishes each sampled value of a charge point as a flat JSON object, beside or instead of the frame it came in.
//!
//! Meter values come in MeterValues, in StopTransaction (OCPP 1.6) and in TransactionEvent (2.x). Each sample of a
//! frame goes to its topic; if they are too many for one call of a transform, all go as one array to another topic.
//! Signed values stay in the frame. Settings: [`config::Config`].

pub mod config;
mod facts;
mod number;
mod payload;
mod sample;

use config::{Config, Then};
use facts::{Fact, Template};
use ocpp_transform::log::{self, Level};
use ocpp_transform::{Frame, FrameAction, FrameType, Peer, Publish, Transform, Uplink, export, metrics, read_config};
use payload::Payload;
use sample::{LeftOut, Sample};
use std::collections::BTreeMap;

/// The transform, with its topic templates compiled.
pub struct FlatTelemetry {
    topic: Template,
    batch_topic: Template,
    max_messages: usize,
    max_bytes: usize,
    qos: u8,
    retain: bool,
    then: Then,
}

impl Transform for FlatTelemetry {
    fn configure(config: &str) -> Result<Self, String> {
        FlatTelemetry::new(read_config(config)?)
    }
}

impl Uplink for FlatTelemetry {
    fn handle(&self, peer: &Peer, frame: Frame) -> Vec<FrameAction> {
        if !may_carry_meter_values(&frame) {
            return vec![FrameAction::Pass];
        }
        let payload: Payload<'_> = match frame.read_payload() {
            Ok(payload) => payload,
            Err(error) => {
                report_unreadable(&error);
                return vec![FrameAction::Pass];
            }
        };
        let (samples, left_out) = self.written(&peer.id, &payload);
        report_left_out(&left_out);
        let mut actions: Vec<_> = self.messages(samples).into_iter().map(FrameAction::Publish).collect();
        let is_answerable = self.then == Then::Reply && frame.action.as_deref() == Some("MeterValues");
        // Signatures are in the frame only, and the back end passes them to those who verify them.
        let is_answered = is_answerable && left_out.is_empty() && !payload.is_signed();
        actions.push(if is_answered { FrameAction::Reply("{}".into()) } else { FrameAction::Pass });
        actions
    }
}

/// A sample, and the JSON text of its object.
type Written<'a> = (Sample<'a>, Vec<u8>);

impl FlatTelemetry {
    /// Compiles the templates. The error names the key.
    fn new(config: Config) -> Result<Self, String> {
        let template = |key: &str, text: &str| Template::parse(text).map_err(|fault| format!("{key}: {fault}"));
        let batch_topic = template("batch_topic", &config.batch_topic)?;
        if !batch_topic.placeholders().all(Fact::is_same_for_a_frame) {
            return Err("batch_topic: only ${cid}, ${connector} and ${evse} are the same for all samples".into());
        }
        Ok(FlatTelemetry {
            topic: template("topic", &config.topic)?,
            batch_topic,
            max_messages: config.max_messages,
            max_bytes: config.max_bytes,
            qos: config.qos,
            retain: config.retain,
            then: config.then,
        })
    }

    /// The samples that can be published, and the number of the others by reason.
    fn written<'a>(
        &self,
        charge_point: &'a str,
        payload: &'a Payload<'a>,
    ) -> (Vec<Written<'a>>, BTreeMap<LeftOut, usize>) {
        let mut samples = Vec::new();
        let mut left_out = BTreeMap::new();
        let mut room = self.max_bytes;
        let mut rest = payload.samples();
        while let Some((meter_value, sampled)) = rest.next() {
            let sample = Sample::new(charge_point, payload, meter_value, sampled);
            match sample.and_then(|sample| sample.written(&mut room)) {
                Ok(written) => samples.push(written),
                // Trying all the others would take too much time for a large frame.
                Err(LeftOut::NoRoom) => *left_out.entry(LeftOut::NoRoom).or_default() += 1 + rest.by_ref().count(),
                Err(reason) => *left_out.entry(reason).or_default() += 1,
            }
        }
        (samples, left_out)
    }

    fn messages(&self, samples: Vec<Written<'_>>) -> Vec<Publish> {
        let message = |topic, payload| Publish { qos: self.qos, retain: self.retain, ..Publish::new(topic, payload) };
        if samples.len() > self.max_messages {
            // This topic may name only charge point, EVSE and connector, which are the same for all samples.
            let topic = self.batch_topic.render(|fact| fact.of(&samples[0].0));
            return vec![message(topic, array(&samples))];
        }
        samples.into_iter().map(|(sample, text)| message(self.topic.render(|fact| fact.of(&sample)), text)).collect()
    }
}

fn may_carry_meter_values(frame: &Frame) -> bool {
    let action = frame.action.as_deref();
    frame.type_ == FrameType::Call && matches!(action, Some("MeterValues" | "StopTransaction" | "TransactionEvent"))
}

fn array(samples: &[Written<'_>]) -> Vec<u8> {
    let texts: Vec<_> = samples.iter().map(|(_, text)| text.as_slice()).collect();
    [b"[", texts.join(&b","[..]).as_slice(), b"]"].concat()
}

/// Does not quote the payload, which may contain data that must not be logged.
fn report_unreadable(error: &serde_json::Error) {
    let place = format!("line {}, column {}", error.line(), error.column());
    log::log(Level::Debug, "meter values cannot be read", &[("place", &place)]);
    metrics::count("meter_values_unreadable", 1, &vec![]);
}

fn report_left_out(left_out: &BTreeMap<LeftOut, usize>) {
    for (reason, &count) in left_out {
        let labels = vec![("reason".into(), reason.name().into())];
        metrics::count("samples_left_out", u32::try_from(count).unwrap_or(u32::MAX), &labels);
    }
}

export!(FlatTelemetry: Uplink);

#[cfg(test)]
mod tests;
