use std::sync::Mutex;

use tokio::sync::oneshot;

use super::*;

const GRANTED: AckResult = Ok(());
const REFUSED: AckResult = Err(Reason::NOT_AUTHORIZED);

/// Records the topics of the messages it took and of those it was asked to return, and the refusals of its
/// subscriptions.
#[derive(Clone, Default)]
struct RecordingRecipient(Arc<Mutex<Vec<String>>>, Arc<Mutex<Vec<String>>>, bool, Arc<Mutex<Vec<SubscribeError>>>);

impl Recipient for RecordingRecipient {
    fn deliver(&self, message: Message) -> Result<(), Message> {
        if self.2 {
            return Err(message);
        }
        self.0.lock().expect("not poisoned").push(message.topic);
        Ok(())
    }

    fn return_undeliverable(&self, message: Message) {
        self.1.lock().expect("not poisoned").push(message.topic);
    }

    fn refused(&self, error: SubscribeError) {
        self.3.lock().expect("not poisoned").push(error);
    }
}

fn refused(filter: &str) -> SubscribeError {
    SubscribeError::Refused { filter: filter.into(), reason: "not authorized".into() }
}

impl RecordingRecipient {
    /// A recipient that takes no messages.
    fn departed() -> Self {
        RecordingRecipient(Arc::default(), Arc::default(), true, Arc::default())
    }

    fn returned(&self) -> usize {
        self.1.lock().expect("not poisoned").len()
    }

    fn refusals(&self) -> Vec<SubscribeError> {
        std::mem::take(&mut self.3.lock().expect("not poisoned"))
    }

    fn count(&self) -> usize {
        self.0.lock().expect("not poisoned").len()
    }
}

type Settled = oneshot::Receiver<Result<(), SubscribeError>>;

fn set(
    subs: &mut Subscriptions<RecordingRecipient>,
    owner: u64,
    filters: &[&str],
    inbox: Option<&RecordingRecipient>,
) -> Settled {
    let (done, settled) = oneshot::channel();
    let filters = filters.iter().map(|filter| ((*filter).to_owned(), QoS::AtLeastOnce)).collect();
    subs.set(owner, filters, inbox.cloned(), done);
    settled
}

/// Grants everything that the next batch requests, and returns what it requested.
fn grant_all(subs: &mut Subscriptions<RecordingRecipient>) -> (Vec<String>, Vec<String>) {
    let batch = subs.next_batch(usize::MAX);
    for (filter, qos) in &batch.subscribe {
        subs.subscribed(filter, *qos, GRANTED);
    }
    batch.unsubscribe.iter().for_each(|filter| subs.unsubscribed(filter));
    let mut subscribed: Vec<String> = batch.subscribe.iter().map(|(filter, _)| filter.to_string()).collect();
    let mut unsubscribed: Vec<String> = batch.unsubscribe.iter().map(|filter| filter.to_string()).collect();
    subscribed.sort();
    unsubscribed.sort();
    (subscribed, unsubscribed)
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn deliver(subs: &Subscriptions<RecordingRecipient>, topic: &str) -> bool {
    let (payload, qos) = (bytes::Bytes::new(), QoS::AtLeastOnce);
    subs.deliver(Message { topic: topic.to_owned(), payload, qos, retain: false, dup: false, oversized: None }).is_ok()
}

fn connected() -> Subscriptions<RecordingRecipient> {
    let mut subs = Subscriptions::new();
    subs.connected(false);
    subs
}

/// Subscriptions in which the owner 1 has these filters.
fn holding(filters: &[&str]) -> Subscriptions<RecordingRecipient> {
    let mut subs = connected();
    drop(set(&mut subs, 1, filters, Some(&RecordingRecipient::default())));
    grant_all(&mut subs);
    subs
}

#[test]
fn subscribe_resolves_when_the_last_filter_is_acknowledged() {
    let mut subs = connected();
    let mut settled = set(&mut subs, 1, &["a", "b"], Some(&RecordingRecipient::default()));
    let batch = subs.next_batch(usize::MAX);
    subs.subscribed(&batch.subscribe[0].0, QoS::AtLeastOnce, GRANTED);
    assert!(settled.try_recv().is_err());
    subs.subscribed(&batch.subscribe[1].0, QoS::AtLeastOnce, GRANTED);
    assert_eq!(settled.try_recv(), Ok(Ok(())));
}

#[test]
fn owners_of_one_filter_share_its_subscription() {
    let (mut subs, first, second) = (connected(), RecordingRecipient::default(), RecordingRecipient::default());
    let _one = set(&mut subs, 1, &["a"], Some(&first));
    grant_all(&mut subs);
    assert_eq!(set(&mut subs, 2, &["a"], Some(&second)).try_recv(), Ok(Ok(())));
    assert!(deliver(&subs, "a"));
    subs.remove(1);
    assert_eq!(grant_all(&mut subs), (vec![], vec![]));
    assert!(deliver(&subs, "a"));
    assert_eq!((first.count(), second.count()), (1, 2));
    subs.remove(2);
    assert_eq!(grant_all(&mut subs), (vec![], strings(&["a"])));
    assert_eq!(subs.len(), 0);
}

#[test]
fn new_owner_before_the_unsubscribe_keeps_the_subscription() {
    let mut subs = holding(&["a"]);
    subs.remove(1);
    assert_eq!(set(&mut subs, 2, &["a"], Some(&RecordingRecipient::default())).try_recv(), Ok(Ok(())));
    assert_eq!(grant_all(&mut subs), (vec![], vec![]));
}

#[test]
fn new_owner_during_the_unsubscribe_subscribes_again() {
    let mut subs = holding(&["a"]);
    subs.remove(1);
    let leaving = subs.next_batch(usize::MAX).unsubscribe;
    let mut settled = set(&mut subs, 2, &["a"], Some(&RecordingRecipient::default()));
    assert!(settled.try_recv().is_err());
    subs.unsubscribed(&leaving[0]);
    assert_eq!(grant_all(&mut subs), (strings(&["a"]), vec![]));
    assert_eq!(settled.try_recv(), Ok(Ok(())));
}

#[test]
fn replacing_subscribes_before_it_unsubscribes() {
    let mut subs = holding(&["a", "b"]);
    let mut settled = set(&mut subs, 1, &["b", "c"], None);
    assert!(deliver(&subs, "a"), "the old filter works until the new one does");
    assert_eq!(grant_all(&mut subs), (strings(&["c"]), vec![]));
    assert_eq!(settled.try_recv(), Ok(Ok(())));
    assert_eq!(grant_all(&mut subs), (vec![], strings(&["a"])));
}

#[test]
fn refused_replacement_keeps_the_previous_filters() {
    let mut subs = holding(&["a"]);
    let mut settled = set(&mut subs, 1, &["b"], None);
    let batch = subs.next_batch(usize::MAX);
    subs.subscribed(&batch.subscribe[0].0, QoS::AtLeastOnce, REFUSED);
    assert_eq!(settled.try_recv(), Ok(Err(refused("b"))));
    assert!(deliver(&subs, "a") && !deliver(&subs, "b"));
    assert_eq!((grant_all(&mut subs), subs.len()), ((vec![], vec![]), 1));
}

#[test]
fn a_later_request_supersedes_an_open_one() {
    let mut subs = connected();
    let mut first = set(&mut subs, 1, &["a"], Some(&RecordingRecipient::default()));
    let mut second = set(&mut subs, 1, &["b"], None);
    assert_eq!(first.try_recv(), Ok(Err(SubscribeError::Superseded)));
    grant_all(&mut subs);
    assert_eq!(second.try_recv(), Ok(Ok(())));
    assert_eq!(grant_all(&mut subs), (vec![], strings(&["a"])));
}

#[test]
fn invalid_filters_and_unknown_owners_are_refused_at_once() {
    let mut subs = connected();
    let deep = "a/".repeat(MAX_LEVELS);
    for bad in ["", "a/#/b", "a+", "a\0", &deep, &"a".repeat(65_536)] {
        let settled = set(&mut subs, 1, &["fine", bad], Some(&RecordingRecipient::default())).try_recv();
        assert_eq!(settled, Ok(Err(SubscribeError::BadFilter(bad.to_owned()))));
    }
    assert_eq!(set(&mut subs, 1, &["a"], None).try_recv(), Ok(Err(SubscribeError::UnknownOwner)));
    assert_eq!(subs.len(), 0);
}

#[test]
fn subscriptions_are_current_once_a_lost_session_is_restored() {
    let mut subs = holding(&["a", "b/#"]);
    subs.disconnected();
    assert!(!subs.is_current());
    subs.connected(false);
    assert!(!subs.is_current());
    assert_eq!(grant_all(&mut subs), (strings(&["a", "b/#"]), vec![]));
    assert!(subs.is_current());
}

#[test]
fn only_missing_filters_are_requested_in_a_kept_session() {
    let mut subs = connected();
    let _one = set(&mut subs, 1, &["a"], Some(&RecordingRecipient::default()));
    let _two = set(&mut subs, 2, &["b"], Some(&RecordingRecipient::default()));
    grant_all(&mut subs);
    let mut open = set(&mut subs, 3, &["c"], Some(&RecordingRecipient::default()));
    let _lost_batch = subs.next_batch(usize::MAX);
    subs.disconnected();
    subs.remove(2);
    let _while_away = set(&mut subs, 4, &["d"], Some(&RecordingRecipient::default()));
    subs.connected(true);
    assert_eq!(grant_all(&mut subs), (strings(&["c", "d"]), strings(&["b"])));
    assert_eq!(open.try_recv(), Ok(Ok(())));
    assert!(subs.is_current());
}

#[test]
fn no_entries_accumulate_while_the_broker_is_away() {
    let mut subs = connected();
    subs.disconnected();
    for owner in 0..1000 {
        drop(set(&mut subs, owner, &[&format!("cs/{owner}"), "cs/+/all"], Some(&RecordingRecipient::default())));
        subs.remove(owner);
    }
    assert_eq!((subs.len(), subs.waiting()), (0, 0));
    assert!(subs.wildcards.is_empty());
}

#[test]
fn repeated_changes_take_one_place_in_the_queue() {
    let mut subs = connected();
    for owner in 0..1000 {
        drop(set(&mut subs, owner, &["a"], Some(&RecordingRecipient::default())));
        subs.remove(owner);
    }
    assert_eq!(subs.waiting(), 1);
    assert_eq!((grant_all(&mut subs), subs.len()), ((vec![], vec![]), 0));
}

#[test]
fn owner_gets_a_message_once_even_if_several_filters_match() {
    let (mut subs, inbox, other) = (connected(), RecordingRecipient::default(), RecordingRecipient::default());
    let _one = set(&mut subs, 1, &["a/b", "a/+", "#"], Some(&inbox));
    let _two = set(&mut subs, 2, &["a/+"], Some(&other));
    assert!(deliver(&subs, "a/b"));
    assert_eq!((inbox.count(), other.count()), (1, 1));
}

#[test]
fn unrouted_topic_of_another_process_is_unsubscribed() {
    let mut subs = connected();
    assert!(!deliver(&subs, "old"));
    subs.unsubscribe_unrouted("old");
    subs.unsubscribe_unrouted("old");
    assert_eq!(grant_all(&mut subs), (vec![], strings(&["old"])));
    assert_eq!(subs.len(), 0);
}

#[test]
fn higher_qos_is_requested_again() {
    let mut subs = holding(&["a"]);
    let (done, mut settled) = oneshot::channel();
    subs.set(2, vec![("a".into(), QoS::ExactlyOnce)], Some(RecordingRecipient::default()), done);
    assert!(settled.try_recv().is_err());
    assert_eq!(subs.next_batch(usize::MAX).subscribe, [("a".into(), QoS::ExactlyOnce)]);
    subs.subscribed(&"a".into(), QoS::ExactlyOnce, GRANTED);
    assert_eq!(settled.try_recv(), Ok(Ok(())));
}

#[test]
fn batches_are_bounded() {
    let mut subs = connected();
    for owner in 0..BATCH as u64 + 1 {
        drop(set(&mut subs, owner, &[&format!("cs/{owner}")], Some(&RecordingRecipient::default())));
    }
    assert_eq!(subs.next_batch(usize::MAX).subscribe.len(), BATCH);
    assert_eq!(subs.next_batch(usize::MAX).subscribe.len(), 1);
}

#[test]
fn subscribe_batch_fits_into_a_packet_of_the_brokers_size() {
    let mut subs = connected();
    for owner in 0..5 {
        drop(set(&mut subs, owner, &[&format!("cs/{owner:04}")], Some(&RecordingRecipient::default())));
    }
    // Room for two filters of 7 bytes.
    let sizes: Vec<usize> = (0..3).map(|_| subs.next_batch(8 + 2 * 10 + 5).subscribe.len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
    drop(set(&mut subs, 9, &["longer/than/all/that"], Some(&RecordingRecipient::default())));
    assert_eq!(subs.next_batch(10).subscribe.len(), 1);
}

#[test]
fn message_is_returned_only_if_no_recipient_takes_it() {
    let (mut subs, gone, successor) = (connected(), RecordingRecipient::departed(), RecordingRecipient::default());
    let _one = set(&mut subs, 1, &["a"], Some(&gone));
    grant_all(&mut subs);
    assert!(deliver(&subs, "a"));
    assert_eq!(gone.returned(), 1);
    for (first, second) in [(&gone, &successor), (&successor, &gone)] {
        let _one = set(&mut subs, 1, &["a"], Some(first));
        let _two = set(&mut subs, 2, &["a"], Some(second));
        assert!(deliver(&subs, "a"));
    }
    assert_eq!((gone.returned(), successor.count()), (1, 2));
}

#[test]
fn refusal_after_a_reconnect_is_reported_to_all_owners_of_the_filter() {
    let (mut subs, first, second, other) =
        (connected(), RecordingRecipient::default(), RecordingRecipient::default(), RecordingRecipient::default());
    let _one = set(&mut subs, 1, &["a", "b"], Some(&first));
    let _two = set(&mut subs, 2, &["b"], Some(&second));
    let _three = set(&mut subs, 3, &["c"], Some(&other));
    grant_all(&mut subs);
    for _ in 0..2 {
        subs.disconnected();
        subs.connected(false);
        for (filter, qos) in subs.next_batch(usize::MAX).subscribe {
            subs.subscribed(&filter, qos, if &*filter == "b" { REFUSED } else { GRANTED });
        }
        assert_eq!((first.refusals(), second.refusals()), (vec![refused("b")], vec![refused("b")]));
        assert!(other.refusals().is_empty() && subs.is_current());
    }
    // A new owner has it requested again.
    let mut settled = set(&mut subs, 4, &["b"], Some(&RecordingRecipient::default()));
    assert_eq!(grant_all(&mut subs), (strings(&["b"]), vec![]));
    assert_eq!(settled.try_recv(), Ok(Ok(())));
    // No owner is left.
    [1, 2, 4].into_iter().for_each(|owner| subs.remove(owner));
    grant_all(&mut subs);
    assert_eq!(subs.len(), 1);
}

#[test]
fn refusal_of_a_filter_from_before_a_change_is_reported_to_its_owner() {
    let (mut subs, inbox) = (connected(), RecordingRecipient::default());
    let _one = set(&mut subs, 1, &["old"], Some(&inbox));
    grant_all(&mut subs);
    let mut changed = set(&mut subs, 1, &["new"], None);
    subs.disconnected();
    subs.connected(false);
    for (filter, qos) in subs.next_batch(usize::MAX).subscribe {
        subs.subscribed(&filter, qos, REFUSED);
    }
    assert_eq!(changed.try_recv(), Ok(Err(refused("new"))));
    assert_eq!(inbox.refusals(), [refused("old")]);
}

#[test]
fn unsubscribe_batch_fits_into_a_packet_of_the_brokers_size() {
    let mut subs = connected();
    for owner in 0..5 {
        drop(set(&mut subs, owner, &[&format!("cs/{owner:04}")], Some(&RecordingRecipient::default())));
    }
    grant_all(&mut subs);
    (0..5).for_each(|owner| subs.remove(owner));
    // Room for two filters of 7 bytes.
    let sizes: Vec<usize> = (0..3).map(|_| subs.next_batch(8 + 2 * 10 + 5).unsubscribe.len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
}

#[test]
fn suback_for_a_removed_owner_leaves_no_entry() {
    for (result, left) in [(GRANTED, strings(&["a"])), (REFUSED, vec![])] {
        let mut subs = connected();
        let _one = set(&mut subs, 1, &["a"], Some(&RecordingRecipient::default()));
        let (filter, qos) = subs.next_batch(usize::MAX).subscribe.remove(0);
        subs.remove(1);
        subs.subscribed(&filter, qos, result);
        // Only what the broker has granted is unsubscribed.
        assert_eq!(grant_all(&mut subs), (vec![], left));
        assert_eq!(subs.len(), 0);
    }
}

#[test]
fn qos_raised_during_a_request_is_requested_after_the_answer() {
    let mut subs = connected();
    let mut first = set(&mut subs, 1, &["a"], Some(&RecordingRecipient::default()));
    let (filter, qos) = subs.next_batch(usize::MAX).subscribe.remove(0);
    let (done, mut second) = oneshot::channel();
    subs.set(2, vec![("a".into(), QoS::ExactlyOnce)], Some(RecordingRecipient::default()), done);
    assert!(subs.next_batch(usize::MAX).subscribe.is_empty(), "one request at a time");
    subs.subscribed(&filter, qos, GRANTED);
    assert!(first.try_recv().is_err() && second.try_recv().is_err());
    assert_eq!(subs.next_batch(usize::MAX).subscribe, [("a".into(), QoS::ExactlyOnce)]);
    subs.subscribed(&filter, QoS::ExactlyOnce, GRANTED);
    assert_eq!((first.try_recv(), second.try_recv()), (Ok(Ok(())), Ok(Ok(()))));
}

#[test]
fn filter_removed_while_it_is_restored_is_not_waited_for() {
    let mut subs = connected();
    let _one = set(&mut subs, 1, &["a"], Some(&RecordingRecipient::default()));
    let _two = set(&mut subs, 2, &["b"], Some(&RecordingRecipient::default()));
    grant_all(&mut subs);
    subs.disconnected();
    subs.connected(false);
    subs.remove(1);
    assert!(!subs.is_current());
    assert_eq!(grant_all(&mut subs), (strings(&["b"]), vec![]));
    assert!(subs.is_current());
    assert_eq!(subs.len(), 1);
}

#[test]
fn unrouted_topics_of_another_process_are_unsubscribed_up_to_a_limit() {
    let mut subs = connected();
    for number in 0..MAX_WAITING_FOR_UNROUTED + 10 {
        subs.unsubscribe_unrouted(&format!("old/{number}"));
    }
    subs.unsubscribe_unrouted("no/+/#/filter");
    assert_eq!((subs.waiting(), subs.len()), (MAX_WAITING_FOR_UNROUTED, MAX_WAITING_FOR_UNROUTED));
    // A topic with an owner stays subscribed.
    let mut subs = holding(&["a"]);
    subs.unsubscribe_unrouted("a");
    assert_eq!(grant_all(&mut subs), (vec![], vec![]));
    // What the broker lost with its session is not unsubscribed.
    subs.unsubscribe_unrouted("b");
    subs.disconnected();
    subs.connected(false);
    assert_eq!(grant_all(&mut subs), (strings(&["a"]), vec![]));
    assert_eq!(subs.len(), 1);
}

#[test]
fn refusal_of_a_filter_kept_by_a_change_is_reported_to_its_owner() {
    let (mut subs, inbox) = (connected(), RecordingRecipient::default());
    let _one = set(&mut subs, 1, &["old"], Some(&inbox));
    grant_all(&mut subs);
    subs.disconnected();
    subs.connected(false);
    // Before the broker has answered for the filter that it lost.
    let mut changed = set(&mut subs, 1, &["new", "old"], None);
    for (filter, qos) in subs.next_batch(usize::MAX).subscribe {
        subs.subscribed(&filter, qos, if &*filter == "old" { REFUSED } else { GRANTED });
    }
    assert_eq!(changed.try_recv(), Ok(Err(refused("old"))));
    assert_eq!(inbox.refusals(), [refused("old")]);
}
