//! Detects slow charge points: those whose messages spend long in transforms. A message of a slow charge point needs
//! one of a limited number of permits.

use std::time::Duration;

/// Mean time per message, in microseconds, from which on a charge point is slow.
const SLOW: u32 = 1_000;
/// The largest sample, in microseconds. One such message makes a charge point slow; the cap lets it recover soon after.
const MAX_SAMPLE: u32 = 8 * SLOW;

/// The moving mean of the time that messages of one charge point spend in transforms.
#[derive(Debug, Default)]
pub(super) struct CallTime {
    microseconds: u32,
}

impl CallTime {
    pub(super) fn record(&mut self, took: Duration) {
        let sample = u32::try_from(took.as_micros()).map_or(MAX_SAMPLE, |took| took.min(MAX_SAMPLE));
        self.microseconds = self.microseconds - self.microseconds / 8 + sample / 8;
    }

    pub(super) fn is_slow(&self) -> bool {
        self.microseconds >= SLOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_very_long_or_several_long_messages_make_a_charge_point_slow() {
        let after = |samples: &[(u64, u32)]| {
            let mut time = CallTime::default();
            for &(milliseconds, number) in samples {
                (0..number).for_each(|_| time.record(Duration::from_millis(milliseconds)));
            }
            time.is_slow()
        };
        assert!(after(&[(18, 1)]));
        assert!(after(&[(2, 8)]));
        assert!(after(&[(0, 100), (9, 1)]));
        assert!(!after(&[(0, 100), (4, 1)]));
        assert!(!after(&[(18, 100), (0, 20)]));
    }
}
