//! One problem, and what its sentence is made of.

use crate::operations::events::rfc3339;
use serde::Serialize;
use std::fmt::Display;
use std::time::{Instant, SystemTime};

/// The longest text of others in a sentence, in bytes.
const MAX_TEXT_LENGTH: usize = 300;

/// The worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// Charge points or back ends are not served, or messages are lost.
    Error,
    Warning,
}

/// What a problem is about, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Broker,
    Gateway,
    Backlog,
    BackEnd,
    Memory,
    Transform,
    Trial,
    DropIn,
    Connector,
    Refusals,
    Limit,
    Certificate,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct CurrentProblem {
    pub(super) severity: Severity,
    pub(super) kind: Kind,
    /// What has the problem, if there may be several of its kind.
    pub(super) subject: Option<String>,
    /// What is wrong, and what to do.
    pub(super) text: String,
    pub(super) since: Option<String>,
}

impl CurrentProblem {
    pub(super) fn error(kind: Kind, text: String) -> Self {
        CurrentProblem { severity: Severity::Error, kind, subject: None, text, since: None }
    }

    pub(super) fn warning(kind: Kind, text: String) -> Self {
        CurrentProblem { severity: Severity::Warning, ..CurrentProblem::error(kind, text) }
    }

    pub(super) fn of(self, subject: impl Into<String>) -> Self {
        CurrentProblem { subject: Some(subject.into()), ..self }
    }

    pub(super) fn since(self, time: SystemTime) -> Self {
        CurrentProblem { since: Some(rfc3339(time)), ..self }
    }
}

/// One moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) monotonic: Instant,
    pub(super) wall: SystemTime,
}

impl Now {
    /// The time of an earlier moment.
    pub(super) fn time_of(self, moment: Instant) -> SystemTime {
        let ago = self.monotonic.saturating_duration_since(moment);
        self.wall.checked_sub(ago).unwrap_or(self.wall)
    }
}

pub(super) fn sort(problems: &mut [CurrentProblem]) {
    problems.sort_by(|one, other| {
        let key = |it: &CurrentProblem| (it.severity, it.kind);
        key(one).cmp(&key(other)).then_with(|| one.subject.cmp(&other.subject))
    });
}

/// The first line of a text of others, which may be long, without the dot at its end, and without the marks of code,
/// which a page shows as they are.
pub(super) fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim_end_matches('.').replace('`', "");
    match line.floor_char_boundary(MAX_TEXT_LENGTH) {
        end if end < line.len() || text.lines().nth(1).is_some() => format!("{}…", &line[..end]),
        _ => line,
    }
}

/// A number with its noun: `1 message`, `2 messages`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Some of `count` things by their names: `CP1`, `CP1 and CP2`, `5 charge points (CP1, CP2, CP3, …)`.
pub(super) fn named<T: Display>(some: &[T], count: usize, noun: &str) -> String {
    match some {
        [one] if count == 1 => one.to_string(),
        [one, other] if count == 2 => format!("{one} and {other}"),
        some => {
            let mark = if some.len() < count { ", …" } else { "" };
            let names = some.iter().map(T::to_string).collect::<Vec<_>>().join(", ");
            format!("{} ({names}{mark})", counted(count as u64, noun))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn worst_problems_come_first() {
        let subject = |name: &str| CurrentProblem::warning(Kind::Transform, String::new()).of(name);
        let mut problems = vec![
            CurrentProblem::warning(Kind::Backlog, String::new()),
            subject("b"),
            subject("a"),
            CurrentProblem::error(Kind::Certificate, String::new()),
            CurrentProblem::error(Kind::Broker, String::new()),
        ];
        sort(&mut problems);
        let order = problems.iter().map(|it| (it.kind, it.subject.as_deref())).collect::<Vec<_>>();
        assert_eq!(
            order,
            [
                (Kind::Broker, None),
                (Kind::Certificate, None),
                (Kind::Backlog, None),
                (Kind::Transform, Some("a")),
                (Kind::Transform, Some("b"))
            ]
        );
    }

    #[test]
    fn texts_of_others_are_one_short_line() {
        assert_eq!(short("it failed."), "it failed");
        assert_eq!(short("`uplink` failed"), "uplink failed");
        assert_eq!(short("it failed\nat 0x1"), "it failed…");
        assert_eq!(short(&"é".repeat(1000)), format!("{}…", "é".repeat(MAX_TEXT_LENGTH / 2)));
        assert_eq!(short(""), "");
    }

    #[test]
    fn moments_of_the_monotonic_clock_have_a_time() {
        let now =
            Now { monotonic: Instant::now() + Duration::from_secs(90), wall: UNIX_EPOCH + Duration::from_secs(90) };
        assert_eq!(now.time_of(now.monotonic - Duration::from_secs(60)), UNIX_EPOCH + Duration::from_secs(30));
        let problem = CurrentProblem::error(Kind::Broker, String::new()).since(UNIX_EPOCH);
        assert_eq!(problem.since.as_deref(), Some("1970-01-01T00:00:00.000Z"));
    }

    #[test]
    fn some_things_are_named_and_all_are_counted() {
        for (some, count, text) in [
            (&["CP1"][..], 1, "CP1"),
            (&["CP1", "CP2"], 2, "CP1 and CP2"),
            (&["CP1", "CP2", "CP3"], 3, "3 charge points (CP1, CP2, CP3)"),
            (&["CP1", "CP2", "CP3"], 9, "9 charge points (CP1, CP2, CP3, …)"),
        ] {
            assert_eq!(named(some, count, "charge point"), text);
        }
    }
}
