//! What the API says of a trial, as text.

use super::transform_summary::Version;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A trial, as far as it is shown. That of a dry run has no state, and may lack its versions.
#[derive(Debug, Deserialize)]
pub(super) struct Trial {
    transform: String,
    mode: Option<String>,
    percent: Option<u64>,
    charge_points: Option<String>,
    state: Option<String>,
    reason: Option<String>,
    started_at: Option<String>,
    ended_at: Option<String>,
    live: Option<Version>,
    candidate: Option<Version>,
    /// Of the candidate.
    settings: Option<Map<String, Value>>,
    /// The charge points that are connected, and those of them that take part.
    connected: u64,
    selected: u64,
    /// Whether it goes on after a restart.
    kept: Option<bool>,
    #[serde(default)]
    pub(super) warnings: Vec<String>,
    #[serde(default)]
    dry_run: bool,
    pub(super) shadow: Option<Shadow>,
    pub(super) canary: Option<Canary>,
}

/// The figures of a shadow. `messages` are those that were compared.
#[derive(Debug, Deserialize)]
pub(super) struct Shadow {
    messages: u64,
    equal: u64,
    different: u64,
    failed: u64,
    skipped: u64,
    /// The mean time per call, in microseconds.
    candidate_us: Option<f64>,
    live_us: Option<f64>,
    #[serde(default)]
    differences: Vec<Box<RawValue>>,
}

/// The figures of a canary, beside those of the charge points that do not take part.
#[derive(Debug, Deserialize)]
pub(super) struct Canary {
    candidate: Figures,
    others: Figures,
}

#[derive(Debug, Deserialize)]
struct Figures {
    charge_points: u64,
    /// Calls of the transform.
    calls: u64,
    failures: u64,
    call_us: Option<f64>,
    /// CALLs, by how they ended.
    answered: u64,
    errors: u64,
    unanswered: u64,
    answer_ms: Option<AnswerTimes>,
    incidents: u64,
}

/// In milliseconds.
#[derive(Debug, Deserialize)]
struct AnswerTimes {
    p50: f64,
    p99: f64,
}

impl Trial {
    /// What is on trial, and for which charge points: names with their values.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let Trial { state, reason, live, candidate, kept, .. } = self;
        let mut pairs = vec![("transform", self.transform.clone())];
        pairs.extend(self.mode.clone().map(|mode| ("mode", mode)));
        pairs.push(("takes part", self.participants()));
        let state = state.as_deref().filter(|_| !self.dry_run);
        let is_running = state == Some("running");
        let (word, time) = if is_running { ("since", &self.started_at) } else { ("at", &self.ended_at) };
        let time = time.as_ref().map(|time| format!(" {word} {time}")).unwrap_or_default();
        pairs.extend(state.map(|state| ("state", format!("{state}{time}"))));
        pairs.extend(reason.clone().map(|reason| ("reason", reason)));
        let versions = [("live", live), ("candidate", candidate)];
        pairs.extend(versions.into_iter().filter_map(|(name, version)| Some((name, version.as_ref()?.text()))));
        pairs.extend(self.changed_settings().map(|settings| ("settings", settings)));
        if let Some(kept) = kept.filter(|_| is_running) {
            let after_restart = if kept { "it goes on" } else { "it is gone" };
            pairs.push(("after a restart", after_restart.into()));
        }
        pairs
    }

    /// The configuration of the candidate, in a line.
    fn changed_settings(&self) -> Option<String> {
        let config = self.settings.as_ref()?.get("config")?.as_object().filter(|config| !config.is_empty())?;
        // A program is too long for a line, and its hash is that of the version.
        let config = config.iter().filter(|(key, _)| *key != "program").map(|(key, value)| format!("{key} = {value}"));
        Some(config.collect::<Vec<_>>().join(", ")).filter(|line| !line.is_empty())
    }

    /// Which charge points take part, and how many of the connected ones these are.
    fn participants(&self) -> String {
        let Trial { mode, percent, charge_points, connected, selected, .. } = self;
        // An answer that lacks the mode may lack the selection too.
        if mode.is_none() {
            return format!("{selected} of {connected} connected charge points");
        }
        let share = percent.map(|percent| format!("{percent} % of the charge points"));
        let who = match (share, charge_points) {
            (Some(share), Some(glob)) => format!("{share} that match {glob}"),
            (Some(share), None) => share,
            (None, Some(glob)) => format!("charge points that match {glob}"),
            (None, None) => "all charge points".into(),
        };
        format!("{who}: {selected} of {connected} connected")
    }

    /// What to do after the start.
    pub(super) fn what_next(&self) -> String {
        if self.dry_run {
            return "A dry run: no trial has been started.".into();
        }
        format!("`ocpp-gateway ctl trial show {}` shows how it goes.", self.transform)
    }

    /// The differences that the gateway has kept, each as JSON.
    pub(super) fn differences(&self) -> &[Box<RawValue>] {
        self.shadow.as_ref().map(|shadow| &shadow.differences[..]).unwrap_or_default()
    }

    /// How many differences a shadow has found. `are_shown`: those that were kept are above this line.
    pub(super) fn differences_line(&self, are_shown: bool) -> Option<String> {
        let Some(shadow) = &self.shadow else {
            let none = "A canary has no differences: only one of the versions handles a message.";
            return are_shown.then(|| none.into());
        };
        let (kept, all) = (shadow.differences.len(), shadow.different.saturating_add(shadow.failed));
        let number = match all {
            0 => return Some("No differences.".into()),
            1 => "1 difference".to_owned(),
            all => format!("{all} differences"),
        };
        let first = if kept as u64 == all { String::new() } else { format!("; the first {kept} are kept") };
        if are_shown || kept == 0 {
            return Some(format!("{number}{first}."));
        }
        let shows = if kept == 1 { "shows it" } else { "shows them" };
        Some(format!("{number}{first}: `ocpp-gateway ctl trial show {} --differences` {shows}.", self.transform))
    }
}

impl Shadow {
    /// Names with their values.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let counts = [
            ("messages", self.messages),
            ("equal", self.equal),
            ("different", self.different),
            ("failed", self.failed),
            ("skipped", self.skipped),
        ];
        let mut pairs: Vec<_> = counts.into_iter().map(|(name, count)| (name, count.to_string())).collect();
        let ratio = match (self.candidate_us, self.live_us) {
            (Some(candidate), Some(live)) if live > 0.0 => format!(", ratio {:.2}", candidate / live),
            _ => String::new(),
        };
        let time = format!("candidate {}, live {}{ratio}", microseconds(self.candidate_us), microseconds(self.live_us));
        pairs.push(("time per call", time));
        pairs
    }
}

impl Canary {
    /// The rows of a table: what, for the candidate, for the others.
    pub(super) fn rows(&self) -> Vec<[String; 3]> {
        let Canary { candidate, others } = self;
        let row = |name: &str, value: fn(&Figures) -> String| [name.to_owned(), value(candidate), value(others)];
        vec![
            row("charge points", |it| it.charge_points.to_string()),
            row("calls of the transform", |it| it.calls.to_string()),
            row("failed calls", |it| it.failures.to_string()),
            row("time per call", |it| microseconds(it.call_us)),
            row("CALLs answered", |it| it.answered.to_string()),
            row("CALLs answered with an error", |it| it.errors.to_string()),
            row("CALLs unanswered", |it| it.unanswered.to_string()),
            row("time to the answer, p50", |it| milliseconds(it.answer_ms.as_ref().map(|times| times.p50))),
            row("time to the answer, p99", |it| milliseconds(it.answer_ms.as_ref().map(|times| times.p99))),
            row("incidents", |it| it.incidents.to_string()),
        ]
    }
}

fn microseconds(time: Option<f64>) -> String {
    time.map_or_else(|| "-".into(), |time| format!("{time:.1} µs"))
}

fn milliseconds(time: Option<f64>) -> String {
    time.map_or_else(|| "-".into(), |time| format!("{time:.1} ms"))
}
