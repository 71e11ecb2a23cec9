//! `ctl events`: server-sent events, one a line.

use super::client::{Client, path};
use super::error::CtlError;
use super::output::{Output, cell};
use super::transform_summary::plain;
use serde_json::{Map, Value};
use std::io::{self, BufRead, BufReader, Read, Write};

/// The longest line of the stream, in bytes. An event has at most a few texts of 1 KiB, and all transforms after a swap.
const MAX_LINE: u64 = 16 << 20;

/// Prints events until the gateway ends the stream, which is a failure, or the reader of the output has enough.
pub(super) fn run(client: &Client, output: &mut Output<impl Write>) -> Result<(), CtlError> {
    let mut events = EventReader::new(BufReader::new(client.stream(&path(&["events"]))?));
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
    // The longest, and not always short.
    let text = event.remove("text");
    let transforms = event.remove("transforms");
    parts.extend(event.iter().map(|(name, value)| format!("{name}={}", quoted(value))));
    for transform in transforms.as_ref().and_then(Value::as_array).into_iter().flatten() {
        parts.push(format!("{}: {}", plain(&transform["name"]), plain(&transform["change"])));
    }
    parts.extend(text.map(|text| plain(&text)));
    cell(&parts.join(" "))
}

/// A value, in quotes if it has spaces.
fn quoted(value: &Value) -> String {
    let text = plain(value);
    if text.is_empty() || text.contains(char::is_whitespace) { format!("{text:?}") } else { text }
}

/// An event of the stream.
#[derive(Debug, PartialEq, Eq)]
struct ServerSentEvent {
    name: String,
    data: String,
}

/// Reads server-sent events: the fields `event` and `data`, as the HTML standard defines them.
struct EventReader<R>(R);

impl<R: BufRead> EventReader<R> {
    fn new(stream: R) -> Self {
        EventReader(stream)
    }

    /// The next event with data. The end of the stream is an error.
    fn next(&mut self) -> io::Result<ServerSentEvent> {
        let (mut name, mut data) = (String::new(), None::<String>);
        loop {
            let line = self.line()?;
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() => match data.take() {
                    Some(data) => return Ok(ServerSentEvent { name, data }),
                    None => name.clear(),
                },
                "event" => value.clone_into(&mut name),
                "data" => match &mut data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => data = Some(value.to_owned()),
                },
                // A comment, with which the gateway keeps the connection open, or a field without a use here.
                _ => {}
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        (&mut self.0).take(MAX_LINE).read_line(&mut line)?;
        match line.strip_suffix('\n') {
            Some(text) => Ok(text.strip_suffix('\r').unwrap_or(text).to_owned()),
            None if line.len() as u64 == MAX_LINE => Err(io::Error::other("a line is too long")),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_up_to_the_end_of_the_stream() {
        let stream = ":\n\nevent: connected\ndata: {\"a\":1}\n\nevent: nothing\n\ndata:one\r\ndata: two\r\n\r\nevent: cut\ndata: x";
        let mut events = EventReader::new(stream.as_bytes());
        let event = |name: &str, data: &str| ServerSentEvent { name: name.into(), data: data.into() };
        assert_eq!(events.next().expect("an event"), event("connected", "{\"a\":1}"));
        assert_eq!(events.next().expect("an event"), event("", "one\ntwo"));
        assert_eq!(events.next().expect_err("the end").kind(), io::ErrorKind::UnexpectedEof);
    }

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
