//! Recent message ids.

use std::collections::VecDeque;

/// The latest `LENGTH` message ids, each with a number that distinguishes messages with the same id.
#[derive(Debug, Default)]
pub struct Recent<const LENGTH: usize>(VecDeque<(Box<str>, u64)>);

impl<const LENGTH: usize> Recent<LENGTH> {
    pub fn contains(&self, id: &str, number: u64) -> bool {
        self.0.iter().any(|(known_id, known_number)| **known_id == *id && *known_number == number)
    }

    /// Forgets the oldest id if `LENGTH` are stored.
    pub fn add(&mut self, id: &str, number: u64) {
        if self.0.len() == LENGTH {
            self.0.pop_front();
        }
        self.0.push_back((id.into(), number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_when_there_are_too_many() {
        let mut recent = Recent::<2>::default();
        for id in ["a", "b", "c"] {
            recent.add(id, 1);
        }
        assert_eq!(["a", "b", "c"].map(|id| recent.contains(id, 1)), [false, true, true]);
        assert!(!recent.contains("c", 2));
    }
}
