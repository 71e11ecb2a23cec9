//! What is printed of the differences between two transforms.

use super::differences::OldAndNew;
use super::groups::{Group, GroupKey, Groups};
use crate::operations::log::printable;
use crate::operations::names;
use crate::recording::counted;
use crate::transforms::fixture::{indent, of_lines};
use ocpp_gateway_core::MessageType;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

/// Up to this many characters, old and new text are in one line.
const SHORT: usize = 100;

/// For people. `notes`: about lines that were skipped.
pub(super) fn text(messages: u64, groups: &Groups, notes: &[String]) -> String {
    let mut text = String::new();
    // Writing to a `String` does not fail.
    for (key, group) in groups.sorted() {
        let GroupKey { direction, message_type, action, difference } = key;
        let Group { count, line, charge_point, example, .. } = group;
        let (direction, message_type) =
            (names::direction(*direction), message_type.map_or("message", MessageType::name));
        let space = if action.is_empty() { "" } else { " " };
        let _ = writeln!(text, "{count} × {direction} {message_type}{space}{action}: {difference}");
        let _ = writeln!(text, "    first in line {line}, charge point {charge_point}");
        let _ = writeln!(text, "{}\n", indent(&indent(&example_text(example))));
    }
    if groups.others() > 0 {
        let _ = writeln!(text, "{} × other differences\n", groups.others());
    }
    let _ = match groups.different() {
        0 => writeln!(text, "{} replayed: no differences", counted(messages, "message")),
        1 => writeln!(text, "{} replayed, 1 of them comes out differently", counted(messages, "message")),
        different => {
            writeln!(text, "{} replayed, {different} of them come out differently", counted(messages, "message"))
        }
    };
    notes.iter().for_each(|note| {
        let _ = writeln!(text, "note: {note}");
    });
    printable(&text)
}

fn example_text(OldAndNew { old, new }: &OldAndNew) -> String {
    let is_short = |text: &str| text.chars().count() <= SHORT && !text.contains('\n');
    match (old.is_empty(), new.is_empty()) {
        (true, true) => "(no text)".into(),
        (true, false) => format!("NEW: {new}"),
        (false, true) => format!("OLD: {old}"),
        (false, false) if is_short(old) && is_short(new) => format!("{old} → {new}"),
        (false, false) => "- OLD\n+ NEW\n\n".to_owned() + &of_lines(&on_lines(old), &on_lines(new)),
    }
}

/// JSON on several lines, and other text as it is, with an end.
fn on_lines(text: &str) -> String {
    let json = serde_json::from_str::<Value>(text).and_then(|json| serde_json::to_string_pretty(&json));
    json.unwrap_or_else(|_| text.to_owned()) + "\n"
}

/// For programs.
#[derive(Serialize)]
struct Report<'a> {
    messages: u64,
    different: u64,
    groups: Vec<ReportGroup<'a>>,
    other_differences: u64,
    notes: &'a [String],
}

#[derive(Serialize)]
struct ReportGroup<'a> {
    direction: &'static str,
    #[serde(rename = "type")]
    message_type: Option<&'static str>,
    action: &'a str,
    difference: &'a str,
    count: u64,
    example: ReportExample<'a>,
}

#[derive(Serialize)]
struct ReportExample<'a> {
    line: u64,
    charge_point: &'a str,
    old: &'a str,
    new: &'a str,
}

/// For programs: one JSON object.
pub(super) fn json(messages: u64, groups: &Groups, notes: &[String]) -> serde_json::Result<String> {
    let sorted = groups.sorted();
    let report_groups = sorted.iter().map(|(key, group)| ReportGroup {
        direction: names::direction(key.direction),
        message_type: key.message_type.map(MessageType::name),
        action: &key.action,
        difference: &key.difference,
        count: group.count,
        example: ReportExample {
            line: group.line,
            charge_point: &group.charge_point,
            old: &group.example.old,
            new: &group.example.new,
        },
    });
    serde_json::to_string_pretty(&Report {
        messages,
        different: groups.different(),
        groups: report_groups.collect(),
        other_differences: groups.others(),
        notes,
    })
}
