//! How a shadow compares with the version that runs.

use super::compare::is_same;
use crate::operations::events::rfc3339;
use crate::operations::tap::hide_secrets_of;
use crate::recording::{LogLine, MessageText, StepAction, StepInput};
use ocpp_gateway_pipeline::{Failure, ShadowAnswer, ShadowCall, ShadowInput, TracedAction, TracedLine};
use parking_lot::Mutex;
use serde::Serialize;
use std::time::{Duration, SystemTime};

/// The most differences that are kept.
const MAX_DIFFERENCES: usize = 100;
/// The most bytes that their messages have together.
const MAX_DIFFERENCE_BYTES: usize = 16 << 20;

/// The comparisons of one trial so far.
#[derive(Debug, Default)]
pub(super) struct ShadowFigures(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    equal: u64,
    different: u64,
    failed: u64,
    skipped: u64,
    /// Of the calls that both versions were called for.
    timed: u64,
    live_time: Duration,
    candidate_time: Duration,
    differences: Vec<Difference>,
    difference_bytes: usize,
}

/// The comparisons of one trial.
#[derive(Debug, Clone, Serialize)]
pub struct ShadowReport {
    /// Those that the candidate has seen.
    pub messages: u64,
    pub equal: u64,
    pub different: u64,
    /// Messages for which the candidate has failed.
    pub failed: u64,
    /// Messages that it was not shown, as too many waited.
    pub skipped: u64,
    /// The mean time of a call, in microseconds.
    pub live_us: Option<f64>,
    pub candidate_us: Option<f64>,
    /// The first ones.
    pub differences: Vec<Difference>,
}

/// A message that the two versions treat differently.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    time: String,
    charge_point: String,
    hook: &'static str,
    /// `None`: payloads are not shown.
    pub input: Option<StepInput>,
    pub live: AnswerOfVersion,
    pub candidate: AnswerOfVersion,
}

/// What one version did with a message.
#[derive(Debug, Clone, Serialize)]
pub struct AnswerOfVersion {
    /// `None`: payloads are not shown.
    pub actions: Option<Vec<StepAction>>,
    failure: Option<String>,
    /// What it logged meanwhile; empty for the version that runs, which writes to the log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<LogLine>,
}

impl ShadowFigures {
    /// Compares what the candidate has answered with what the version that runs did.
    /// `skipped`: how many calls it was not shown so far.
    pub(super) fn compare(&self, call: &ShadowCall, answer: &ShadowAnswer, skipped: u64) {
        let is_equal = match (&call.live, &answer.actions) {
            (_, Err(_)) => None,
            (Err(_), Ok(_)) => Some(false),
            (Ok(live), Ok(candidate)) => Some(is_same(&call.input, live, candidate)),
        };
        let mut counts = self.0.lock();
        counts.skipped = skipped;
        match is_equal {
            Some(true) => counts.equal += 1,
            Some(false) => counts.different += 1,
            None => counts.failed += 1,
        }
        if let (Some(live), Some(candidate)) = (call.live_time, answer.time) {
            counts.timed += 1;
            counts.live_time += live;
            counts.candidate_time += candidate;
        }
        let bytes = call.size() + answer.size();
        let has_room =
            counts.differences.len() < MAX_DIFFERENCES && counts.difference_bytes + bytes <= MAX_DIFFERENCE_BYTES;
        if is_equal != Some(true) && has_room {
            counts.difference_bytes += bytes;
            counts.differences.push(Difference::new(call, answer));
        }
    }

    pub(super) fn report(&self) -> ShadowReport {
        let counts = self.0.lock();
        ShadowReport { differences: counts.differences.clone(), ..counts.report() }
    }

    /// The report without the differences, which may be large.
    pub(super) fn counts(&self) -> ShadowReport {
        self.0.lock().report()
    }
}

impl Counts {
    fn report(&self) -> ShadowReport {
        let Counts { equal, different, failed, skipped, timed, .. } = *self;
        let mean = |total: Duration| (timed > 0).then(|| total.as_secs_f64() * 1e6 / timed as f64);
        ShadowReport {
            messages: equal + different + failed,
            equal,
            different,
            failed,
            skipped,
            live_us: mean(self.live_time),
            candidate_us: mean(self.candidate_time),
            differences: Vec::new(),
        }
    }
}

impl Difference {
    fn new(call: &ShadowCall, answer: &ShadowAnswer) -> Self {
        let log = answer
            .log
            .iter()
            .map(|TracedLine { level, text }| LogLine { level: (*level).to_owned(), text: text.clone() });
        let mut difference = Difference {
            time: rfc3339(SystemTime::now()),
            charge_point: call.peer.identity.to_string(),
            hook: call.hook(),
            input: Some(input(&call.input)),
            live: AnswerOfVersion::new(&call.live),
            candidate: AnswerOfVersion { log: log.collect(), ..AnswerOfVersion::new(&answer.actions) },
        };
        hide_secrets_of(|change| {
            let Difference { input, live, candidate, .. } = &mut difference;
            input.iter_mut().for_each(|input| input.for_each_text(change));
            for AnswerOfVersion { actions, failure, log } in [live, candidate] {
                actions.iter_mut().flatten().for_each(|action| action.for_each_text(change));
                let texts = failure.iter_mut().chain(log.iter_mut().map(|line| &mut line.text));
                texts.for_each(|text| change(MessageText::Plain(text)));
            }
        });
        difference
    }

    /// What is left where payloads are not to be seen.
    pub fn without_payloads(mut self) -> Self {
        self.input = None;
        for answer in [&mut self.live, &mut self.candidate] {
            answer.actions = None;
            answer.log.clear();
        }
        self
    }
}

impl AnswerOfVersion {
    fn new(answer: &Result<Vec<TracedAction>, Failure>) -> Self {
        let (actions, failure) = match answer {
            Ok(actions) => (actions.iter().cloned().map(StepAction::from).collect(), None),
            Err(failure) => (Vec::new(), Some(failure.to_string())),
        };
        AnswerOfVersion { actions: Some(actions), failure, log: Vec::new() }
    }
}

fn input(input: &ShadowInput) -> StepInput {
    match input {
        ShadowInput::Frame(frame) => StepInput::Frame(frame.encode()),
        ShadowInput::Message(publish) => StepInput::Message(publish.clone().into()),
        ShadowInput::Connected => StepInput::Event("connected".into()),
        ShadowInput::Disconnected(reason) => StepInput::Event(format!("disconnected: {reason}")),
        ShadowInput::Subscriptions => StepInput::Event("asked for its topics".into()),
    }
}
