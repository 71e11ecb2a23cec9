//! CALLs of the charge point while no back end can be reached, or none is there.

use super::{Direction, Outcome, Session};
use crate::call_error::Fault;
use std::time::{Duration, Instant};

/// While the clock stands still nothing becomes overdue: a deadline is looked at so long after it would have been.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The clock by which CALLs of the charge point time out: it stands still while no back end can be reached. There is
/// one in each session, so it is small.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct BackEndClock {
    /// In nanoseconds, of which 584 years fit in.
    behind: u64,
    stands_still: bool,
}

impl BackEndClock {
    /// What it shows.
    pub(super) fn time(self, now: Instant) -> Instant {
        now.checked_sub(Duration::from_nanos(self.behind)).unwrap_or(now)
    }

    /// When a deadline by this clock is to be looked at.
    pub(super) fn due(self, deadline: Instant) -> Instant {
        let due = deadline + Duration::from_nanos(self.behind);
        if self.stands_still { due + LOOK_AGAIN } else { due }
    }
}

impl Session {
    /// How far the clock is behind by which CALLs of the charge point time out, and whether it stands still. To be told
    /// before a text, an answer or a timeout is handled.
    pub fn set_back_end_clock(&mut self, behind: Duration, stands_still: bool) {
        let behind = u64::try_from(behind.as_nanos()).unwrap_or(u64::MAX);
        self.clock = BackEndClock { behind, stands_still };
    }

    /// The number of the CALL that the charge point made last, which no other CALL of this session has.
    pub fn latest_call(&self) -> u32 {
        self.latest_call
    }

    /// No back end has subscribed to `topic`, on which the CALL of this number was published.
    pub fn handle_no_back_end(&mut self, number: u32, topic: &str) {
        if let Some(open) = self.from_charge_point.take_number(number) {
            let text = format!("no back end is subscribed to {topic}");
            self.note(Direction::Uplink, Fault::NoBackEnd, &open.call.id, &open.call.action, text.clone());
            self.reply(Fault::NoBackEnd, &open.call.id, open.id_form, text);
            self.end(Direction::Uplink, &open.call, open.deadline, Outcome::Failed(Fault::NoBackEnd), None);
        }
    }
}
