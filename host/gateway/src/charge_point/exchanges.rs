//! Which answers belong to which CALLs, for those who watch: each CALL and its answer get the same number.

use ocpp_gateway_core::session::Direction;
use ocpp_gateway_core::{Frame, MessageType};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The most CALLs without an answer that are remembered. A transform may drop a CALL, and a watcher may have begun in
/// the middle: the oldest are forgotten.
const MAX_OPEN: usize = 256;

/// The CALLs of one connection that have no answer yet.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    /// The oldest first.
    open: VecDeque<Exchange>,
    latest: u64,
}

/// A CALL and its answer.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) number: u64,
    /// Of the CALL.
    pub(super) action: Box<str>,
    direction: Direction,
    message_id: Box<str>,
    /// The id under which a back end sent the CALL, if a transform has given it another one.
    back_end_id: Option<Box<str>>,
    /// Of action and payload: tells a repeat from another CALL under the same id.
    content: u64,
}

impl Exchanges {
    /// The exchange of a frame in this direction, which its CALL opens and its answer ends.
    pub(super) fn follow(&mut self, direction: Direction, frame: &Frame<'_>) -> Option<Exchange> {
        match frame.kind {
            MessageType::Call => Some(self.open(direction, frame).clone()),
            MessageType::CallResult | MessageType::CallError => {
                let of_call = match direction {
                    Direction::Uplink => Direction::Downlink,
                    Direction::Downlink => Direction::Uplink,
                };
                self.close(of_call, &frame.id)
            }
            MessageType::CallResultError | MessageType::Send => None,
        }
    }

    /// A CALL in this direction. A repeat of one that is open is the same exchange. Another CALL under its id is a new
    /// one, and is answered after it.
    fn open(&mut self, direction: Direction, call: &Frame<'_>) -> &Exchange {
        let place = self.repeated(direction, call).unwrap_or_else(|| {
            if self.open.len() >= MAX_OPEN {
                self.open.pop_front();
            }
            self.latest += 1;
            self.open.push_back(Exchange {
                number: self.latest,
                action: call.action_name().into(),
                direction,
                message_id: (&*call.id).into(),
                back_end_id: call.back_end_id().map(Box::from),
                content: content(call),
            });
            self.open.len() - 1
        });
        &self.open[place]
    }

    /// The open CALL in this direction that this one repeats.
    pub(super) fn find(&self, direction: Direction, call: &Frame<'_>) -> Option<&Exchange> {
        self.repeated(direction, call).map(|place| &self.open[place])
    }

    /// The CALL in this direction under this id has its answer.
    pub(super) fn close(&mut self, direction: Direction, message_id: &str) -> Option<Exchange> {
        let place = self.open.iter().position(|it| it.direction == direction && *it.message_id == *message_id)?;
        self.open.remove(place)
    }

    /// A back end gets this error instead of an answer to its CALL. Errors about other messages have no action.
    pub(super) fn close_failed(&mut self, report: &Frame<'_>) -> Option<Exchange> {
        let is_its_own = |it: &Exchange| {
            let id = it.back_end_id.as_ref().unwrap_or(&it.message_id);
            it.direction == Direction::Downlink && **id == *report.id && *it.action == *report.action_name()
        };
        let place = self.open.iter().position(is_its_own)?;
        self.open.remove(place)
    }

    fn repeated(&self, direction: Direction, call: &Frame<'_>) -> Option<usize> {
        let content = content(call);
        let is_same = |it: &Exchange| it.direction == direction && *it.message_id == *call.id && it.content == content;
        self.open.iter().position(is_same)
    }
}

fn content(call: &Frame<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    call.action_name().hash(&mut hasher);
    call.payload.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Downlink, Uplink};
    use ocpp_gateway_core::frame::BACK_END_ID;

    fn call(id: &str, action: &str) -> Frame<'static> {
        Frame { action: Some(action.to_owned().into()), ..Frame::new(MessageType::Call, id.to_owned(), "{}") }
    }

    fn numbers(of: [Option<Exchange>; 3]) -> [Option<u64>; 3] {
        of.map(|exchange| exchange.map(|exchange| exchange.number))
    }

    #[test]
    fn answer_has_the_number_and_the_action_of_its_call() {
        let mut exchanges = Exchanges::default();
        let up = exchanges.open(Uplink, &call("1", "Heartbeat")).number;
        let down = exchanges.open(Downlink, &call("1", "Reset")).number;
        assert_ne!(up, down);
        let answer = Frame::new(MessageType::CallResult, "1", "{}");
        let answered = exchanges.follow(Downlink, &answer).expect("open");
        assert_eq!((answered.number, &*answered.action), (up, "Heartbeat"));
        assert!(exchanges.follow(Downlink, &answer).is_none());
        assert_eq!(exchanges.follow(Uplink, &answer).map(|it| it.number), Some(down));
    }

    #[test]
    fn repeated_call_is_the_same_exchange_and_another_under_its_id_is_the_next() {
        let mut exchanges = Exchanges::default();
        let first = exchanges.open(Downlink, &call("1", "Reset")).number;
        assert_eq!(exchanges.open(Downlink, &call("1", "Reset")).number, first);
        let second = exchanges.open(Downlink, &call("1", "ClearCache")).number;
        let answers = [(); 3].map(|()| exchanges.close(Downlink, "1"));
        assert_eq!(numbers(answers), [Some(first), Some(second), None]);
    }

    #[test]
    fn error_report_ends_the_call_that_it_is_about() {
        let mut exchanges = Exchanges::default();
        let plain = exchanges.open(Downlink, &call("1", "Reset")).number;
        let mut changed = call("x-2", "Reset");
        changed.attributes.push((BACK_END_ID.to_owned(), "2".to_owned()));
        let changed = exchanges.open(Downlink, &changed).number;
        // About an answer of the back end that nothing waited for.
        assert!(exchanges.close_failed(&call("1", "")).is_none());
        let failed = ["x-2", "2", "1"].map(|id| exchanges.close_failed(&call(id, "Reset")));
        assert_eq!(numbers(failed), [None, Some(changed), Some(plain)]);
    }

    #[test]
    fn calls_that_are_never_answered_are_forgotten() {
        let mut exchanges = Exchanges::default();
        for id in 0..=MAX_OPEN {
            exchanges.open(Uplink, &call(&id.to_string(), "Heartbeat"));
        }
        assert!(exchanges.find(Uplink, &call("0", "Heartbeat")).is_none());
        assert!(exchanges.find(Uplink, &call("1", "Heartbeat")).is_some());
    }
}
