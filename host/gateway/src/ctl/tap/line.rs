//! An event of the stream as text: one line, and below it what needs more.

use crate::ctl::events::details;
use crate::ctl::output::cell;
use crate::ctl::trace::{TraceLines, shown};
use crate::ctl::transform_summary::plain;
use crate::recording::{RecordedMessage, StepAction};
use lru::LruCache;
use ocpp_gateway_core::Frame;
use ocpp_gateway_core::session::Direction;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::time::SystemTime;

/// The most CALLs whose answers get their time. Those that are never answered make room for others.
const MAX_OPEN_CALLS: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
/// The length of a line on a terminal, unless the variable COLUMNS says it.
const DEFAULT_WIDTH: usize = 160;

/// A frame that passes no transform: an event `received` or `sent`.
#[derive(Debug, Deserialize)]
struct PlainFrame {
    time: String,
    charge_point: String,
    exchange: Option<String>,
    direction: Direction,
    #[serde(rename = "type")]
    message_type: Option<String>,
    action: Option<String>,
    message_id: Option<String>,
    frame: Option<String>,
}

/// What every line about a frame begins with.
struct Head<'a> {
    time: &'a str,
    charge_point: &'a str,
    direction: Direction,
    /// What is special about it: `sent`, `received`, or who has made it.
    note: Option<&'a str>,
    message_type: Option<&'a str>,
    action: Option<&'a str>,
    message_id: Option<&'a str>,
    exchange: Option<&'a str>,
}

pub(super) struct LineWriter {
    shows_trace: bool,
    /// The longest line about an event, in characters.
    width: Option<usize>,
    /// By exchange, when the CALL was seen.
    calls: LruCache<String, SystemTime>,
}

impl LineWriter {
    /// `is_terminal`: long lines are cut.
    pub(super) fn new(shows_trace: bool, is_terminal: bool) -> Self {
        let columns = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0);
        let width = is_terminal.then(|| columns().unwrap_or(DEFAULT_WIDTH));
        LineWriter { shows_trace, width, calls: LruCache::new(MAX_OPEN_CALLS) }
    }

    /// The lines of an event. `message`: the event, if it is a message that can be read.
    pub(super) fn lines(&mut self, name: &str, data: &str, message: Option<&RecordedMessage>) -> String {
        if let Some(message) = message {
            return self.message(message);
        }
        if let ("received" | "sent", Ok(frame)) = (name, serde_json::from_str(data)) {
            return self.plain_frame(name, &frame);
        }
        match serde_json::from_str(data) {
            Ok(event) => self.cut(&other(name, event)),
            Err(_) => self.cut(&format!("{name} {data}")),
        }
    }

    fn message(&mut self, message: &RecordedMessage) -> String {
        let outcome = TraceLines {
            steps: message.steps.as_deref().unwrap_or_default(),
            published: &message.published,
            sent: &message.sent,
            answer: message.answer.as_ref(),
            not_mapped: message.not_mapped.as_deref(),
            incidents: &message.incidents,
        };
        let head = Head {
            time: &message.time,
            charge_point: &message.charge_point,
            direction: message.direction,
            note: message.origin.as_deref(),
            message_type: message.message_type.as_deref(),
            action: message.action.as_deref(),
            message_id: message.message_id.as_deref(),
            exchange: message.exchange.as_deref(),
        };
        let problems = outcome.problems();
        let is_failure = !problems.is_empty()
            || matches!(message.answer, Some(StepAction::Reject { .. }))
            || outcome.steps.iter().any(|step| step.failure.is_some());
        let mut parts = self.head(&head, is_failure);
        parts.extend(route(message).map(Cow::Owned));
        parts.extend(content(message));
        let mut lines = vec![self.cut(&parts.join(" "))];
        let below = if self.shows_trace {
            outcome.lines()
        } else {
            let answer = outcome.answer.map(|answer| format!("answered   {}", shown(answer)));
            answer.into_iter().chain(problems).collect()
        };
        lines.extend(below.iter().map(|line| format!("    {}", cell(line))));
        lines.join("\n")
    }

    fn plain_frame(&mut self, name: &str, event: &PlainFrame) -> String {
        let head = Head {
            time: &event.time,
            charge_point: &event.charge_point,
            direction: event.direction,
            note: Some(name),
            message_type: event.message_type.as_deref(),
            action: event.action.as_deref(),
            message_id: event.message_id.as_deref(),
            exchange: event.exchange.as_deref(),
        };
        let mut parts = self.head(&head, event.message_type.is_none());
        parts.extend(event.frame.as_deref().map(payload));
        self.cut(&parts.join(" "))
    }

    /// Time, charge point, direction, type, action and message id, and how long after its CALL an answer is.
    fn head<'a>(&mut self, head: &Head<'a>, is_failure: bool) -> Vec<Cow<'a, str>> {
        let is_error = is_failure || head.message_type.is_some_and(|name| name.ends_with("ERROR"));
        let arrow = match head.direction {
            Direction::Uplink => "▲",
            Direction::Downlink => "▼",
        };
        let mark = is_error.then_some("!");
        let parts = mark.into_iter().chain([clock(head.time), head.charge_point, arrow]);
        let names = [head.note, head.message_type, head.action, head.message_id];
        let parts = parts.chain(names.into_iter().flatten()).map(Cow::Borrowed);
        parts.chain(self.since_call(head).map(Cow::Owned)).collect()
    }

    /// `+17 ms`: the time since the CALL of an answer, if that was seen.
    fn since_call(&mut self, head: &Head<'_>) -> Option<String> {
        let (exchange, time) = (head.exchange?, humantime::parse_rfc3339(head.time).ok()?);
        if head.message_type == Some("CALL") {
            self.calls.put(exchange.to_owned(), time);
            return None;
        }
        let taken = time.duration_since(self.calls.pop(exchange)?).ok()?;
        Some(match taken.as_millis() {
            0 => format!("+{:.1} ms", taken.as_secs_f64() * 1e3),
            milliseconds @ ..10_000 => format!("+{milliseconds} ms"),
            _ => format!("+{} s", taken.as_secs()),
        })
    }

    /// One line, cut to the width of the terminal.
    fn cut(&self, line: &str) -> String {
        // Escaping makes it longer: what is beyond the width before is so after it as well.
        let longest = self.width.unwrap_or(usize::MAX);
        let start: String = line.chars().take(longest.saturating_add(1)).collect();
        let mut shown = cell(&start);
        if let Some((end, _)) = self.width.and_then(|width| shown.char_indices().nth(width)) {
            let last = shown[..end].char_indices().next_back().map_or(0, |(last, _)| last);
            shown.truncate(last);
            shown.push('…');
        }
        shown
    }
}

/// Where a message went, or where it came from.
fn route(message: &RecordedMessage) -> Option<String> {
    match message.direction {
        Direction::Uplink if message.published.is_empty() => None,
        Direction::Uplink => {
            let topics: Vec<_> = message.published.iter().map(|published| published.topic.as_str()).collect();
            Some(format!("→ {}", topics.join(", ")))
        }
        Direction::Downlink => message.message.as_ref().map(|message| format!("← {}", message.topic)),
    }
}

/// The OCPP payload; of a message that was not mapped, its MQTT payload.
fn content(message: &RecordedMessage) -> Option<Cow<'_, str>> {
    let frame = message.frame.as_ref().or(message.sent.first());
    let text = || message.message.as_ref()?.payload.as_deref().map(Cow::Borrowed);
    frame.map(|frame| payload(frame)).or_else(text)
}

/// What a frame contains beside what the line shows already.
fn payload(frame: &str) -> Cow<'_, str> {
    let Ok(Frame { payload, error, .. }) = Frame::parse(frame) else { return frame.into() };
    match error {
        Some(error) => format!("{}: {} {payload}", error.code, error.description).into(),
        None => payload,
    }
}

/// An event that is no frame: time, charge point, name, and the other members with their names.
fn other(name: &str, mut event: Map<String, Value>) -> String {
    let [time, charge_point] = ["time", "charge_point"].map(|member| event.remove(member).map(|value| plain(&value)));
    let outcome = event.get("outcome").and_then(Value::as_str);
    let is_problem = match name {
        "incident" | "refused" | "missed" => true,
        "swap" => outcome.is_some_and(|outcome| outcome != "swapped"),
        "trial" => outcome == Some("failed"),
        _ => false,
    };
    ["v", "event"].iter().for_each(|member| drop(event.remove(*member)));
    let text = match name {
        "started" => {
            let payload = if event.get("payload") == Some(&Value::Bool(false)) { ", without payloads" } else { "" };
            format!("watching gateway {}{payload}", event.get("gateway").map(plain).unwrap_or_default())
        }
        "missed" => format!("missed {} lines", event.get("missed").map(plain).unwrap_or_default()),
        _ => format!("{name} {}", details(event)),
    };
    let time = time.map(|time| clock(&time).to_owned());
    let parts = is_problem.then(|| "!".to_owned()).into_iter().chain(time).chain(charge_point);
    parts.chain([text]).collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

/// The time of day of an RFC 3339 time, with milliseconds.
fn clock(time: &str) -> &str {
    /// `05:00:00.123`
    const LENGTH: usize = 12;
    let time = time.split_once('T').map_or(time, |(_, time)| time);
    time.get(..LENGTH).unwrap_or(time)
}
