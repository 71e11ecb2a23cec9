//! The values of the placeholders in topics.

use crate::sample::Sample;
use ocpp_transform::topic::{self, Placeholder};
use serde_json::value::RawValue;
use std::borrow::Cow;

pub(crate) type Template = topic::Template<Fact>;

/// The value of a placeholder that is not known.
const ABSENT: &str = "-";

/// The most characters of a value from a charge point in a topic: the gateway takes an overlong topic for a fault of
/// the transform.
const MAX_LEVEL: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    ChargePoint,
    Connector,
    Evse,
    Measurand,
    Phase,
    Unit,
    Context,
}

impl Placeholder for Fact {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("cid", Fact::ChargePoint),
        ("connector", Fact::Connector),
        ("evse", Fact::Evse),
        ("measurand", Fact::Measurand),
        ("phase", Fact::Phase),
        ("unit", Fact::Unit),
        ("context", Fact::Context),
    ];
}

impl Fact {
    /// Whether it is the same for all samples of a frame.
    pub(crate) fn is_same_for_a_frame(self) -> bool {
        matches!(self, Fact::ChargePoint | Fact::Connector | Fact::Evse)
    }

    /// Its value as a level of a topic.
    pub(crate) fn of<'a>(self, sample: &Sample<'a>) -> Cow<'a, str> {
        // A charge point may send the number as a string.
        fn id(id: Option<&RawValue>) -> Option<&str> {
            id.map(|id| id.get().trim_matches('"'))
        }
        let fact = match self {
            // The gateway has checked it when the charge point connected.
            Fact::ChargePoint => return sample.charge_point.into(),
            Fact::Connector => id(sample.connector_id),
            Fact::Evse => id(sample.evse_id),
            Fact::Measurand => Some(sample.measurand),
            Fact::Phase => sample.phase,
            Fact::Unit => sample.unit,
            Fact::Context => Some(sample.context),
        };
        level(fact.filter(|fact| !fact.is_empty()).unwrap_or(ABSENT))
    }
}

/// Makes a value from a charge point one level of a topic: it neither adds levels nor wildcards, and is not too long
/// for a broker.
fn level(fact: &str) -> Cow<'_, str> {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if fact.len() <= MAX_LEVEL && fact.chars().all(is_safe) {
        return fact.into();
    }
    fact.chars().take(MAX_LEVEL).map(|c| if is_safe(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_stays_within_one_topic_level() {
        for (fact, expected) in [
            ("Energy.Active.Import.Register", "Energy.Active.Import.Register"),
            ("L1-N", "L1-N"),
            ("a/b+c#d\0e f", "a_b_c_d_e_f"),
            ("°C", "_C"),
        ] {
            assert_eq!(level(fact), expected);
        }
        assert_eq!(level(&"x".repeat(70_000)).len(), MAX_LEVEL);
    }
}
