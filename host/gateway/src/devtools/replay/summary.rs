//! What became of the messages of a recording, in numbers.

use super::failures::Failures;
use crate::operations::names;
use crate::recording::{ReplayMessage, counted};
use hdrhistogram::Histogram;
use ocpp_gateway_core::MessageType;
use ocpp_gateway_core::session::Direction;
use ocpp_gateway_pipeline::{Cause, Failure, TransformStatus, TryOutcome};
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// Times above this one count as this one.
const LONGEST: Duration = Duration::from_secs(3600);

pub(super) struct Summary {
    counts: HashMap<(Direction, Option<MessageType>), Counts>,
    failures: Failures,
    /// In nanoseconds for each message.
    times: Histogram<u64>,
    took: Duration,
    transforms: Vec<TransformStatus>,
}

/// Numbers of messages. `published` and `sent` count what was made of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    messages: u64,
    published: u64,
    sent: u64,
    answered: u64,
    dropped: u64,
    rejected: u64,
    failed: u64,
}

impl Summary {
    pub(super) fn new() -> anyhow::Result<Self> {
        let longest = u64::try_from(LONGEST.as_nanos())?;
        Ok(Summary {
            counts: HashMap::new(),
            failures: Failures::default(),
            times: Histogram::new_with_bounds(1, longest, 2)?,
            took: Duration::ZERO,
            transforms: Vec::new(),
        })
    }

    /// `time`: how long the transforms took.
    pub(super) fn count(&mut self, message: &ReplayMessage<'_>, outcome: &TryOutcome, time: Duration) {
        self.times.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let counts = self.counts.entry((message.direction(), message.message_type)).or_default();
        counts.messages += 1;
        counts.published += outcome.publishes.len() as u64;
        counts.sent += outcome.frames.len() as u64;
        counts.answered += u64::from(outcome.answer.is_some());
        let (mut dropped, mut rejected, mut failed) = (false, outcome.not_mapped.is_some(), false);
        for incident in &outcome.incidents {
            match &incident.cause {
                Cause::Dropped(_) => dropped = true,
                Cause::Rejected(_) | Cause::Failed(Failure::Refused(_)) => rejected = true,
                Cause::Invalid { rejected: is_rejected, .. } => rejected |= is_rejected,
                Cause::Failed(failure) => {
                    failed = true;
                    self.failures.note(message, &incident.transform, failure);
                }
            }
        }
        counts.dropped += u64::from(dropped);
        counts.rejected += u64::from(rejected);
        counts.failed += u64::from(failed);
    }

    /// `took`: the whole replay.
    pub(super) fn end(&mut self, took: Duration, transforms: Vec<TransformStatus>) {
        (self.took, self.transforms) = (took, transforms);
    }

    /// The number of messages for which a transform has failed.
    pub(super) fn failed(&self) -> u64 {
        self.total().failed
    }

    fn total(&self) -> Counts {
        self.counts.values().fold(Counts::default(), |sum, counts| sum.plus(counts))
    }
}

impl Counts {
    fn plus(self, other: &Counts) -> Counts {
        Counts {
            messages: self.messages + other.messages,
            published: self.published + other.published,
            sent: self.sent + other.sent,
            answered: self.answered + other.answered,
            dropped: self.dropped + other.dropped,
            rejected: self.rejected + other.rejected,
            failed: self.failed + other.failed,
        }
    }

    fn columns(&self) -> [u64; 7] {
        let Counts { messages, published, sent, answered, dropped, rejected, failed } = *self;
        [messages, published, sent, answered, dropped, rejected, failed]
    }
}

const COLUMNS: [&str; 7] = ["messages", "published", "sent", "answered", "dropped", "rejected", "failed"];

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failures.fmt(f)?;
        write_row(f, "", "", COLUMNS)?;
        let mut rows: Vec<_> = self.counts.iter().collect();
        rows.sort_by_key(|((direction, message_type), _)| {
            (*direction == Direction::Downlink, message_type.map(MessageType::number))
        });
        for ((direction, message_type), counts) in &rows {
            let message_type = message_type.map_or("-", MessageType::name);
            write_row(f, names::direction(*direction), message_type, counts.columns())?;
        }
        if rows.len() > 1 {
            write_row(f, "total", "", self.total().columns())?;
        }
        writeln!(f, "\n{:<24}{:>11}{:>16}", "transform", "calls", "per timed call")?;
        for TransformStatus { name, calls, timed, timed_calls, .. } in &self.transforms {
            let mean =
                if *timed_calls == 0 { "-".into() } else { micros(timed.as_nanos() as f64 / *timed_calls as f64) };
            writeln!(f, "{name:<24}{calls:>11}{mean:>16}")?;
        }
        let (messages, seconds) = (self.total().messages, self.took.as_secs_f64());
        let rate = messages as f64 / seconds.max(1e-9);
        writeln!(
            f,
            "\nPer message {} on average, and {} at most for 99 % of them.",
            micros(self.times.mean()),
            micros(self.times.value_at_quantile(0.99) as f64)
        )?;
        writeln!(f, "{} replayed in {seconds:.2} s: {rate:.0} a second.", counted(messages, "message"))
    }
}

fn write_row(
    f: &mut fmt::Formatter<'_>,
    direction: &str,
    message_type: &str,
    columns: [impl fmt::Display; 7],
) -> fmt::Result {
    write!(f, "{direction:<9}{message_type:<15}")?;
    columns.iter().try_for_each(|column| write!(f, "{column:>11}"))?;
    writeln!(f)
}

fn micros(nanoseconds: f64) -> String {
    format!("{:.2} µs", nanoseconds / 1e3)
}
