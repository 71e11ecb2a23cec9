//! Which charge points belong to the slow share: those whose messages take long in transforms.

use std::time::Duration;

/// A charge point whose messages take so long on average waits for a permit of the slow share.
const LONG: u32 = 1_000;
/// What one message counts at most: one that takes so long is enough, and a charge point is not held to be slow for ever.
const LONGEST: u32 = 8 * LONG;

/// The moving mean of what the messages of one charge point take.
#[derive(Debug, Default)]
pub(super) struct CallTime {
    microseconds: u32,
}

impl CallTime {
    pub(super) fn note(&mut self, took: Duration) {
        let sample = u32::try_from(took.as_micros()).map_or(LONGEST, |took| took.min(LONGEST));
        self.microseconds = self.microseconds - self.microseconds / 8 + sample / 8;
    }

    pub(super) fn is_long(&self) -> bool {
        self.microseconds >= LONG
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_very_long_call_or_several_long_ones_are_slow_and_a_hiccup_is_not() {
        let after = |samples: &[(u64, u32)]| {
            let mut time = CallTime::default();
            for &(milliseconds, number) in samples {
                (0..number).for_each(|_| time.note(Duration::from_millis(milliseconds)));
            }
            time.is_long()
        };
        assert!(after(&[(18, 1)]));
        assert!(after(&[(2, 8)]));
        assert!(after(&[(0, 100), (9, 1)]));
        assert!(!after(&[(0, 100), (4, 1)]));
        assert!(!after(&[(18, 100), (0, 20)]));
    }
}
