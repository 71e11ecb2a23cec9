//! One trial: a candidate, who takes part, and what became of their CALLs.

use crate::harness::TransformHarness;
use crate::shadow::{Shadow, ShadowNote};
use crate::spec::TransformSpec;
use crate::swap_report::{FewerHooks, SwapError, TransformVersion};
use crate::transform::Transform;
use crate::trial::{GroupFigures, Selection, TrialGroup};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The most trials at a time. Each doubles the number of chains.
pub const MAX_RUNNING_TRIALS: usize = 4;

/// What a version on trial does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialMode {
    /// It repeats the calls of the version that runs, without any effect.
    Shadow,
    /// It serves the charge points that take part.
    Canary,
}

/// A trial that is to start.
#[derive(Debug, Clone)]
pub struct TrialRequest {
    /// The candidate, with the name of the transform that runs.
    pub spec: Box<TransformSpec>,
    pub mode: TrialMode,
    pub selection: Selection,
    pub fewer_hooks: FewerHooks,
    /// Finds what is wrong with a candidate that is a mapping.
    pub check: fn(&TransformHarness) -> Vec<String>,
    /// How many of the connected charge points take part, and how many do not.
    pub connected: (usize, usize),
}

/// Why a trial does not start.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error("{0:?} is on trial already: promote or end that trial first")]
    OnTrial(String),
    /// With the names of the transforms.
    #[error("{MAX_RUNNING_TRIALS} trials run already, of {0}: end one of them first")]
    TooMany(String),
    #[error("this version of {0:?} runs already")]
    SameVersion(String),
    #[error(
        "the candidate is a mapping and {0:?} is not, so that there is nothing to compare it with: start it as a canary"
    )]
    NewMapping(String),
    /// A mapping has these.
    #[error("{}", .0.join("\n"))]
    Faults(Vec<String>),
    #[error(transparent)]
    Swap(#[from] SwapError),
}

/// How a trial stands, or how it stood at its end.
#[derive(Debug, Clone)]
pub struct TrialStatus {
    /// The name of the transform.
    pub name: String,
    pub mode: TrialMode,
    pub selection: Selection,
    pub live: TransformVersion,
    pub candidate: TransformVersion,
    /// The charge points that take part.
    pub group: GroupFigures,
    /// All others. Of a shadow, nothing is counted.
    pub others: GroupFigures,
    /// Calls of both versions since the trial began.
    pub live_calls: CallCounts,
    pub candidate_calls: CallCounts,
    pub started_at: SystemTime,
    pub end: Option<TrialEnd>,
}

/// Calls of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallCounts {
    pub calls: u64,
    /// Because of a fault of the transform or the gateway.
    pub failures: u64,
    timed_calls: u64,
    timed: Duration,
}

/// The end of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialEnd {
    pub at: SystemTime,
    pub how: TrialEnding,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialEnding {
    /// The candidate is the version that runs now.
    Promoted,
    /// An operator has ended it.
    Ended,
    /// It has ended by itself.
    Failed,
}

/// Called with the status of a trial at its start and at its end.
pub(super) type TrialObserver = Box<dyn Fn(&TrialStatus) + Send>;

/// The trials of a pipeline. Writers hold the lock of `loader_state` as well.
#[derive(Default)]
pub(super) struct TrialList {
    /// The oldest first.
    pub(super) running: Vec<Arc<Trial>>,
    /// The latest trial of each transform that has none which runs.
    ended: HashMap<String, PastTrial>,
}

/// A trial that has ended.
struct PastTrial {
    /// As it was at its end.
    status: TrialStatus,
    group: Arc<TrialGroup>,
    others: Arc<TrialGroup>,
}

impl PastTrial {
    /// With the CALLs that were open at the end and have ended since.
    fn status(&self) -> TrialStatus {
        let since = |group: &TrialGroup, before: GroupFigures| GroupFigures {
            charge_points: before.charge_points,
            ..group.figures()
        };
        TrialStatus {
            group: since(&self.group, self.status.group),
            others: since(&self.others, self.status.others),
            ..self.status.clone()
        }
    }
}

/// A trial that ends with the next generation.
pub(super) struct EndedTrial {
    pub(super) trial: Arc<Trial>,
    pub(super) how: TrialEnding,
    pub(super) reason: String,
}

/// A trial that runs.
pub(super) struct Trial {
    /// The version that the candidate is compared with.
    pub(super) live: Arc<Transform>,
    /// As it is called in the trial.
    pub(super) candidate: Arc<Transform>,
    pub(super) mode: TrialMode,
    pub(super) selection: Selection,
    pub(super) group: Arc<TrialGroup>,
    pub(super) others: Arc<TrialGroup>,
    /// Of a shadow.
    pub(super) note: Option<Arc<ShadowNote>>,
    /// The counts of the live version when the trial began.
    before: CallCounts,
    started_at: SystemTime,
}

impl TrialList {
    pub(super) fn running(&self, name: &str) -> Option<&Arc<Trial>> {
        self.running.iter().find(|trial| *trial.live.name == *name)
    }

    pub(super) fn start(&mut self, trial: Arc<Trial>) {
        self.ended.remove(&*trial.live.name);
        self.running.push(trial);
    }

    /// The trial of a transform, which runs or has ended.
    pub(super) fn status(&self, name: &str) -> Option<TrialStatus> {
        let running = self.running(name).map(|trial| trial.status(None));
        running.or_else(|| self.ended.get(name).map(PastTrial::status))
    }

    /// Forgets a trial that has ended.
    pub(super) fn forget(&mut self, name: &str) -> Option<TrialStatus> {
        self.ended.remove(name).map(|past| past.status())
    }

    /// Ends trials. Returns how they stood.
    pub(super) fn end(&mut self, trials: Vec<EndedTrial>) -> Vec<TrialStatus> {
        let end = |EndedTrial { trial, how, reason }| {
            let status = trial.status(Some(TrialEnd { at: SystemTime::now(), how, reason }));
            trial.stop();
            self.running.retain(|running| !Arc::ptr_eq(running, &trial));
            let (group, others) = (trial.group.clone(), trial.others.clone());
            self.ended.insert(status.name.clone(), PastTrial { status: status.clone(), group, others });
            status
        };
        trials.into_iter().map(end).collect()
    }

    /// Why the version on trial cannot be put in place; `new`: what would be, if it is loaded.
    pub(super) fn refusal_to_promote(&self, name: &str, new: Option<&Transform>) -> Option<String> {
        let Some(trial) = self.running(name) else {
            let end = self.ended.get(name).and_then(|past| past.status.end.as_ref());
            return Some(end.map_or("it has ended".into(), |end| format!("it has ended: {}", end.reason)));
        };
        if trial.candidate.breakers.is_any_open() {
            return Some("it fails for most charge points".into());
        }
        let is_other = new.is_some_and(|new| !new.is_same_load(&trial.candidate));
        is_other.then(|| "its component or its program is another one by now".into())
    }
}

impl Trial {
    pub(super) fn new(
        request: TrialRequest,
        live: Arc<Transform>,
        candidate: Arc<Transform>,
    ) -> (Self, Option<Shadow>) {
        let TrialRequest { mode, selection, connected: (taking_part, others), .. } = request;
        let (group, others) = (TrialGroup::new(taking_part), TrialGroup::new(others));
        let (candidate, shadow) = match mode {
            TrialMode::Canary => (candidate.for_canary(group.clone()), None),
            TrialMode::Shadow => {
                let candidate = candidate.for_shadow(group.clone());
                let shadow = Shadow::new(&live, candidate.clone());
                (candidate, Some(shadow))
            }
        };
        let note = shadow.as_ref().map(|shadow| shadow.note().clone());
        let before = CallCounts::of(&live);
        let started_at = SystemTime::now();
        (Trial { live, candidate, mode, selection, group, others, note, before, started_at }, shadow)
    }

    pub(super) fn status(&self, end: Option<TrialEnd>) -> TrialStatus {
        TrialStatus {
            name: self.live.name.to_string(),
            mode: self.mode,
            selection: self.selection.clone(),
            live: self.live.as_version(),
            candidate: self.candidate.as_version(),
            group: self.group.figures(),
            others: self.others.figures(),
            live_calls: CallCounts::of(&self.live).since(self.before),
            candidate_calls: CallCounts::of(&self.candidate),
            started_at: self.started_at,
            end,
        }
    }

    pub(super) fn stop(&self) {
        if let Some(note) = &self.note {
            note.close();
        } else {
            // Counts of a transform cover all its versions.
            self.live.factory.shared.call_stats.absorb(&self.candidate.factory.shared.call_stats);
        }
    }
}

impl CallCounts {
    fn of(transform: &Transform) -> Self {
        let stats = &transform.factory.shared.call_stats;
        CallCounts {
            calls: stats.sum(|it| &it.calls),
            failures: stats.sum(|it| &it.failures),
            timed_calls: stats.sum(|it| &it.timed_calls),
            timed: Duration::from_nanos(stats.sum(|it| &it.timed_ns)),
        }
    }

    fn since(self, before: CallCounts) -> Self {
        CallCounts {
            calls: self.calls.saturating_sub(before.calls),
            failures: self.failures.saturating_sub(before.failures),
            timed_calls: self.timed_calls.saturating_sub(before.timed_calls),
            timed: self.timed.saturating_sub(before.timed),
        }
    }

    /// The mean time of a call; `None`: none was timed.
    pub fn mean(&self) -> Option<Duration> {
        (self.timed_calls > 0).then(|| self.timed.div_f64(self.timed_calls as f64))
    }
}
