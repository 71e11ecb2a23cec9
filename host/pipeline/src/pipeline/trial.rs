//! One trial: a candidate, who takes part, and what became of their CALLs.

use crate::shadow::{Shadow, ShadowNote};
use crate::spec::TransformSpec;
use crate::swap_report::{FewerHooks, SwapError, TransformVersion};
use crate::transform::Transform;
use crate::trial::{GroupFigures, Selection, TrialGroup};
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
    /// How many of the connected charge points take part, and how many do not.
    pub connected: (usize, usize),
}

/// Why a trial does not start.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error("{0:?} is on trial already: promote or end that trial first")]
    OnTrial(String),
    #[error("{MAX_RUNNING_TRIALS} trials run already: end one of them first")]
    TooMany,
    #[error("this version of {0:?} runs already")]
    SameVersion(String),
    #[error(
        "the candidate is a mapping and {0:?} is not, so that there is nothing to compare it with: start it as a canary"
    )]
    NewMapping(String),
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
