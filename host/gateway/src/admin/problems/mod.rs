//! `/api/v1/problems`: what is wrong now, in sentences for an engineer who has to act.
//!
//! The list is made when it is asked for, from statuses, histories and the figures of the last minutes.
//!
//! - `service`: broker, gateway, backlog, back ends, memory; `transforms`: transforms, trials, drop-ins;
//!   `access`: refused connections, limits, certificates.

mod access;
mod service;
mod transforms;

use super::problem::{json, run_blocking};
use super::state::{AdminState, SharedAdminState};
use crate::admin::problem::Problem;
use crate::operations::events::rfc3339;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use std::time::{Instant, SystemTime};

/// The longest text of others in a sentence, in bytes.
const MAX_TEXT_LENGTH: usize = 300;

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new().route("/api/v1/problems", get(list))
}

/// The worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Severity {
    /// Charge points or back ends are not served, or messages are lost.
    Error,
    Warning,
}

/// What a problem is about, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Broker,
    Gateway,
    Backlog,
    BackEnd,
    Memory,
    Transform,
    Trial,
    DropIn,
    Refusals,
    Limit,
    Certificate,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct CurrentProblem {
    severity: Severity,
    kind: Kind,
    /// What has the problem, if there may be several of its kind.
    subject: Option<String>,
    /// What is wrong, and what to do.
    text: String,
    since: Option<String>,
}

#[derive(Debug, Serialize)]
struct Problems {
    /// The worst first.
    problems: Vec<CurrentProblem>,
}

impl CurrentProblem {
    fn error(kind: Kind, text: String) -> Self {
        CurrentProblem { severity: Severity::Error, kind, subject: None, text, since: None }
    }

    fn warning(kind: Kind, text: String) -> Self {
        CurrentProblem { severity: Severity::Warning, ..CurrentProblem::error(kind, text) }
    }

    fn of(self, subject: impl Into<String>) -> Self {
        CurrentProblem { subject: Some(subject.into()), ..self }
    }

    fn since(self, time: SystemTime) -> Self {
        CurrentProblem { since: Some(rfc3339(time)), ..self }
    }
}

/// One moment on both clocks.
#[derive(Debug, Clone, Copy)]
struct Now {
    monotonic: Instant,
    wall: SystemTime,
}

impl Now {
    /// The time of an earlier moment.
    fn time_of(self, moment: Instant) -> SystemTime {
        let ago = self.monotonic.saturating_duration_since(moment);
        self.wall.checked_sub(ago).unwrap_or(self.wall)
    }
}

/// Lists what is wrong
async fn list(State(state): State<SharedAdminState>) -> Result<Response, Problem> {
    let problems = run_blocking(move || current(&state)).await?;
    Ok(json(StatusCode::OK, &Problems { problems }))
}

fn current(state: &AdminState) -> Vec<CurrentProblem> {
    let now = Now { monotonic: Instant::now(), wall: SystemTime::now() };
    let recent = state.figures.recent();
    let mut problems = service::all(state, &recent.counts, now);
    problems.extend(transforms::all(state, &recent.transform_failures, now));
    problems.extend(access::all(state, &recent.counts, now));
    sort(&mut problems);
    problems
}

fn sort(problems: &mut [CurrentProblem]) {
    problems.sort_by(|one, other| {
        let key = |it: &CurrentProblem| (it.severity, it.kind);
        key(one).cmp(&key(other)).then_with(|| one.subject.cmp(&other.subject))
    });
}

/// The first line of a text of others, which may be long, without the dot at its end.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim_end_matches('.');
    match line.floor_char_boundary(MAX_TEXT_LENGTH) {
        end if end < line.len() || text.lines().nth(1).is_some() => format!("{}…", &line[..end]),
        _ => line.to_owned(),
    }
}

/// A number with its noun: `1 message`, `2 messages`.
fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
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
}
