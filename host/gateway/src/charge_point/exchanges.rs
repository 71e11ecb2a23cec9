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
    /// The id under which a back end sent the CALL, if a transform has given it another one.
    back_end_id: Option<Box<str>>,
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
        let exchange = Exchange { direction, message_id: message_id.into(), back_end_id: None, number: self.latest };
        self.open.push_back(exchange);
        self.latest
    }

    /// A CALL to the charge point.
    pub(super) fn open_downlink(&mut self, message_id: &str, back_end_id: Option<&str>) -> u64 {
        let number = self.open(Direction::Downlink, message_id);
        self.open.back_mut().into_iter().for_each(|exchange| exchange.back_end_id = back_end_id.map(Box::from));
        number
    }

    /// The CALL in this direction that is open under this id.
    pub(super) fn find(&self, direction: Direction, message_id: &str) -> Option<u64> {
        self.position(direction, message_id).map(|place| self.open[place].number)
    }

    /// The answer of the CALL in this direction.
    pub(super) fn close(&mut self, direction: Direction, message_id: &str) -> Option<u64> {
        self.position(direction, message_id).and_then(|place| self.open.remove(place)).map(|exchange| exchange.number)
    }

    /// A back end gets an error instead of an answer to its CALL.
    pub(super) fn close_failed(&mut self, back_end_id: &str) -> Option<u64> {
        let is_its_own = |it: &Exchange| {
            it.direction == Direction::Downlink && **it.back_end_id.as_ref().unwrap_or(&it.message_id) == *back_end_id
        };
        let place = self.open.iter().position(is_its_own)?;
        self.open.remove(place).map(|exchange| exchange.number)
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
    fn back_end_knows_its_call_by_its_own_id() {
        let mut exchanges = Exchanges::default();
        let (plain, changed) = (exchanges.open_downlink("1", None), exchanges.open_downlink("x-2", Some("2")));
        assert_eq!(exchanges.close_failed("x-2"), None);
        assert_eq!(exchanges.close_failed("2"), Some(changed));
        assert_eq!(exchanges.close_failed("1"), Some(plain));
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
