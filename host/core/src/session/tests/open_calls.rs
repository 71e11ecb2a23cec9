//! Several CALLs of a charge point are open at once, and ids are reused.

use super::*;

fn call(id: &str, connector: u32) -> String {
    format!(r#"[2,"{id}","StatusNotification",{{"connectorId":{connector}}}]"#)
}

#[test]
fn second_call_is_forwarded_while_the_first_is_open() {
    for version in Version::ALL {
        let mut test = TestSession::new(version);
        for id in ["a", "b", "c"] {
            assert_eq!(test.up(&call(id, 1)).expect("forwarded").id, id);
        }
        // Back ends answer in any order; the id selects the CALL.
        for id in ["b", "c", "a"] {
            test.down(&format!(r#"[3,"{id}",{{}}]"#));
            assert_eq!(test.out(), [format!(r#"> [3,"{id}",{{}}]"#)]);
        }
        assert!(test.session.is_idle());
    }
}

#[test]
fn reading_stops_at_the_limit_of_open_calls() {
    let mut test = TestSession::new(Version::V1_6);
    for id in ["a", "b", "c", "d"] {
        assert!(test.session.can_read());
        assert!(test.up(&call(id, 1)).is_some());
    }
    assert!(!test.session.can_read());
    test.down(r#"[3,"b",{}]"#);
    assert!(test.session.can_read());
    assert_eq!(test.session.open_calls().from_charge_point.len(), 3);
}

#[test]
fn each_open_call_has_its_own_deadline() {
    let mut test = TestSession::new(Version::V1_6);
    test.up(&call("a", 1));
    test.wait(TIMEOUT / 2);
    test.up(&call("b", 1));
    test.up(&call("c", 1));
    test.down(r#"[3,"b",{}]"#);
    test.out();
    test.wait(TIMEOUT / 2);
    let out = test.out();
    assert_eq!(out.len(), 2, "{out:?}");
    assert!(out[1].starts_with(r#"> [4,"a","InternalError""#), "{out:?}");
    assert_eq!(test.session.next_timeout(), test.now + TIMEOUT / 2);
    test.wait(TIMEOUT / 2);
    assert!(test.out()[1].starts_with(r#"> [4,"c","InternalError""#));
}

#[test]
fn every_open_call_ends_at_a_disconnect() {
    let mut test = TestSession::new(Version::V1_6);
    test.up(&call("a", 1));
    test.up(&call("b", 1));
    test.up(&call("a", 2));
    test.session.handle_disconnect();
    let outputs = test.outputs();
    let ended = outputs.iter().filter(|output| matches!(output, Output::Ended(_))).count();
    assert_eq!(ended, 2);
    let shown: Vec<_> = outputs.into_iter().filter_map(TestSession::shown).collect();
    assert_eq!(shown, ["# id_in_use", "# disconnected"], "the CALL that was held back");
    assert!(test.session.is_idle());
}

#[test]
fn repeat_of_an_open_call_is_counted_and_served_by_one_answer() {
    let mut test = TestSession::new(Version::V1_6);
    assert!(test.up(&call("a", 1)).is_some());
    assert!(test.up(&call("a", 1)).is_none());
    assert_eq!(test.out(), ["# duplicate"]);
    assert!(test.session.can_read());
    test.down(r#"[3,"a",{}]"#);
    assert_eq!(test.out(), [r#"> [3,"a",{}]"#]);
    assert!(test.session.is_idle());
    assert!(test.up(&call("a", 1)).is_some(), "a repeat after the answer is a new CALL");
}

#[test]
fn another_call_under_an_open_id_waits_until_the_first_is_answered() {
    for (other, action) in [(call("a", 2), "StatusNotification"), (r#"[2,"a","Heartbeat",{}]"#.to_owned(), "Heartbeat")]
    {
        let mut test = TestSession::new(Version::V1_6);
        test.up(&call("a", 1));
        test.up(&call("b", 1));
        assert!(test.up(&other).is_none());
        assert_eq!(test.out(), ["# id_in_use"], "no answer yet");
        assert!(!test.session.can_read());
        test.down(r#"[3,"b",{}]"#);
        assert_eq!(test.session.take_held_text(), None);
        test.down(r#"[3,"a",{"first":1}]"#);
        assert_eq!(test.out().len(), 2);
        let held = test.session.take_held_text().expect("released");
        assert_eq!(test.up(&held).expect("forwarded").action_name(), action);
        assert_eq!(test.session.take_held_text(), None);
        assert!(test.session.can_read());
        test.down(r#"[3,"a",{"second":1}]"#);
        assert_eq!(test.out(), [r#"> [3,"a",{"second":1}]"#]);
    }
}

#[test]
fn held_call_is_released_when_the_first_times_out() {
    let mut test = TestSession::new(Version::V1_6);
    test.up(&call("a", 1));
    test.up(&call("a", 2));
    test.wait(TIMEOUT);
    test.out();
    assert_eq!(test.session.take_held_text().as_deref(), Some(&*call("a", 2)));
}

#[test]
fn repeated_downlink_call_is_counted_and_another_with_its_id_waits() {
    let other = r#"[2,"r1","Reset",{"type":"Hard"}]"#;
    let mut test = TestSession::new(Version::V1_6);
    test.down(RESET);
    test.out();
    test.down(RESET);
    assert_eq!(test.out(), ["# duplicate"]);
    test.down(other);
    test.down(other);
    assert_eq!(test.out(), ["# id_in_use", "# duplicate"], "one CALL is open, one waits");
    assert!(test.up(r#"[3,"r1",{}]"#).is_some());
    assert_eq!(test.out(), [format!("> {other}")]);
    assert!(test.up(r#"[3,"r1",{}]"#).is_some());
    assert!(test.session.is_idle());
}

#[test]
fn redelivered_message_with_another_payload_is_sent() {
    let mut test = TestSession::new(Version::V1_6);
    test.down(RESET);
    test.up(r#"[3,"r1",{}]"#);
    test.out();
    test.redelivered(&RESET.replace("Soft", "Hard"));
    assert_eq!(test.out().len(), 1, "sent");
}

#[test]
fn calls_carry_the_generation_that_they_were_opened_in() {
    let mut test = TestSession::new(Version::V1_6);
    let up = |test: &mut TestSession, text: &str| {
        let uplink = test.session.handle_text(text, test.now).expect("forwarded");
        (uplink.frame.id.to_string(), uplink.generation)
    };
    assert_eq!(up(&mut test, &call("a", 1)), ("a".into(), 0));
    test.down_in(5, RESET);
    test.down_in(6, CLEAR);
    test.session.set_generation(7);
    assert_eq!(up(&mut test, &call("b", 1)), ("b".into(), 7));
    let open = |test: &TestSession| [0, 5, 6, 7, 8].map(|generation| test.session.has_open_calls_of(generation));
    assert_eq!(open(&test), [true, true, true, true, false]);
    assert_eq!(up(&mut test, r#"[3,"r1",{}]"#), ("r1".into(), 5), "the generation of its CALL");
    test.down(r#"[3,"a",{}]"#);
    assert_eq!(open(&test), [false, false, true, true, false]);
    test.out();
    test.wait(TIMEOUT);
    let out = test.out();
    assert!(out.contains(&"! InternalError c1 of 6".to_owned()), "{out:?}");
    assert_eq!(open(&test), [false; 5]);
}

#[test]
fn a_redelivered_message_is_only_counted() {
    let mut test = TestSession::new(Version::V1_6);
    test.down(RESET);
    test.out();
    test.redelivered(RESET);
    assert_eq!(test.out(), ["# duplicate"]);
    // A broker resends all unacknowledged messages, even if the first of them was handled long ago.
    let calls = (0..20).map(|number| format!(r#"[2,"c{number}","ClearCache",{{}}]"#)).collect::<Vec<_>>();
    test.up(r#"[3,"r1",{}]"#);
    for (number, call) in calls.iter().enumerate() {
        test.down(call);
        test.up(&format!(r#"[3,"c{number}",{{}}]"#));
    }
    test.out();
    for call in &calls {
        test.redelivered(call);
        assert_eq!(test.out(), ["# duplicate"]);
    }
}

#[test]
fn listed_calls_are_like_those_of_a_session() {
    let mut test = TestSession::new(Version::V1_6);
    for id in ["a", "b"] {
        test.up(&call(id, 1)).expect("forwarded");
    }
    let list = ["a", "b"].map(|id| (id.into(), "StatusNotification".into()));
    for calls in [test.session.unanswered_calls(), UnansweredCalls::listed(&list)] {
        assert_eq!(calls.action("b"), Some("StatusNotification"));
        assert_eq!(calls.action("c"), None);
        assert_eq!(calls.iter().map(|(id, _)| id).collect::<Vec<_>>(), ["a", "b"]);
    }
    assert_eq!(UnansweredCalls::default().iter().count(), 0);
}
