//! How two outcomes of one message differ.

use super::json::{self, JsonChange};
use super::pairs::Pairs;
use crate::transforms::fixture::json_by_value;
use ocpp_gateway_core::{CallError, Frame, Publish};
use ocpp_gateway_pipeline::{Answer, Cause, Failure, GuestFault, TryOutcome};
use serde_json::Value;

/// Takes the differences of one message.
pub(super) trait DifferenceSink {
    /// `kind`: what differs, the same for all messages of a group. `example`: the old and the new text, where there is
    /// one; called only if they are wanted.
    fn note(&mut self, kind: &str, example: &dyn Fn() -> OldAndNew);
}

/// An old and a new text. Empty: only the other one exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OldAndNew {
    pub(super) old: String,
    pub(super) new: String,
}

impl OldAndNew {
    fn new(old: impl Into<String>, new: impl Into<String>) -> Self {
        OldAndNew { old: old.into(), new: new.into() }
    }
}

/// Whether both are the same byte by byte, which is what most outcomes are.
pub(super) fn is_same(old: &TryOutcome, new: &TryOutcome) -> bool {
    // Not the incidents themselves, which have the name of the transform.
    let (old_incidents, new_incidents) = (old.incidents.iter(), new.incidents.iter());
    old.publishes == new.publishes
        && old.frames == new.frames
        && old.answer == new.answer
        && old.not_mapped == new.not_mapped
        && old_incidents.map(|incident| &incident.cause).eq(new_incidents.map(|incident| &incident.cause))
}

/// Notes all differences. JSON is compared by value.
pub(super) fn find(old: &TryOutcome, new: &TryOutcome, sink: &mut dyn DifferenceSink) {
    let has_other_fate = compare_fates(old, new, sink);
    compare_answers(old.answer.as_ref(), new.answer.as_ref(), has_other_fate, sink);
    // Where a message is dropped, rejected or fails, nothing else is to be expected.
    let is_explained = |old: usize, new: usize| has_other_fate && (old == 0 || new == 0);
    if !is_explained(old.publishes.len(), new.publishes.len()) {
        compare_publishes(&old.publishes, &new.publishes, sink);
    }
    if !is_explained(old.frames.len(), new.frames.len()) {
        compare_frames(&old.frames, &new.frames, sink);
    }
}

// ---- dropped, rejected, failed --------------------------------------------------------------------------------------

/// What became of a message instead of going on.
#[derive(Debug, PartialEq, Eq)]
struct Fate {
    name: String,
    /// More about it.
    text: String,
}

fn fates(outcome: &TryOutcome) -> Vec<Fate> {
    let incidents = outcome.incidents.iter().map(|incident| fate(&incident.cause));
    let not_mapped = outcome.not_mapped.iter().map(|it| Fate { name: "not mapped".into(), text: it.text.clone() });
    incidents.chain(not_mapped).collect()
}

fn fate(cause: &Cause) -> Fate {
    let rejected = |text: &str| {
        let (code, description) = text.split_once(": ").unwrap_or((text, ""));
        Fate { name: format!("rejected: {code}"), text: description.to_owned() }
    };
    match cause {
        Cause::Dropped(reason) => Fate { name: "dropped".into(), text: reason.clone() },
        Cause::Rejected(text) => rejected(text),
        Cause::Failed(Failure::Refused(error)) => rejected(&error.to_string()),
        Cause::Invalid { rejected: true, text, .. } => Fate { name: "rejected by a rule".into(), text: text.clone() },
        Cause::Invalid { rejected: false, text, .. } => Fate { name: "breaks a rule".into(), text: text.clone() },
        // What a transform says before it gives up is about one message.
        Cause::Failed(Failure::Guest(fault @ GuestFault::Trap(_))) => {
            Fate { name: "fails: trapped".into(), text: fault.to_string() }
        }
        Cause::Failed(failure) => {
            let text = failure.to_string();
            Fate { name: format!("fails: {}", text.lines().next().unwrap_or_default()), text }
        }
    }
}

/// Whether the message has another fate.
fn compare_fates(old: &TryOutcome, new: &TryOutcome, sink: &mut dyn DifferenceSink) -> bool {
    if old.incidents.is_empty() && old.not_mapped.is_none() && new.incidents.is_empty() && new.not_mapped.is_none() {
        return false;
    }
    let (old, new) = (fates(old), fates(new));
    let is_in = |fate: &Fate, others: &[Fate]| others.iter().any(|other| other.name == fate.name);
    let mut is_other = false;
    for fate in old.iter().filter(|fate| !is_in(fate, &new)) {
        is_other = true;
        sink.note(&format!("no longer {}", fate.name), &|| OldAndNew::new(&fate.text, ""));
    }
    for fate in &new {
        if !is_in(fate, &old) {
            is_other = true;
            sink.note(&fate.name, &|| OldAndNew::new("", &fate.text));
        } else if !old.contains(fate)
            && let Some(before) = old.iter().find(|before| before.name == fate.name)
        {
            sink.note(&format!("{}, with another text", fate.name), &|| OldAndNew::new(&before.text, &fate.text));
        }
    }
    is_other
}

// ---- answers --------------------------------------------------------------------------------------------------------

fn compare_answers(old: Option<&Answer>, new: Option<&Answer>, has_other_fate: bool, sink: &mut dyn DifferenceSink) {
    let is_error = |answer: Option<&Answer>| matches!(answer, Some(Answer::Error(_) | Answer::ResultError(_)));
    match (old, new) {
        (None, None) => {}
        // The error is that of the fate.
        _ if has_other_fate && (is_error(old) || is_error(new)) => {}
        (None, Some(new)) => sink.note("answered", &|| OldAndNew::new("", answer_text(new))),
        (Some(old), None) => sink.note("no longer answered", &|| OldAndNew::new(answer_text(old), "")),
        (Some(Answer::Result(old)), Some(Answer::Result(new))) => {
            compare_texts("answer", old.as_bytes(), new.as_bytes(), sink);
        }
        (Some(Answer::Error(old)), Some(Answer::Error(new)))
        | (Some(Answer::ResultError(old)), Some(Answer::ResultError(new))) => compare_errors(old, new, sink),
        (Some(old), Some(new)) => {
            sink.note("answer of another type", &|| OldAndNew::new(answer_text(old), answer_text(new)));
        }
    }
}

fn answer_text(answer: &Answer) -> String {
    match answer {
        Answer::Result(payload) => payload.clone(),
        Answer::Error(error) | Answer::ResultError(error) => error.to_string(),
    }
}

fn compare_errors(old: &CallError, new: &CallError, sink: &mut dyn DifferenceSink) {
    compare_words("answer: error code", &old.code, &new.code, sink);
    compare_words("answer: error description", &old.description, &new.description, sink);
    compare_texts("answer: error details", old.details.as_bytes(), new.details.as_bytes(), sink);
}

// ---- messages -------------------------------------------------------------------------------------------------------

fn compare_publishes(old: &[Publish], new: &[Publish], sink: &mut dyn DifferenceSink) {
    let Pairs { changed, missing, added, is_reordered } = Pairs::of(old, new, |old, new| old.topic == new.topic);
    for (old, new) in changed {
        compare_words("topic", &old.topic, &new.topic, sink);
        compare_words("qos", &old.qos.level().to_string(), &new.qos.level().to_string(), sink);
        compare_words("retain", &old.retain.to_string(), &new.retain.to_string(), sink);
        compare_texts("payload", &old.payload, &new.payload, sink);
    }
    let text = |publish: &Publish| format!("{}  {}", publish.topic, String::from_utf8_lossy(&publish.payload));
    for publish in missing {
        sink.note("not published any more", &|| OldAndNew::new(text(publish), ""));
    }
    for publish in added {
        sink.note("published in addition", &|| OldAndNew::new("", text(publish)));
    }
    if is_reordered {
        let topics = |all: &[Publish]| all.iter().map(|publish| &*publish.topic).collect::<Vec<_>>().join(", ");
        sink.note("published in another order", &|| OldAndNew::new(topics(old), topics(new)));
    }
}

fn compare_frames(old: &[Frame<'static>], new: &[Frame<'static>], sink: &mut dyn DifferenceSink) {
    let alike = |old: &Frame<'_>, new: &Frame<'_>| old.kind == new.kind && old.action == new.action;
    let Pairs { changed, missing, added, is_reordered } = Pairs::of(old, new, alike);
    for (old, new) in changed {
        compare_words("frame: type", old.kind.name(), new.kind.name(), sink);
        compare_words("frame: message id", &old.id, &new.id, sink);
        compare_words("frame: action", old.action_name(), new.action_name(), sink);
        let head = |frame: &Frame<'_>| {
            let head = frame.error.as_ref();
            head.map(|head| [head.code.to_string(), head.description.to_string()]).unwrap_or_default()
        };
        let ([old_code, old_description], [new_code, new_description]) = (head(old), head(new));
        compare_words("frame: error code", &old_code, &new_code, sink);
        compare_words("frame: error description", &old_description, &new_description, sink);
        compare_texts("frame", old.payload.as_bytes(), new.payload.as_bytes(), sink);
    }
    for frame in missing {
        sink.note("not sent any more", &|| OldAndNew::new(frame.encode(), ""));
    }
    for frame in added {
        sink.note("sent in addition", &|| OldAndNew::new("", frame.encode()));
    }
    if is_reordered {
        let ids = |all: &[Frame<'_>]| all.iter().map(|frame| &*frame.id).collect::<Vec<_>>().join(", ");
        sink.note("sent in another order", &|| OldAndNew::new(ids(old), ids(new)));
    }
}

// ---- texts ----------------------------------------------------------------------------------------------------------

fn compare_words(what: &str, old: &str, new: &str, sink: &mut dyn DifferenceSink) {
    if old != new {
        sink.note(what, &|| OldAndNew::new(old, new));
    }
}

/// Compares JSON place by place, and other texts as a whole.
fn compare_texts(what: &str, old: &[u8], new: &[u8], sink: &mut dyn DifferenceSink) {
    if old == new {
        return;
    }
    let (Some(old_json), Some(new_json)) = (json_by_value(old), json_by_value(new)) else {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        return sink.note(what, &|| OldAndNew::new(text(old), text(new)));
    };
    json::compare(&old_json, &new_json, &mut |pointer, change| {
        let space = if pointer.is_empty() { "" } else { " " };
        let end = match change {
            JsonChange::Changed(..) => "",
            JsonChange::Missing(_) => " is missing",
            JsonChange::New(_) => " is new",
        };
        sink.note(&format!("{what}{space}{pointer}{end}"), &|| match change {
            JsonChange::Changed(old, new) => OldAndNew::new(json_text(old), json_text(new)),
            JsonChange::Missing(old) => OldAndNew::new(json_text(old), ""),
            JsonChange::New(new) => OldAndNew::new("", json_text(new)),
        });
    });
}

fn json_text(value: &Value) -> String {
    value.to_string()
}
