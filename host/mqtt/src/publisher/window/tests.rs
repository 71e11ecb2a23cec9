use std::collections::BTreeSet;

use super::*;

fn outgoing(topic: &str, qos: QoS) -> Outgoing {
    let publish = Publish::new(topic, qos, "x");
    Outgoing { publish, expires: None, kind: "test", tracking: None, memory: None, sent: false }
}

fn window(limit: u16, topics: &[&str]) -> Window {
    let mut window = Window::new(limit);
    for topic in topics {
        window.insert(outgoing(topic, QoS::AtLeastOnce), 0);
    }
    window
}

fn topics(taken: Vec<Outgoing>) -> Vec<String> {
    taken.into_iter().map(|outgoing| outgoing.publish.topic).collect()
}

#[test]
fn open_packet_id_is_never_reused() {
    let mut window = window(3, &["a", "b", "c"]);
    assert_eq!(window.room(), 0);
    assert!(window.acknowledge(2).is_some());
    assert_eq!(window.insert(outgoing("d", QoS::AtLeastOnce), 0).publish.pkid, 2);
}

#[test]
fn new_publishes_wait_until_all_open_ones_are_sent_again() {
    let mut window = window(4, &["a", "b"]);
    assert_eq!((window.room(), window.is_resending()), (2, false));
    window.begin_resend();
    for _ in ["a", "b"] {
        assert_eq!((window.room(), window.is_resending()), (0, true));
        assert!(window.next_resend().is_some());
    }
    assert_eq!((window.room(), window.is_resending()), (2, false));
}

#[test]
fn packet_id_that_was_free_longest_is_used_next() {
    let mut window = window(3, &["a"]);
    assert!(window.acknowledge(1).is_some());
    assert!(window.acknowledge(1).is_none());
    assert_eq!(window.insert(outgoing("b", QoS::AtLeastOnce), 0).publish.pkid, 2);
}

#[test]
fn acknowledgements_out_of_order_keep_the_order_of_the_rest() {
    let mut window = window(4, &["a", "b", "c", "d"]);
    assert!(window.acknowledge(1).is_some() && window.acknowledge(3).is_some());
    window.insert(outgoing("e", QoS::AtLeastOnce), 0);
    assert_eq!(topics(window.take_all()), ["b", "d", "e"]);
    assert_eq!((window.len(), window.room()), (0, 4));
}

struct IgnoringObserver;

impl crate::Observer for IgnoringObserver {
    fn no_subscriber(&self, _: Publication) {}
    fn delivered(&self, _: u32) {}
    fn evicted(&self, _: u32) {}
}

#[test]
fn success_is_reported_only_to_observers_that_ask_for_it() {
    let mut window = window(3, &["a"]);
    for confirm in [false, true] {
        let tracking = Some(Tracking { observer: std::sync::Arc::new(IgnoringObserver), number: 7, confirm });
        window.insert(Outgoing { tracking, ..outgoing("b", QoS::AtLeastOnce) }, 5);
    }
    let mut acknowledged = |pkid| {
        let Acknowledged { mark, confirm } = window.acknowledge(pkid).expect("open");
        (mark, confirm.map(|tracking| tracking.number))
    };
    assert_eq!([acknowledged(1), acknowledged(2), acknowledged(3)], [(0, None), (5, None), (5, Some(7))]);
}

#[test]
fn publishes_taken_out_are_marked_as_sent() {
    let mut window = window(1, &["a"]);
    let taken = window.take_all();
    assert!(matches!(&taken[..], [Outgoing { sent: true, .. }]), "{taken:?}");
}

#[test]
fn kept_session_gets_the_same_packet_ids_with_dup() {
    let mut window = window(2, &["a", "b"]);
    window.begin_resend();
    let Some(Resend::Publish(Outgoing { publish, .. })) = window.next_resend() else { panic!("{window:?}") };
    assert_eq!((publish.topic.as_str(), publish.pkid, publish.dup), ("a", 1, true));
}

/// The topics of the publishes that may be sent again now. A release is "-".
fn resent(window: &mut Window) -> Vec<String> {
    let mut resent = Vec::new();
    while let Some(resend) = window.next_resend() {
        resent.push(match resend {
            Resend::Publish(outgoing) => outgoing.publish.topic.clone(),
            Resend::Release(_) => "-".to_owned(),
        });
    }
    resent
}

#[test]
fn lower_limit_than_open_publishes_is_respected_when_sending_again() {
    let mut window = window(5, &["a", "b", "c", "d"]);
    window.set_limit(2);
    window.begin_resend();
    assert_eq!((resent(&mut window), window.room()), (vec!["a".into(), "b".into()], 0));
    // A publish that is still to be sent again can be acknowledged too, for it was sent before.
    assert!(window.acknowledge(3).is_some());
    assert_eq!(resent(&mut window), [""; 0]);
    assert!(window.acknowledge(1).is_some());
    assert_eq!((resent(&mut window), window.room()), (vec!["d".into()], 0));
    assert!(window.acknowledge(2).is_some() && window.acknowledge(4).is_some());
    assert_eq!((window.len(), window.room()), (0, 2));
}

#[test]
fn releases_need_no_room_and_count_as_in_flight() {
    let mut window = Window::new(4);
    for topic in ["a", "b", "c"] {
        window.insert(outgoing(topic, QoS::ExactlyOnce), 0);
    }
    window.release(2);
    window.release(3);
    window.set_limit(1);
    window.begin_resend();
    assert_eq!(resent(&mut window), ["-", "-"]);
    assert!(window.complete(2).is_some());
    assert_eq!(resent(&mut window), [""; 0]);
    assert!(window.complete(3).is_some());
    assert_eq!((resent(&mut window), window.room()), (vec!["a".into()], 0));
}

#[test]
fn refused_publish_frees_its_packet_id() {
    let mut window = window(2, &["a"]);
    window.insert(outgoing("b", QoS::ExactlyOnce), 7);
    let (refused, mark) = window.refuse(2).expect("open");
    assert_eq!((refused.publish.topic.as_str(), mark, window.room()), ("b", 7, 1));
    assert!(window.refuse(2).is_none() && window.refuse(0).is_none());
}

#[test]
fn open_publishes_of_a_higher_qos_are_detected() {
    let window = window(2, &["a"]);
    let exceeds = |qos| window.exceeds(qos);
    assert!(exceeds(QoS::AtMostOnce) && !exceeds(QoS::AtLeastOnce));
}

#[test]
fn exactly_once_goes_through_release_and_survives_a_lost_session() {
    let mut window = Window::new(2);
    window.insert(outgoing("a", QoS::ExactlyOnce), 0);
    assert!(window.acknowledge(1).is_none() && window.complete(1).is_none());
    window.release(1);
    window.begin_resend();
    assert!(matches!(window.next_resend(), Some(Resend::Release(1))));
    assert!(window.next_resend().is_none());
    let taken = window.take_all();
    assert_eq!((taken[0].publish.pkid, taken[0].publish.dup), (0, false));
}

#[test]
fn unknown_packet_ids_are_ignored() {
    let mut window = window(2, &["a"]);
    for pkid in [0, 2, 3, u16::MAX] {
        window.release(pkid);
        assert!(window.acknowledge(pkid).is_none() && window.complete(pkid).is_none());
    }
    assert_eq!(window.len(), 1);
}

/// A minimal broker for [`random_operations_lose_nothing_and_exceed_no_limit`].
#[derive(Default)]
struct BrokerModel {
    limit: usize,
    /// The packets to answer: PUBLISH, or PUBREL if true.
    open: Vec<(u16, QoS, bool)>,
    seen: BTreeSet<String>,
}

impl BrokerModel {
    fn publish(&mut self, publish: &Publish) {
        self.open.push((publish.pkid, publish.qos, false));
        self.seen.insert(publish.topic.clone());
        assert!(self.open.len() <= self.limit, "more in flight than allowed");
        let pkids: BTreeSet<u16> = self.open.iter().map(|(pkid, ..)| *pkid).collect();
        assert_eq!(pkids.len(), self.open.len(), "two share a packet id");
    }

    fn pump(&mut self, window: &mut Window, waiting: &mut VecDeque<Outgoing>) {
        while let Some(resend) = window.next_resend() {
            match resend {
                Resend::Publish(outgoing) => self.publish(&outgoing.publish),
                Resend::Release(pkid) => self.open.push((pkid, QoS::ExactlyOnce, true)),
            }
        }
        while window.room() > 0
            && let Some(outgoing) = waiting.pop_front()
        {
            self.publish(&window.insert(outgoing, 0).publish);
        }
    }

    /// Answers one packet. True when a publish has been acknowledged or refused for good.
    fn answer(&mut self, window: &mut Window, place: usize, refuses: bool) -> bool {
        match self.open.remove(place % self.open.len()) {
            (pkid, QoS::ExactlyOnce, true) => window.complete(pkid).is_some(),
            (pkid, _, _) if refuses => window.refuse(pkid).is_some(),
            (pkid, QoS::ExactlyOnce, false) => {
                window.release(pkid);
                self.open.push((pkid, QoS::ExactlyOnce, true));
                false
            }
            (pkid, _, _) => window.acknowledge(pkid).is_some(),
        }
    }
}

#[test]
fn random_operations_lose_nothing_and_exceed_no_limit() {
    for seed in 0..200_u64 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut window, mut peer, mut settled) =
            (Window::new(8), BrokerModel { limit: 8, ..BrokerModel::default() }, 0);
        let qos = |number: u64| if number.is_multiple_of(3) { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
        let mut waiting: VecDeque<Outgoing> = (0..100).map(|n| outgoing(&n.to_string(), qos(n))).collect();
        while settled < 100 {
            peer.pump(&mut window, &mut waiting);
            if random.u8(..20) > 0 {
                settled += usize::from(peer.answer(&mut window, random.usize(..100), random.u8(..10) == 0));
                continue;
            }
            peer = BrokerModel { limit: random.usize(1..=10), open: Vec::new(), seen: peer.seen };
            window.set_limit(peer.limit as u16);
            if random.u8(..3) > 0 {
                window.begin_resend();
            } else {
                window.take_all().into_iter().rev().for_each(|outgoing| waiting.push_front(outgoing));
            }
        }
        assert_eq!((window.len(), peer.seen.len(), waiting.len()), (0, 100, 0));
        assert_eq!(window.room(), peer.limit.min(8));
    }
}
