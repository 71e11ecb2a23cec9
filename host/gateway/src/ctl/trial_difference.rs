//! A message that came out differently in a shadow, as text.

use super::trace::{content, shown};
use crate::recording::{LogLine, StepAction, StepInput};
use serde::Deserialize;
use std::iter;

/// A message, and what both versions did with it.
#[derive(Debug, Deserialize)]
pub(super) struct Difference {
    time: String,
    charge_point: String,
    hook: String,
    /// Absent, as the actions are, if the gateway shows no payloads.
    input: Option<StepInput>,
    live: Outcome,
    candidate: Outcome,
}

/// What one version did.
#[derive(Debug, Deserialize)]
struct Outcome {
    actions: Option<Vec<StepAction>>,
    failure: Option<String>,
    /// Of the candidate only.
    #[serde(default)]
    log: Vec<LogLine>,
}

impl Difference {
    /// The lines, not escaped. Actions that both took are left out. `number`: its place among the differences.
    pub(super) fn lines(&self, number: usize) -> Vec<String> {
        let Difference { time, charge_point, hook, input, live, candidate } = self;
        let mut texts: Vec<_> = input.iter().map(|input| ("in", content(input))).collect();
        let (of_live, of_candidate) = without_common(live.actions(), candidate.actions());
        // What a line leaves out, such as the QoS, may be all that differs.
        let is_ambiguous = of_live.iter().any(|action| of_candidate.iter().any(|other| shown(action) == shown(other)));
        for (name, outcome, actions) in [("live", live, of_live), ("candidate", candidate, of_candidate)] {
            texts.extend(outcome.texts(actions, is_ambiguous).into_iter().map(|text| (name, text)));
        }
        texts.extend(candidate.log.iter().map(|LogLine { level, text }| ("log", format!("{level} {text}"))));
        let head = format!("{number}. {time} {charge_point}, {hook}");
        iter::once(head).chain(texts.iter().flat_map(|(name, text)| below_each_other(name, text))).collect()
    }
}

/// The lines of a text, with a name before the first.
fn below_each_other(name: &str, text: &str) -> Vec<String> {
    let names = iter::once(name).chain(iter::repeat(""));
    names.zip(text.lines()).map(|(name, line)| format!("   {name:9}  {line}")).collect()
}

impl Outcome {
    fn actions(&self) -> &[StepAction] {
        self.actions.as_deref().unwrap_or_default()
    }

    /// What it did: its failure, or those of its actions that the other did not take. `as_json`: with all members.
    fn texts(&self, actions: &[StepAction], as_json: bool) -> Vec<String> {
        if let Some(failure) = &self.failure {
            return vec![format!("FAILS {failure}")];
        }
        if actions.is_empty() {
            let text = match &self.actions {
                None => "(not shown: admin.tap_payloads is false)",
                Some(actions) if actions.is_empty() => "nothing",
                Some(_) => "nothing else",
            };
            return vec![text.to_owned()];
        }
        let json = |action| serde_json::to_string(action).ok().filter(|_| as_json);
        actions.iter().map(|action| json(action).unwrap_or_else(|| shown(action))).collect()
    }
}

/// The actions without those that both have at the beginning and at the end.
fn without_common<'a>(one: &'a [StepAction], other: &'a [StepAction]) -> (&'a [StepAction], &'a [StepAction]) {
    let first = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let (one, other) = (&one[first..], &other[first..]);
    let last = one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count();
    (&one[..one.len() - last], &other[..other.len() - last])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn lines(live: &Value, candidate: &Value) -> Vec<String> {
        let difference = json!({"time": "T", "charge_point": "CP1", "hook": "to-mqtt", "input": {"frame": "[2]"},
            "live": live, "candidate": candidate});
        let lines = serde_json::from_value::<Difference>(difference).expect("a difference").lines(3);
        assert_eq!(lines[..2], ["3. T CP1, to-mqtt", "   in         [2]"]);
        lines[2..].to_vec()
    }

    fn message(topic: &str, qos: u8) -> Value {
        json!({"action": "message", "message": {"topic": topic, "qos": qos, "retain": false, "payload": "{}"}})
    }

    #[test]
    fn actions_that_only_one_version_took_are_shown() {
        let pass = json!({"action": "pass"});
        let live = json!({"actions": [pass, message("a", 1), {"action": "drop", "reason": "why"}], "failure": null});
        let candidate = json!({"actions": [pass, message("b", 1), message("c", 1), {"action": "drop", "reason": "why"}],
            "failure": null, "log": [{"level": "INFO", "text": "seen"}]});
        let expected = ["   live       a  {}", "   candidate  b  {}", "   candidate  c  {}", "   log        INFO seen"];
        assert_eq!(lines(&live, &candidate), expected);
        let more = json!({"actions": [pass, message("b", 1)], "failure": null});
        let less = json!({"actions": [pass], "failure": null});
        assert_eq!(lines(&less, &more), ["   live       nothing else", "   candidate  b  {}"]);
        let none = json!({"actions": [], "failure": null});
        assert_eq!(lines(&less, &none), ["   live       pass", "   candidate  nothing"]);
    }

    #[test]
    fn failure_takes_the_place_of_actions() {
        let live = json!({"actions": [message("a", 1)], "failure": null});
        let candidate = json!({"actions": [], "failure": "trapped\nat x", "log": []});
        assert_eq!(
            lines(&live, &candidate),
            ["   live       a  {}", "   candidate  FAILS trapped", "              at x"]
        );
    }

    #[test]
    fn gateway_may_show_no_payloads() {
        let outcome = |failure: Option<&str>| json!({"actions": null, "failure": failure, "log": []});
        let difference = json!({"time": "T", "charge_point": "CP1", "hook": "uplink", "input": null,
            "live": outcome(None), "candidate": outcome(Some("trapped"))});
        let lines = serde_json::from_value::<Difference>(difference).expect("a difference").lines(1);
        let not_shown = "   live       (not shown: admin.tap_payloads is false)";
        assert_eq!(lines, ["1. T CP1, uplink", not_shown, "   candidate  FAILS trapped"]);
    }

    #[test]
    fn actions_that_look_alike_are_shown_whole() {
        let outcome = |qos| json!({"actions": [message("a", qos)], "failure": null});
        let lines = lines(&outcome(0), &outcome(1));
        assert!(lines[0].starts_with("   live ") && lines[0].contains(r#""qos":0"#), "{lines:?}");
        assert!(lines[1].starts_with("   candidate ") && lines[1].contains(r#""qos":1"#), "{lines:?}");
    }
}
