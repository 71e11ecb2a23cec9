//! `ctl events`: server-sent events, one a line.

use super::client::{Client, path};
use super::error::CtlError;
use super::event_stream::{EventReader, ServerSentEvent};
use super::output::{Output, cell};
use super::transform_summary::plain;
use serde_json::{Map, Value};
use std::io::{BufReader, Write};

/// The longest line of the stream, in bytes. An event has at most a few texts of 1 KiB, and all transforms after a swap.
const MAX_LINE: u64 = 16 << 20;

/// Prints events until the gateway ends the stream, which is a failure, or the reader of the output has enough.
pub(super) fn run(client: &Client, output: &mut Output<impl Write>) -> Result<(), CtlError> {
    let mut events = EventReader::new(BufReader::new(client.stream(&path(&["events"]))?), MAX_LINE);
    loop {
        let ServerSentEvent { name, data } = events.next().map_err(CtlError::StreamEnded)?;
        let mut event: Map<String, Value> = match serde_json::from_str(&data) {
            Ok(event) => event,
            Err(error) => return Err(CtlError::StreamEnded(error.into())),
        };
        event.entry("event").or_insert_with(|| name.into());
        if output.json {
            output.json(&Value::from(event).to_string())?;
        } else {
            output.text(&line(event))?;
        }
        output.flush()?;
    }
}

/// An event as text: time, name, charge point, and the other members with their names.
fn line(mut event: Map<String, Value>) -> String {
    let first = ["time", "event", "charge_point"].into_iter().filter_map(|name| event.remove(name));
    let mut parts: Vec<String> = first.map(|value| plain(&value)).collect();
    parts.extend(Some(details(event)).filter(|details| !details.is_empty()));
    cell(&parts.join(" "))
}

/// The other members of an event with their names, not yet escaped.
pub(super) fn details(mut event: Map<String, Value>) -> String {
    let mut parts = Vec::new();
    // The longest, and not always short.
    let text = event.remove("text");
    let transforms = event.remove("transforms");
    parts.extend(event.iter().map(|(name, value)| format!("{name}={}", quoted(value))));
    for transform in transforms.as_ref().and_then(Value::as_array).into_iter().flatten() {
        parts.push(format!("{}: {}", plain(&transform["name"]), plain(&transform["change"])));
    }
    parts.extend(text.map(|text| plain(&text)));
    parts.join(" ")
}

/// A value, in quotes if it has spaces.
fn quoted(value: &Value) -> String {
    let text = plain(value);
    if text.is_empty() || text.contains(char::is_whitespace) { format!("{text:?}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_is_one_line_whatever_it_contains() {
        let shown = |json: &str| line(serde_json::from_str(json).expect("JSON"));
        assert_eq!(
            shown(
                r#"{"time":"T","event":"incident","charge_point":"CP1","cause":"dropped","action":"a b\n","text":"x\u001b[2J\ny"}"#
            ),
            r#"T incident CP1 action="a b\n" cause=dropped x\u{1b}[2J\ny"#
        );
        assert_eq!(
            shown(r#"{"time":"T","event":"swap","outcome":"swapped","transforms":[{"name":"q","change":"replaced"}]}"#),
            "T swap outcome=swapped q: replaced"
        );
        assert_eq!(shown(r#"{"event":"missed","missed":7}"#), "missed missed=7");
    }
}
