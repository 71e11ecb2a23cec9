use super::*;
use ocpp_gateway_pipeline::{FewerHooks, Pipeline, STANDARD, Source};
use ocpp_gateway_testkit::component::another_version;
use std::cell::RefCell;
use std::task::Waker;
use tokio::sync::oneshot;

/// So many generations, the oldest first.
fn generations(count: usize) -> Vec<Generation> {
    let pipeline = Pipeline::load(Vec::new()).expect("the standard transform loads");
    let mut all = vec![pipeline.newest()];
    let another = another_version(STANDARD, 0);
    pipeline.swap("standard", Some(Source::Bytes(another.into())), FewerHooks::Refuse).expect("it loads");
    all.push(pipeline.newest());
    while all.len() < count {
        pipeline.roll_back("standard").expect("there is a version before");
        all.push(pipeline.newest());
    }
    all
}

fn filters(names: &[&str]) -> Filters {
    names.iter().map(|name| ((*name).to_owned(), QoS::AtLeastOnce)).collect()
}

fn refused() -> SubscribeError {
    SubscribeError::Refused { filter: "b".into(), reason: "not authorized".into() }
}

/// What it was asked for, and where its answer goes.
#[derive(Default)]
struct FakeBroker(RefCell<Vec<(Filters, oneshot::Sender<Subscribed>)>>);

impl FakeBroker {
    fn ask(&self, topics: Filters) -> BoxFuture<'static, Subscribed> {
        let (answer, answered) = oneshot::channel();
        self.0.borrow_mut().push((topics, answer));
        async { answered.await.unwrap_or(Err(SubscribeError::Stopped)) }.boxed()
    }

    /// What is being asked for.
    fn asked(&self) -> Filters {
        self.0.borrow().last().expect("something is asked for").0.clone()
    }

    fn answer(&self, answer: Subscribed) {
        self.0.borrow_mut().pop().expect("something is asked for").1.send(answer).expect("somebody waits");
    }
}

impl Generations {
    fn poll(&mut self, now: Instant) -> Poll<Option<Concluded>> {
        self.poll_request(&mut Context::from_waker(Waker::noop()), now, Duration::ZERO)
    }

    /// Goes over to `newer`, whose topics are these.
    fn go_over(&mut self, broker: &FakeBroker, newer: &Generation, held: &[&str], wanted: &[&str], now: Instant) {
        self.enter(newer.clone(), filters(wanted), filters(held), |topics| broker.ask(topics));
        broker.answer(Ok(()));
        assert_eq!(self.poll(now), Poll::Ready(Some(Concluded::Entered)));
    }

    fn read_by(&self, topic: &str) -> u64 {
        self.reader(topic).0.number()
    }
}

#[test]
fn new_topics_are_confirmed_before_the_newer_generation_is_used() {
    let (all, broker, now) = (generations(2), FakeBroker::default(), Instant::now());
    let mut used = Generations::new(all[0].clone());
    assert_eq!((used.seen(), used.is_settled()), (0, true));
    used.enter(all[1].clone(), filters(&["b"]), filters(&["a"]), |topics| broker.ask(topics));
    assert_eq!(broker.asked(), filters(&["a", "b"]));
    assert!(used.poll(now).is_pending());
    assert_eq!((used.current().number(), used.seen()), (0, 1));
    // What comes on the new topics already is for the newer one.
    assert_eq!((used.read_by("a"), used.read_by("b"), used.read_by("c")), (0, 1, 0));
    assert_eq!(used.of(1).number(), 1);
    broker.answer(Ok(()));
    assert_eq!(used.poll(now), Poll::Ready(Some(Concluded::Entered)));
    assert_eq!((used.current().number(), used.of(0).number()), (1, 0));
    assert_eq!((used.read_by("a"), used.read_by("b"), used.read_by("c")), (0, 1, 1));
}

#[test]
fn old_topics_are_left_when_no_call_is_open_and_nothing_is_on_its_way() {
    let (all, broker, now) = (generations(2), FakeBroker::default(), Instant::now());
    let mut used = Generations::new(all[0].clone());
    used.go_over(&broker, &all[1], &["a", "both"], &["b", "both"], now);
    assert_eq!(used.next_timeout(), Some(now + LINGER));
    // It lingers, and then CALLs are open.
    assert!(!used.retire(|_| false, |_| unreachable!()));
    used.handle_timeout(now + LINGER, Duration::ZERO);
    assert_eq!(used.next_timeout(), None);
    assert!(!used.retire(|number| number == 0, |_| unreachable!()));

    assert!(used.retire(|_| false, |topics| broker.ask(topics)));
    assert_eq!(broker.asked(), filters(&["b", "both"]));
    // What came before they were left is read.
    assert_eq!((used.read_by("a"), used.read_by("both")), (0, 1));
    used.forget_left();
    assert!(!used.is_settled());
    broker.answer(Ok(()));
    assert_eq!(used.poll(now), Poll::Ready(Some(Concluded::Left)));
    assert_eq!(used.read_by("a"), 0);
    used.forget_left();
    assert!(used.is_settled());
    assert_eq!(used.read_by("a"), 1);
}

#[test]
fn old_topics_are_kept_again_for_a_while_when_the_broker_was_away() {
    let (all, broker, now) = (generations(2), FakeBroker::default(), Instant::now());
    let mut used = Generations::new(all[0].clone());
    used.go_over(&broker, &all[1], &["a"], &["b"], now);
    let behind = Duration::from_millis(1);
    used.handle_timeout(now + LINGER, behind);
    assert_eq!(used.next_timeout(), Some(now + 2 * LINGER));
    assert!(!used.retire(|_| false, |_| unreachable!()));
    used.handle_timeout(now + 2 * LINGER, behind);
    assert!(used.retire(|_| false, |topics| broker.ask(topics)));
}

#[test]
fn whose_topics_are_refused_stays_and_does_not_ask_again() {
    let (all, broker, now) = (generations(3), FakeBroker::default(), Instant::now());
    let mut used = Generations::new(all[0].clone());
    used.enter(all[1].clone(), filters(&["b"]), filters(&["a"]), |topics| broker.ask(topics));
    broker.answer(Err(refused()));
    let declined = Concluded::Declined(refused());
    assert_eq!(used.poll(now), Poll::Ready(Some(declined)));
    used.forget_left();
    assert_eq!((used.current().number(), used.seen(), used.read_by("b")), (0, 1, 0));
    used.go_over(&broker, &all[2], &["a"], &["c"], now);
    assert_eq!((used.current().number(), used.seen()), (2, 2));
}

#[test]
fn there_and_back_again_leaves_the_topics_between_alone() {
    let (all, broker, now) = (generations(3), FakeBroker::default(), Instant::now());
    let mut used = Generations::new(all[0].clone());
    used.go_over(&broker, &all[1], &["a"], &["b"], now);
    used.enter(all[2].clone(), filters(&["a"]), filters(&["b"]), |topics| broker.ask(topics));
    assert_eq!(broker.asked(), filters(&["a", "b"]));
    broker.answer(Ok(()));
    assert_eq!(used.poll(now), Poll::Ready(Some(Concluded::Entered)));
    assert_eq!((used.read_by("a"), used.read_by("b")), (2, 1));
    used.handle_timeout(now + LINGER, Duration::ZERO);
    // A CALL of the first generation is still open: its topics are those of the last one.
    assert!(used.retire(|number| number == 0, |topics| broker.ask(topics)));
    assert_eq!(broker.asked(), filters(&["a"]));
    broker.answer(Ok(()));
    assert_eq!(used.poll(now), Poll::Ready(Some(Concluded::Left)));
    used.forget_left();
    assert_eq!(used.of(0).number(), 0);
    // Nothing is left by giving up that one.
    assert!(used.retire(|_| false, |_| unreachable!()));
    used.forget_left();
    assert!(used.is_settled());
}

#[test]
fn a_generation_that_was_taken_back_before_it_was_entered_is_never_used_for_what_is_new() {
    let (all, broker, now) = (generations(3), FakeBroker::default(), Instant::now());
    let mut used = Generations::new(all[0].clone());
    used.enter(all[1].clone(), filters(&["b"]), filters(&["a"]), |topics| broker.ask(topics));
    assert!(all[2].has_mapping_of(&all[0]) && !all[2].has_mapping_of(&all[1]));
    used.take_over(all[2].clone(), true);
    assert_eq!((used.current().number(), used.of(0).number(), used.seen()), (2, 0, 2));
    broker.answer(Ok(()));
    assert_eq!(used.poll(now), Poll::Ready(Some(Concluded::Entered)));
    assert_eq!((used.current().number(), used.read_by("a"), used.read_by("b")), (2, 2, 1));
}

#[test]
fn the_same_topics_are_taken_over_at_once_and_open_calls_keep_their_generation() {
    let all = generations(3);
    let mut used = Generations::new(all[0].clone());
    used.take_over(all[1].clone(), false);
    assert_eq!((used.current().number(), used.of(0).number(), used.is_settled()), (1, 1, true));
    used.take_over(all[2].clone(), true);
    assert_eq!((used.current().number(), used.of(1).number()), (2, 1));
    assert_eq!((used.read_by("a"), used.next_timeout()), (2, None));
    assert!(!used.retire(|number| number == 1, |_| unreachable!()));
    assert!(used.retire(|_| false, |_| unreachable!()));
    used.forget_left();
    assert!(used.is_settled());
}

#[test]
fn there_is_an_end_to_how_many_are_in_use() {
    let (all, broker, now) = (generations(MAX_OLDER + 3), FakeBroker::default(), Instant::now());
    let names: Vec<String> = (0..all.len()).map(|number| format!("topic-{number}")).collect();
    let mut used = Generations::new(all[0].clone());
    for number in 1..=MAX_OLDER {
        assert!(used.has_room());
        used.go_over(&broker, &all[number], &[&names[number - 1]], &[&names[number]], now);
    }
    assert!(!used.has_room());
    // Where CALLs are open under all of them, all of them stay. Else the oldest goes, though it should linger.
    assert!(!used.retire(|_| true, |_| unreachable!()));
    assert!(used.retire(|number| number < 2, |topics| broker.ask(topics)));
    assert_eq!(broker.asked().len(), MAX_OLDER);
    assert!(!broker.asked().iter().any(|(topic, _)| *topic == names[2]));
    broker.answer(Ok(()));
    assert_eq!(used.poll(now), Poll::Ready(Some(Concluded::Left)));
    assert!(used.has_room());
}

#[test]
fn a_topic_of_several_subscriptions_may_come_more_than_once() {
    let (all, broker, now) = (generations(2), FakeBroker::default(), Instant::now());
    let mut used = Generations::new(all[0].clone());
    assert!(!used.reader("a").1);
    used.go_over(&broker, &all[1], &["a", "b"], &["a/#", "b"], now);
    assert_eq!((used.reader("a").0.number(), used.reader("a").1), (1, true));
    assert!(!used.reader("b").1 && !used.reader("c").1);
}
