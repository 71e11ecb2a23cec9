//! Which answers belong to which CALLs, for those who watch: each CALL and its answer get the same id.

use ocpp_gateway_core::session::Direction;
use std::collections::VecDeque;

/// The most CALLs without an answer that are remembered. A transform may drop a CALL, and a watcher may have begun in
/// the middle: the oldest are forgotten.
const MAX_OPEN: usize = 256;

/// The CALLs of one connection that have no answer yet.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    open: VecDeque<Exchange>,
    latest: u64,
}

#[derive(Debug)]
struct Exchange {
    /// Of the CALL.
    direction: Direction,
    message_id: Box<str>,
    number: u64,
}

impl Exchanges {
    /// A CALL in this direction.
    pub(super) fn open(&mut self, direction: Direction, message_id: &str) -> u64 {
        self.close(direction, message_id);
        if self.open.len() >= MAX_OPEN {
            self.open.pop_front();
        }
        self.latest += 1;
        self.open.push_back(Exchange { direction, message_id: message_id.into(), number: self.latest });
        self.latest
    }

    /// The CALL in this direction that is open under this id.
    pub(super) fn find(&self, direction: Direction, message_id: &str) -> Option<u64> {
        self.position(direction, message_id).map(|place| self.open[place].number)
    }

    /// The answer of the CALL in this direction.
    pub(super) fn close(&mut self, direction: Direction, message_id: &str) -> Option<u64> {
        self.position(direction, message_id).and_then(|place| self.open.remove(place)).map(|exchange| exchange.number)
    }

    fn position(&self, direction: Direction, message_id: &str) -> Option<usize> {
        self.open.iter().position(|it| it.direction == direction && *it.message_id == *message_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_has_the_number_of_its_call() {
        let mut exchanges = Exchanges::default();
        let up = exchanges.open(Direction::Uplink, "1");
        let down = exchanges.open(Direction::Downlink, "1");
        assert_ne!(up, down);
        assert_eq!(exchanges.find(Direction::Uplink, "1"), Some(up));
        assert_eq!(exchanges.close(Direction::Uplink, "1"), Some(up));
        assert_eq!(exchanges.close(Direction::Uplink, "1"), None);
        assert_eq!(exchanges.close(Direction::Downlink, "1"), Some(down));
    }

    #[test]
    fn reused_id_is_a_new_exchange() {
        let mut exchanges = Exchanges::default();
        let first = exchanges.open(Direction::Uplink, "1");
        let second = exchanges.open(Direction::Uplink, "1");
        assert_ne!(first, second);
        assert_eq!(exchanges.close(Direction::Uplink, "1"), Some(second));
        assert_eq!(exchanges.close(Direction::Uplink, "1"), None);
    }

    #[test]
    fn calls_that_are_never_answered_are_forgotten() {
        let mut exchanges = Exchanges::default();
        for id in 0..=MAX_OPEN {
            exchanges.open(Direction::Uplink, &id.to_string());
        }
        assert_eq!(exchanges.find(Direction::Uplink, "0"), None);
        assert!(exchanges.find(Direction::Uplink, "1").is_some());
    }
}
