//! Counts of the CALLs of both sides and their outcomes.

use anyhow::{Result, ensure};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Clone, Default)]
pub(super) struct Tally(Arc<Mutex<TallyCounts>>);

#[derive(Debug, Default)]
pub(super) struct TallyCounts {
    /// CALLs of charge points.
    pub(super) from_charge_points: Side,
    /// CALLs of the back end.
    pub(super) from_back_end: Side,
    /// Reports of the gateway that are not about a CALL of the back end.
    pub(super) reports: u64,
    /// Messages of candidates in shadow trials.
    pub(super) from_shadows: u64,
}

/// The CALLs of one side.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) sent: u64,
    /// CALLs answered with a CALLRESULT.
    pub(super) answered: u64,
    /// CALLs answered with a CALLERROR.
    pub(super) failed: u64,
    /// Answers to CALLs that were answered already.
    pub(super) twice: u64,
    /// CALLs that the other side received twice.
    pub(super) repeated: u64,
    /// CALLs that the other side received after a later one.
    pub(super) disordered: u64,
    pub(super) slowest: Duration,
}

impl Side {
    pub(super) fn sent(&mut self) {
        self.sent += 1;
    }

    /// Records an answer. `after`: how long the CALL was open; `None`: it was not open.
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

    /// Whether no CALL is open.
    pub(super) fn is_settled(&self) -> bool {
        let counts = self.counts();
        counts.from_charge_points.open() + counts.from_back_end.open() == 0
    }

    /// Fails if a CALL was lost, repeated or out of order. `restarted`: whether the broker was restarted. Then it may
    /// deliver messages to the back end twice, and the gateway may report CALLs that the back end sent twice for lack
    /// of an acknowledgement.
    pub(super) fn check(&self, restarted: bool) -> Result<()> {
        let counts = self.counts();
        for (name, side) in [("charge points", counts.from_charge_points), ("the back end", counts.from_back_end)] {
            ensure!(side.sent > 0, "no CALL of {name}");
            ensure!(side.lost() == 0, "{} CALLs of {name} are lost", side.lost());
            ensure!(side.disordered == 0, "{} CALLs of {name} arrived out of order", side.disordered);
        }
        let TallyCounts { from_charge_points, from_back_end, reports, from_shadows } = *counts;
        ensure!(from_shadows == 0, "{from_shadows} messages of candidates in shadow trials were published");
        ensure!(from_charge_points.twice == 0, "{} answers arrived twice at charge points", from_charge_points.twice);
        ensure!(from_back_end.repeated == 0, "{} CALLs arrived twice at charge points", from_back_end.repeated);
        if !restarted {
            ensure!(from_back_end.twice == 0, "{} answers arrived twice at the back end", from_back_end.twice);
            ensure!(
                from_charge_points.repeated == 0,
                "{} CALLs arrived twice at the back end",
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
                 CALLERROR; {twice} answered twice; {repeated} arrived twice, {disordered} out of order",
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
    fn calls_that_are_not_answered_exactly_once_fail_the_check() {
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
            tally.check(restarted).is_ok()
        };
        assert!(after(|_| {}, false));
        assert!(!after(|counts| counts.from_back_end.sent(), false));
        assert!(!after(|counts| counts.from_charge_points.answered(true, None), true));
        assert!(!after(|counts| counts.from_charge_points.disordered += 1, true));
        assert!(!after(|counts| counts.from_back_end.repeated += 1, true));
        assert!(!after(|counts| counts.from_shadows += 1, true));
        // Allowed only after a restart of the broker.
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
