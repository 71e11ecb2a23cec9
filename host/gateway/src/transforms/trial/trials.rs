//! The trials of a gateway.

use super::figures::{ShadowFigures, ShadowReport};
use super::shadow_thread;
use crate::operations::events::rfc3339;
use ocpp_gateway_pipeline::{
    CallCounts, GroupFigures, Pipeline, TransformVersion, TrialEnding, TrialError, TrialMode, TrialRequest, TrialStatus,
};
use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Starts, shows and ends trials.
pub struct Trials {
    pipeline: Arc<Pipeline>,
    /// Of the latest shadow of each transform.
    figures: Mutex<HashMap<String, Arc<ShadowFigures>>>,
}

/// Why a trial does not start.
#[derive(Debug, thiserror::Error)]
pub enum TrialStartError {
    #[error(transparent)]
    Refused(#[from] TrialError),
    #[error("the thread of the trial cannot be started: {0}")]
    Thread(io::Error),
}

/// A trial as operators see it.
#[derive(Debug, Serialize)]
pub struct TrialReport {
    /// Its name.
    pub transform: String,
    #[serde(serialize_with = "mode")]
    pub mode: TrialMode,
    pub percent: Option<u8>,
    pub charge_points: Option<String>,
    pub state: &'static str,
    /// Why it has ended.
    pub reason: Option<String>,
    pub started_at: String,
    pub ended_at: Option<String>,
    pub live: TransformVersion,
    pub candidate: TransformVersion,
    /// Connected charge points that take part.
    pub selected: usize,
    pub shadow: Option<ShadowReport>,
    pub canary: Option<CanaryReport>,
}

/// How the charge points of a canary compare with all others.
#[derive(Debug, Serialize)]
pub struct CanaryReport {
    pub candidate: VersionFigures,
    pub others: VersionFigures,
}

/// One version, and the charge points that it serves.
#[derive(Debug, Serialize)]
pub struct VersionFigures {
    charge_points: usize,
    /// Calls of the transform.
    calls: u64,
    /// Those that failed.
    failures: u64,
    /// The mean time of a call, in microseconds.
    call_us: Option<f64>,
    /// CALLs that ended with a CALLRESULT.
    answered: u64,
    /// CALLs that ended with a CALLERROR of the other side.
    errors: u64,
    /// CALLs that ended in another way.
    unanswered: u64,
    /// The time until the other side's answer.
    answer_ms: Option<AnswerTimes>,
    /// Messages that were dropped, were refused or failed.
    incidents: u64,
}

#[derive(Debug, Serialize)]
struct AnswerTimes {
    p50: f64,
    p99: f64,
}

impl Trials {
    pub(in crate::transforms) fn new(pipeline: Pipeline) -> Self {
        Trials { pipeline: Arc::new(pipeline), figures: Mutex::default() }
    }

    pub(in crate::transforms) fn start(&self, request: TrialRequest) -> Result<(), TrialStartError> {
        let name = request.spec.name.clone();
        let Some(shadow) = self.pipeline.start_trial(request)? else {
            self.figures.lock().remove(&name);
            return Ok(());
        };
        let figures = Arc::<ShadowFigures>::default();
        self.figures.lock().insert(name.clone(), Arc::clone(&figures));
        let started = shadow_thread::start(shadow, figures, Arc::downgrade(&self.pipeline));
        started.map_err(|error| {
            let error = TrialStartError::Thread(error);
            self.pipeline.end_trial(&name, TrialEnding::Failed, &error.to_string());
            error
        })
    }

    /// The names of the transforms that are on trial.
    pub(in crate::transforms) fn names(&self) -> Vec<String> {
        self.pipeline.trials().into_iter().map(|trial| trial.name).collect()
    }

    /// That of the trial of a transform which runs.
    pub fn mode(&self, name: &str) -> Option<TrialMode> {
        self.pipeline.trial(name).filter(|trial| trial.end.is_none()).map(|trial| trial.mode)
    }

    /// The trial of a transform, which runs or has ended.
    pub fn report(&self, name: &str) -> Option<TrialReport> {
        self.pipeline.trial(name).map(|status| self.report_of(status))
    }

    /// Ends a trial that runs, or forgets one that has ended.
    pub fn end(&self, name: &str, reason: &str) -> Option<TrialReport> {
        if let Some(ended) = self.pipeline.end_trial(name, TrialEnding::Ended, reason) {
            return Some(self.report_of(ended));
        }
        let report = self.report_of(self.pipeline.forget_trial(name)?);
        self.figures.lock().remove(name);
        Some(report)
    }

    /// All trials that run, with the counts of those that are shadows.
    pub(super) fn running(&self) -> Vec<(TrialStatus, Option<ShadowReport>)> {
        let figures = self.figures.lock();
        let with_counts = |status: TrialStatus| {
            let shadow = figures.get(&status.name).filter(|_| status.mode == TrialMode::Shadow);
            let counts = shadow.map(|figures| figures.counts());
            (status, counts)
        };
        self.pipeline.trials().into_iter().map(with_counts).collect()
    }

    fn report_of(&self, status: TrialStatus) -> TrialReport {
        let TrialStatus { name, mode, selection, live, candidate, group, others, .. } = status;
        let shadow = match mode {
            TrialMode::Shadow => self.figures.lock().get(&name).map(|figures| figures.report()),
            TrialMode::Canary => None,
        };
        let canary = (mode == TrialMode::Canary).then(|| CanaryReport {
            candidate: VersionFigures::new(status.candidate_calls, &group),
            others: VersionFigures::new(status.live_calls, &others),
        });
        TrialReport {
            transform: name,
            mode,
            percent: selection.percent(),
            charge_points: selection.charge_points().map(str::to_owned),
            state: if status.end.is_some() { "ended" } else { "running" },
            reason: status.end.as_ref().map(|end| end.reason.clone()),
            started_at: rfc3339(status.started_at),
            ended_at: status.end.as_ref().map(|end| rfc3339(end.at)),
            live,
            candidate,
            selected: group.charge_points,
            shadow,
            canary,
        }
    }
}

impl TrialReport {
    /// What speaks against a promotion.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if let Some(ShadowReport { messages, different, failed, skipped, .. }) = self.shadow {
            if messages == 0 {
                doubts.push("the candidate was shown no message".to_owned());
            }
            for (count, what) in
                [(failed, "failed"), (different, "came out differently"), (skipped, "it was not shown")]
            {
                doubts.extend((count > 0).then(|| format!("messages that {what}: {count}")));
            }
        }
        if let Some(CanaryReport { candidate, .. }) = &self.canary {
            if candidate.answered == 0 {
                doubts.push("no CALL of its charge points or to them was answered".to_owned());
            }
            for (count, what) in [
                (candidate.unanswered, "CALLs of its charge points or to them that were not answered"),
                (candidate.failures, "calls of it that failed"),
            ] {
                doubts.extend((count > 0).then(|| format!("{what}: {count}")));
            }
        }
        doubts
    }
}

impl VersionFigures {
    fn new(calls: CallCounts, group: &GroupFigures) -> Self {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let times = |(p50, p99)| AnswerTimes { p50: milliseconds(p50), p99: milliseconds(p99) };
        VersionFigures {
            charge_points: group.charge_points,
            calls: calls.calls,
            failures: calls.failures,
            call_us: calls.mean().map(|mean| mean.as_secs_f64() * 1e6),
            answered: group.answered,
            errors: group.errors,
            unanswered: group.unanswered,
            answer_ms: group.answer_times.map(times),
            incidents: group.incidents,
        }
    }
}

fn mode<S: Serializer>(mode: &TrialMode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(crate::operations::names::trial_mode(*mode))
}
