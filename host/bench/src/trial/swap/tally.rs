//! What has come of the CALLs of both sides.

use anyhow::{Result, ensure};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Clone, Default)]
pub(super) struct Tally(Arc<Mutex<TallyCounts>>);

#[derive(Debug, Default)]
pub(super) struct TallyCounts {
    /// CALLs of charge points, and of the back end.
    pub(super) from_charge_points: Side,
    pub(super) from_back_end: Side,
    /// Messages of the gateway to the back end that are about no CALL of its own.
    pub(super) reports: u64,
}

/// The CALLs of one side.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) sent: u64,
    /// With a CALLRESULT.
    pub(super) answered: u64,
    /// With a CALLERROR.
    pub(super) failed: u64,
    /// Answers to CALLs that had been answered.
    pub(super) twice: u64,
    /// CALLs that the other side got once more, and those that it got after a later one.
    pub(super) repeated: u64,
    pub(super) disordered: u64,
    pub(super) slowest: Duration,
}

impl Side {
    pub(super) fn sent(&mut self) {
        self.sent += 1;
    }

    /// `after`: how long the CALL was open. `None`: it was not.
    pub(super) fn answered(&mut self, result: bool, after: Option<Duration>) {
        let Some(after) = after else {
            self.twice += 1;
            return;
        };
        *(if result { &mut self.answered } else { &mut self.failed }) += 1;
        self.slowest = self.slowest.max(after);
    }

    fn open(&self) -> u64 {
        self.sent - self.answered - self.failed
    }

    fn lost(&self) -> u64 {
        self.sent - self.answered
    }
}

impl Tally {
    pub(super) fn counts(&self) -> MutexGuard<'_, TallyCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing is open.
    pub(super) fn is_settled(&self) -> bool {
        let counts = self.counts();
        counts.from_charge_points.open() + counts.from_back_end.open() == 0
    }

    /// `restarted`: whether the broker was. Then it may deliver to the back end twice; and what the back end has sent once
    /// more, because it could not know that it had arrived, the gateway may report.
    pub(super) fn verdict(&self, restarted: bool) -> Result<()> {
        let counts = self.counts();
        for (name, side) in [("charge points", counts.from_charge_points), ("the back end", counts.from_back_end)] {
            ensure!(side.sent > 0, "no CALL of {name}");
            ensure!(side.lost() == 0, "{} CALLs of {name} are lost", side.lost());
            ensure!(side.disordered == 0, "{} CALLs of {name} came out of order", side.disordered);
        }
        let TallyCounts { from_charge_points, from_back_end, reports } = *counts;
        ensure!(from_charge_points.twice == 0, "{} answers came twice to charge points", from_charge_points.twice);
        ensure!(from_back_end.repeated == 0, "{} CALLs came twice to charge points", from_back_end.repeated);
        if !restarted {
            ensure!(from_back_end.twice == 0, "{} answers came twice to the back end", from_back_end.twice);
            ensure!(
                from_charge_points.repeated == 0,
                "{} CALLs came twice to the back end",
                from_charge_points.repeated
            );
            ensure!(reports == 0, "{reports} reports of the gateway");
        }
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        for (name, side) in [("charge points", counts.from_charge_points), ("the back end", counts.from_back_end)] {
            let Side { sent, answered, failed, twice, repeated, disordered, slowest } = side;
            write!(
                f,
                "\n{sent} CALLs of {name}: {answered} answered, the slowest after {:.2} s; {} lost, {failed} of them with a \
                 CALLERROR; {twice} answered twice; {repeated} came twice, {disordered} out of order",
                slowest.as_secs_f64(),
                side.lost(),
            )?;
        }
        write!(f, "\n{} reports", counts.reports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_answered_once_is_a_failure() {
        let second = Some(Duration::from_secs(1));
        let after = |change: fn(&mut TallyCounts), restarted| {
            let tally = Tally::default();
            {
                let mut counts = tally.counts();
                for side in [0, 1] {
                    let counts = &mut *counts;
                    let side = if side == 0 { &mut counts.from_charge_points } else { &mut counts.from_back_end };
                    side.sent();
                    side.answered(true, second);
                }
                change(&mut counts);
            }
            tally.verdict(restarted).is_ok()
        };
        assert!(after(|_| {}, false));
        assert!(!after(|counts| counts.from_back_end.sent(), false));
        assert!(!after(|counts| counts.from_charge_points.answered(true, None), true));
        assert!(!after(|counts| counts.from_charge_points.disordered += 1, true));
        assert!(!after(|counts| counts.from_back_end.repeated += 1, true));
        // What a broker may do that was restarted.
        for repeated in [
            |counts: &mut TallyCounts| counts.from_back_end.answered(true, None),
            |counts: &mut TallyCounts| counts.from_charge_points.repeated += 1,
            |counts: &mut TallyCounts| counts.reports += 1,
        ] {
            assert!(!after(repeated, false));
            assert!(after(repeated, true));
        }
        let failed = |counts: &mut TallyCounts| {
            counts.from_charge_points.sent();
            counts.from_charge_points.answered(false, Some(Duration::ZERO));
        };
        assert!(!after(failed, true));
    }
}
