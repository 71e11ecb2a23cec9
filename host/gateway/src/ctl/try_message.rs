//! `ctl try`: what the transforms would make of a message.

use super::args::TryArgs;
use super::client::{Client, path};
use super::error::CtlError;
use super::output::Output;
use super::settings::{STANDARD_INPUT, read_text, standard_input};
use super::trace::TraceLines;
use super::transforms::new_version;
use crate::recording::{MqttMessage, Step, StepAction};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::io::Write;
use ureq::http::Method;

pub(super) fn run(client: &Client, args: &TryArgs, output: &mut Output<impl Write>) -> Result<(), CtlError> {
    let mut request = request(args)?;
    let page = path(&["try"]);
    let mut candidate = new_version(&args.candidate)?;
    if !candidate.is_empty() {
        let place = [("name", &args.name), ("before", &args.before)];
        let place = place.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.as_deref()?.into())));
        candidate.settings.extend(place);
        request.insert("candidate".into(), std::mem::take(&mut candidate.settings).into());
    }
    let answer = client.upload(Method::POST, &page, &candidate.upload(request))?;
    if output.json {
        return Ok(output.json(&answer.text)?);
    }
    let trace: Trace = answer.read()?;
    Ok(trace.lines().iter().try_for_each(|line| output.text(line))?)
}

/// The message and its charge point: the content of the file, or that with the options.
fn request(args: &TryArgs) -> Result<Map<String, Value>, CtlError> {
    let is_standard_input = args.message.as_os_str() == STANDARD_INPUT;
    let text = if is_standard_input { standard_input()? } else { read_text(&args.message)? };
    let is_frame = text.trim_start_matches('\u{feff}').trim_start().starts_with('[');
    let mut request = if is_frame {
        Map::from_iter([("frame".to_owned(), text.trim().into())])
    } else {
        let object: Result<Map<String, Value>, _> = serde_json::from_str(&text);
        object.map_err(|error| {
            CtlError::Usage(format!("{}: neither a frame nor an object: {error}", args.message.display()))
        })?
    };
    if let Some(id) = &args.charge_point {
        request.insert("charge_point".into(), json!({"id": id, "version": args.ocpp}));
    }
    if !request.contains_key("charge_point") {
        return Err(CtlError::Usage("the charge point is missing: --charge-point ID, or a member charge_point".into()));
    }
    Ok(request)
}

/// The answer of the API.
#[derive(Debug, Deserialize)]
struct Trace {
    steps: Vec<Step>,
    published: Vec<MqttMessage>,
    sent: Vec<String>,
    answer: Option<StepAction>,
    not_mapped: Option<String>,
    incidents: Vec<String>,
}

impl Trace {
    fn lines(&self) -> Vec<String> {
        let Trace { steps, published, sent, answer, not_mapped, incidents } = self;
        let (answer, not_mapped) = (answer.as_ref(), not_mapped.as_deref());
        TraceLines { steps, published, sent, answer, not_mapped, incidents }.lines()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_is_shown_step_by_step() {
        let version = json!({"component": "builtin:x", "version": "1", "sha256": "00"});
        let trace: Trace = serde_json::from_value(json!({
            "steps": [
                {"transform": "quirk", "version": version, "hook": "uplink", "input": {"frame": "[2]"}, "failure": null,
                 "time_us": 12.6, "actions": [{"action": "message", "frame": "[3]"}, {"action": "drop", "reason": "why"}],
                 "log": [{"level": "INFO", "text": "seen"}]},
                {"transform": "standard", "version": version, "hook": "mapping", "input": {"frame": "[3]"},
                 "failure": "trapped", "time_us": 1.0, "actions": [], "log": []},
            ],
            "published": [{"topic": "a/b", "qos": 1, "retain": false, "payload": "{}"}], "sent": ["[4]"],
            "answer": {"action": "reject", "code": "InternalError", "description": "no", "details": "{}"},
            "not_mapped": null, "incidents": ["transform standard: trapped"],
        }))
        .expect("a trace");
        let expected = [
            "1. quirk, uplink, 13 µs",
            "   in    [2]",
            "   out   [3]",
            "   out   drop  why",
            "   log   INFO seen",
            "2. standard, mapping, 1 µs",
            "   in    [3]",
            "   FAILS trapped",
            "published  a/b  {}",
            "sent       [4]",
            "answered   reject  InternalError: no",
            "incident   transform standard: trapped",
        ];
        assert_eq!(trace.lines(), expected);
    }
}
