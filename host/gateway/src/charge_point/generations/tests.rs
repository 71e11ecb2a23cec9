use super::*;
use ocpp_gateway_pipeline::{FewerHooks, Pipeline, STANDARD, Source};
use ocpp_gateway_testkit::component::another_version;
use std::cell::RefCell;
use std::task::Waker;
use tokio::sync::oneshot;

/// `count` generations, the oldest first.
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

/// Records requests, and answers them on command.
#[derive(Default)]
struct FakeBroker(RefCell<Vec<(Filters, oneshot::Sender<Subscribed>)>>);

impl FakeBroker {
    fn request(&self, topics: Filters) -> BoxFuture<'static, Subscribed> {
        let (answer, answered) = oneshot::channel();
        self.0.borrow_mut().push((topics, answer));
        async { answered.await.unwrap_or(Err(SubscribeError::Stopped)) }.boxed()
    }

    /// The topics of the pending request.
    fn requested(&self) -> Filters {
        self.0.borrow().last().expect("a request is pending").0.clone()
    }

    fn answer(&self, answer: Subscribed) {
        self.0.borrow_mut().pop().expect("a request is pending").1.send(answer).expect("the request is polled");
    }
}

impl Generations {
    fn poll(&mut self, now: Instant) -> Poll<Option<RequestOutcome>> {
        self.poll_request(&mut Context::from_waker(Waker::noop()), now, Duration::ZERO)
    }

    /// Switches to `newer`, whose topics are `wanted`, and has the broker confirm them.
    fn switch(&mut self, broker: &FakeBroker, newer: &Generation, held: &[&str], wanted: &[&str], now: Instant) {
        self.switch_to(newer.clone(), filters(wanted), filters(held), |topics| broker.request(topics));
        broker.answer(Ok(()));
        assert_eq!(self.poll(now), Poll::Ready(Some(RequestOutcome::Switched)));
    }

    fn reader_of(&self, topic: &str) -> u64 {
        self.reader(topic).0.number()
    }
}

#[test]
fn newer_generation_is_used_once_its_topics_are_confirmed() {
    let (all, broker, now) = (generations(2), FakeBroker::default(), Instant::now());
    let mut used = Generations::new(all[0].clone());
    assert_eq!((used.newest_seen(), used.is_settled()), (0, true));
    used.switch_to(all[1].clone(), filters(&["b"]), filters(&["a"]), |topics| broker.request(topics));
    assert_eq!(broker.requested(), filters(&["a", "b"]));
    assert!(used.poll(now).is_pending());
    assert_eq!((used.current().number(), used.newest_seen()), (0, 1));
    // Messages on the new topics are read by the newer generation already.
    assert_eq!((used.reader_of("a"), used.reader_of("b"), used.reader_of("c")), (0, 1, 0));
    assert_eq!(used.of(1).number(), 1);
    broker.answer(Ok(()));
    assert_eq!(used.poll(now), Poll::Ready(Some(RequestOutcome::Switched)));
    assert_eq!((used.current().number(), used.of(0).number()), (1, 0));
    assert_eq!((used.reader_of("a"), used.reader_of("b"), used.reader_of("c")), (0, 1, 1));
}

#[test]
fn old_topics_are_unsubscribed_after_lingering_when_no_call_is_open() {
    let (all, broker, now) = (generations(2), FakeBroker::default(), Instant::now());
    let mut used = Generations::new(all[0].clone());
    used.switch(&broker, &all[1], &["a", "both"], &["b", "both"], now);
    assert_eq!(used.next_timeout(), Some(now + LINGER));
    // First it lingers, then a CALL is open.
    assert!(!used.retire(|_| false, |_| unreachable!()));
    used.handle_timeout(now + LINGER, Duration::ZERO);
    assert_eq!(used.next_timeout(), None);
    assert!(!used.retire(|number| number == 0, |_| unreachable!()));

    assert!(used.retire(|_| false, |topics| broker.request(topics)));
    assert_eq!(broker.requested(), filters(&["b", "both"]));
    // Messages that arrived before the unsubscribe are still read.
    assert_eq!((used.reader_of("a"), used.reader_of("both")), (0, 1));
    used.forget_retired();
    assert!(!used.is_settled());
    broker.answer(Ok(()));
    assert_eq!(used.poll(now), Poll::Ready(Some(RequestOutcome::Unsubscribed)));
    assert_eq!(used.reader_of("a"), 0);
    used.forget_retired();
    assert!(used.is_settled());
    assert_eq!(used.reader_of("a"), 1);
}

#[test]
fn old_topics_linger_again_when_the_broker_was_away() {
    let (all, broker, now) = (generations(2), FakeBroker::default(), Instant::now());
    let mut used = Generations::new(all[0].clone());
    used.switch(&broker, &all[1], &["a"], &["b"], now);
    let behind = Duration::from_millis(1);
    used.handle_timeout(now + LINGER, behind);
    assert_eq!(used.next_timeout(), Some(now + 2 * LINGER));
    assert!(!used.retire(|_| false, |_| unreachable!()));
    used.handle_timeout(now + 2 * LINGER, behind);
    assert!(used.retire(|_| false, |topics| broker.request(topics)));
}

#[test]
fn generation_with_refused_topics_is_declined_and_not_retried() {
    let (all, broker, now) = (generations(3), FakeBroker::default(), Instant::now());
    let mut used = Generations::new(all[0].clone());
    used.switch_to(all[1].clone(), filters(&["b"]), filters(&["a"]), |topics| broker.request(topics));
    broker.answer(Err(refused()));
    let declined = RequestOutcome::Declined(refused());
    assert_eq!(used.poll(now), Poll::Ready(Some(declined)));
    used.forget_retired();
    assert_eq!((used.current().number(), used.newest_seen(), used.reader_of("b")), (0, 1, 0));
    used.switch(&broker, &all[2], &["a"], &["c"], now);
    assert_eq!((used.current().number(), used.newest_seen()), (2, 2));
}

#[test]
fn swap_back_to_earlier_topics_unsubscribes_only_the_other_topics() {
    let (all, broker, now) = (generations(3), FakeBroker::default(), Instant::now());
    let mut used = Generations::new(all[0].clone());
    used.switch(&broker, &all[1], &["a"], &["b"], now);
    used.switch_to(all[2].clone(), filters(&["a"]), filters(&["b"]), |topics| broker.request(topics));
    assert_eq!(broker.requested(), filters(&["a", "b"]));
    broker.answer(Ok(()));
    assert_eq!(used.poll(now), Poll::Ready(Some(RequestOutcome::Switched)));
    assert_eq!((used.reader_of("a"), used.reader_of("b")), (2, 1));
    used.handle_timeout(now + LINGER, Duration::ZERO);
    // A CALL of the first generation is still open: its topics are those of the last one.
    assert!(used.retire(|number| number == 0, |topics| broker.request(topics)));
    assert_eq!(broker.requested(), filters(&["a"]));
    broker.answer(Ok(()));
    assert_eq!(used.poll(now), Poll::Ready(Some(RequestOutcome::Unsubscribed)));
    used.forget_retired();
    assert_eq!(used.of(0).number(), 0);
    // Retiring that one leaves no topic unneeded.
    assert!(used.retire(|_| false, |_| unreachable!()));
    used.forget_retired();
    assert!(used.is_settled());
}

#[test]
fn generation_that_is_rolled_back_while_it_subscribes_maps_no_new_messages() {
    let (all, broker, now) = (generations(3), FakeBroker::default(), Instant::now());
    let mut used = Generations::new(all[0].clone());
    used.switch_to(all[1].clone(), filters(&["b"]), filters(&["a"]), |topics| broker.request(topics));
    assert!(all[2].has_mapping_of(&all[0]) && !all[2].has_mapping_of(&all[1]));
    used.replace_current(all[2].clone(), true);
    assert_eq!((used.current().number(), used.of(0).number(), used.newest_seen()), (2, 0, 2));
    broker.answer(Ok(()));
    assert_eq!(used.poll(now), Poll::Ready(Some(RequestOutcome::Switched)));
    assert_eq!((used.current().number(), used.reader_of("a"), used.reader_of("b")), (2, 2, 1));
}

#[test]
fn generation_with_the_same_topics_is_used_at_once_and_open_calls_keep_theirs() {
    let all = generations(3);
    let mut used = Generations::new(all[0].clone());
    used.replace_current(all[1].clone(), false);
    assert_eq!((used.current().number(), used.of(0).number(), used.is_settled()), (1, 1, true));
    used.replace_current(all[2].clone(), true);
    assert_eq!((used.current().number(), used.of(1).number()), (2, 1));
    assert_eq!((used.reader_of("a"), used.next_timeout()), (2, None));
    assert!(!used.retire(|number| number == 1, |_| unreachable!()));
    assert!(used.retire(|_| false, |_| unreachable!()));
    used.forget_retired();
    assert!(used.is_settled());
}

#[test]
fn number_of_generations_in_use_is_limited() {
    let (all, broker, now) = (generations(MAX_OLDER + 3), FakeBroker::default(), Instant::now());
    let names: Vec<String> = (0..all.len()).map(|number| format!("topic-{number}")).collect();
    let mut used = Generations::new(all[0].clone());
    for number in 1..=MAX_OLDER {
        assert!(used.has_room());
        used.switch(&broker, &all[number], &[&names[number - 1]], &[&names[number]], now);
    }
    assert!(!used.has_room());
    // With open CALLs under all of them, all stay. Otherwise the oldest is retired, although it lingers.
    assert!(!used.retire(|_| true, |_| unreachable!()));
    assert!(used.retire(|number| number < 2, |topics| broker.request(topics)));
    assert_eq!(broker.requested().len(), MAX_OLDER);
    assert!(!broker.requested().iter().any(|(topic, _)| *topic == names[2]));
    broker.answer(Ok(()));
    assert_eq!(used.poll(now), Poll::Ready(Some(RequestOutcome::Unsubscribed)));
    assert!(used.has_room());
}

#[test]
fn topic_that_several_subscriptions_match_may_be_delivered_repeatedly() {
    let (all, broker, now) = (generations(2), FakeBroker::default(), Instant::now());
    let mut used = Generations::new(all[0].clone());
    assert!(!used.reader("a").1);
    used.switch(&broker, &all[1], &["a", "b"], &["a/#", "b"], now);
    assert_eq!((used.reader("a").0.number(), used.reader("a").1), (1, true));
    assert!(!used.reader("b").1 && !used.reader("c").1);
}
