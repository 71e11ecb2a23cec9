//! Trials of the gateway with candidates that have other topics: canaries, which are promoted and ended in turn, and
//! shadows between them.

use super::back_end::{MOUNT_POINTS, SHADOW, SwapBackEnd};
use crate::transform_trial::{ShadowCounts, TransformTrial};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::fmt;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Share of the charge points in a canary, in percent.
const PERCENT: u8 = 50;
/// Each trial with a number that is a multiple of this is a shadow.
const SHADOW_EVERY: u32 = 5;
/// Number of successive CALLs under one mount point, for each charge point, after which all charge points use it.
const CALLS_EACH: usize = 2;
/// Time limit until the candidate of a shadow sees a message, and the pause between two looks.
const SHADOW_TIMEOUT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// What a trial is, and how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Promoted,
    Ended,
    Shadow,
}

/// The trials so far.
pub(super) struct Candidates {
    trial: TransformTrial,
    charge_points: usize,
    /// The place in [`MOUNT_POINTS`] of the version that runs.
    live: usize,
    promoted: u32,
    ended: u32,
    shadows: u32,
    seen: ShadowCounts,
}

impl Kind {
    fn of(number: u32) -> Self {
        let canaries = number - number / SHADOW_EVERY;
        match (number.is_multiple_of(SHADOW_EVERY), canaries % 2) {
            (true, _) => Kind::Shadow,
            (false, 1) => Kind::Promoted,
            (false, _) => Kind::Ended,
        }
    }
}

impl Candidates {
    pub(super) fn new(trial: TransformTrial, charge_points: usize) -> Self {
        let seen = ShadowCounts::default();
        Candidates { trial, charge_points, live: 0, promoted: 0, ended: 0, shadows: 0, seen }
    }

    /// Starts trial `number`.
    pub(super) async fn start(&self, number: u32) -> Result<()> {
        let (query, mount_point) = match Kind::of(number) {
            Kind::Shadow => ("mode=shadow".to_owned(), SHADOW),
            Kind::Promoted | Kind::Ended => {
                (format!("mode=canary&percent={PERCENT}"), MOUNT_POINTS[self.candidate(number)])
            }
        };
        let status = self.trial.start(&query, &config(mount_point)).await?;
        ensure!(status.selected > 0, "no charge point is in the trial: use more of them");
        Ok(())
    }

    /// Waits until trial `number` has an effect, ends it, and waits until all charge points use the topics of the
    /// version that runs then. A pause before the end lets both versions run beside each other.
    pub(super) async fn finish(&mut self, number: u32, back_end: &SwapBackEnd, pause: Duration) -> Result<()> {
        let (kind, candidate) = (Kind::of(number), self.candidate(number));
        if let Err(error) = self.wait_for_effect(kind, candidate, back_end, pause).await {
            // The reason of a trial that has ended by itself says more.
            self.trial.show().await?;
            return Err(error);
        }
        let status = self.trial.show().await?;
        match kind {
            Kind::Promoted => {
                self.trial.promote().await?;
                self.live = candidate;
                self.promoted += 1;
            }
            Kind::Ended => {
                self.trial.end().await?;
                self.ended += 1;
            }
            Kind::Shadow => {
                self.seen = self.seen.plus(status.shadow.context("the trial is no shadow")?);
                self.trial.end().await?;
                self.shadows += 1;
            }
        }
        let calls = CALLS_EACH * self.charge_points;
        back_end.wait_for_calls_under(MOUNT_POINTS[self.live], calls).await
    }

    async fn wait_for_effect(
        &self,
        kind: Kind,
        candidate: usize,
        back_end: &SwapBackEnd,
        pause: Duration,
    ) -> Result<()> {
        if kind == Kind::Shadow {
            self.wait_for_shadow().await?;
            sleep(pause).await;
            return Ok(());
        }
        back_end.wait_for_call_under(MOUNT_POINTS[candidate]).await?;
        sleep(pause).await;
        back_end.wait_for_call_under(MOUNT_POINTS[self.live]).await.context("of the others")
    }

    /// The place in [`MOUNT_POINTS`] of the candidate: not that of the version that runs.
    fn candidate(&self, number: u32) -> usize {
        (self.live + 1 + number as usize % (MOUNT_POINTS.len() - 1)) % MOUNT_POINTS.len()
    }

    /// Waits until the candidate of a shadow has seen a message.
    async fn wait_for_shadow(&self) -> Result<()> {
        let since = Instant::now();
        while self.trial.shadow_counts().await?.messages == 0 {
            ensure!(since.elapsed() < SHADOW_TIMEOUT, "the candidate of a shadow sees no message");
            sleep(PAUSE).await;
        }
        Ok(())
    }
}

impl fmt::Display for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Candidates { promoted, ended, shadows, seen, .. } = self;
        let trials = promoted + ended + shadows;
        write!(f, "{trials} trials: {promoted} promoted, {ended} ended, {shadows} shadows, which saw {seen}")
    }
}

/// The configuration of the mapping under this mount point.
fn config(mount_point: &str) -> Value {
    json!({ "mountpoint": format!("{mount_point}/"), "uplink": { "qos": 1 }, "downlink": { "qos": 1 } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Admin;

    #[test]
    fn canaries_are_promoted_and_ended_in_turn_with_shadows_between_them() {
        let kinds: Vec<Kind> = (1..=200).map(Kind::of).collect();
        let count = |kind| kinds.iter().filter(|other| **other == kind).count();
        assert_eq!((count(Kind::Promoted), count(Kind::Ended), count(Kind::Shadow)), (80, 80, 40));
        let canaries: Vec<Kind> = kinds.into_iter().filter(|kind| *kind != Kind::Shadow).collect();
        assert!(canaries.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn candidate_has_other_topics_than_the_version_that_runs() {
        let trial = TransformTrial(Admin("127.0.0.1:1".parse().expect("an address")));
        for live in 0..MOUNT_POINTS.len() {
            let candidates = Candidates { live, ..Candidates::new(trial, 1) };
            let used: Vec<usize> = (1..=10).map(|number| candidates.candidate(number)).collect();
            assert!(used.iter().all(|place| *place != live && *place < MOUNT_POINTS.len()), "{live}: {used:?}");
            assert!(used.iter().any(|place| *place != used[0]), "{live}: {used:?}");
        }
        assert!(!MOUNT_POINTS.contains(&SHADOW));
    }
}
