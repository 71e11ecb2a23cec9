//! Topic templates: text with `${…}` placeholders, compiled once.

use crate::sample::Sample;
use serde_json::value::RawValue;

/// What stands in a topic for what is not known.
const ABSENT: &str = "-";

/// What a charge point says of a sample takes at most this many characters of a topic: the gateway takes an overlong
/// topic for a fault of the transform.
const MAX_FACT: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    ChargePoint,
    Connector,
    Evse,
    Measurand,
    Phase,
    Unit,
    Context,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(Placeholder),
}

/// A compiled template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

impl Template {
    /// Reads a template. The error says what is wrong with it, and not where it stands.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(bad) = text.chars().find(|c| matches!(c, '+' | '#' | '\0')) {
            return Err(format!("{bad:?} must not occur in a topic: {text:?}"));
        }
        if text.is_empty() {
            return Err("a topic must not be empty".into());
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) =
                after.split_once('}').ok_or_else(|| format!("a placeholder is not closed with '}}': {text:?}"))?;
            pieces.extend([Piece::Text(before.to_owned()), Piece::Placeholder(Placeholder::named(name)?)]);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Template(pieces))
    }

    /// Whether the topic is the same for all samples of a frame.
    pub(crate) fn is_same_for_a_frame(&self) -> bool {
        use Placeholder::{ChargePoint, Connector, Evse};
        self.0.iter().all(|piece| matches!(piece, Piece::Text(_) | Piece::Placeholder(ChargePoint | Connector | Evse)))
    }

    /// The topic for a sample.
    pub(crate) fn render(&self, sample: &Sample<'_>) -> String {
        let mut topic = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => topic.push_str(text),
                Piece::Placeholder(placeholder) => placeholder.push(&mut topic, sample),
            }
        }
        topic
    }
}

impl Placeholder {
    fn named(name: &str) -> Result<Self, String> {
        match name {
            "cid" => Ok(Placeholder::ChargePoint),
            "connector" => Ok(Placeholder::Connector),
            "evse" => Ok(Placeholder::Evse),
            "measurand" => Ok(Placeholder::Measurand),
            "phase" => Ok(Placeholder::Phase),
            "unit" => Ok(Placeholder::Unit),
            "context" => Ok(Placeholder::Context),
            _ => Err(format!(
                "unknown placeholder ${{{name}}}; there are ${{cid}}, ${{connector}}, ${{evse}}, ${{measurand}}, \
                 ${{phase}}, ${{unit}} and ${{context}}"
            )),
        }
    }

    fn push(self, topic: &mut String, sample: &Sample<'_>) {
        // A charge point may have put a number into a string.
        fn id(id: Option<&RawValue>) -> Option<&str> {
            id.map(|id| id.get().trim_matches('"'))
        }
        let fact = match self {
            // The gateway has checked it when the charge point connected.
            Placeholder::ChargePoint => return topic.push_str(sample.charge_point),
            Placeholder::Connector => id(sample.connector_id),
            Placeholder::Evse => id(sample.evse_id),
            Placeholder::Measurand => Some(sample.measurand),
            Placeholder::Phase => sample.phase,
            Placeholder::Unit => sample.unit,
            Placeholder::Context => Some(sample.context),
        };
        push_fact(topic, fact.filter(|fact| !fact.is_empty()).unwrap_or(ABSENT));
    }
}

/// What a charge point sends must not change the levels of a topic, make it a filter, or be more than a broker takes.
fn push_fact(topic: &mut String, fact: &str) {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    topic.extend(fact.chars().take(MAX_FACT).map(safe));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named() {
        for (text, fault) in [
            ("", "must not be empty"),
            ("t/${cid", "not closed"),
            ("t/${action}", "unknown placeholder ${action}"),
            ("t/+", "'+' must not occur"),
            ("t/#", "'#' must not occur"),
            ("t/\0", "'\\0' must not occur"),
        ] {
            let error = Template::parse(text).expect_err(text);
            assert!(error.contains(fault), "{text:?}: {error}");
        }
    }

    #[test]
    fn only_some_placeholders_are_the_same_for_a_frame() {
        for (text, same) in
            [("t/${cid}/${evse}/${connector}", true), ("t", true), ("t/${measurand}", false), ("${phase}", false)]
        {
            assert_eq!(Template::parse(text).expect(text).is_same_for_a_frame(), same, "{text}");
        }
    }

    #[test]
    fn a_fact_stays_within_its_level() {
        for (fact, level) in [
            ("Energy.Active.Import.Register", "Energy.Active.Import.Register"),
            ("L1-N", "L1-N"),
            ("a/b+c#d\0e f", "a_b_c_d_e_f"),
            ("°C", "_C"),
        ] {
            let mut topic = String::new();
            push_fact(&mut topic, fact);
            assert_eq!(topic, level);
        }
        let mut topic = String::new();
        push_fact(&mut topic, &"x".repeat(70_000));
        assert_eq!(topic.len(), MAX_FACT);
    }
}
