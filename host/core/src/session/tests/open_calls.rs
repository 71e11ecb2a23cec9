//! Several CALLs of a charge point are open at once, and ids come twice.

use super::*;

fn call(id: &str, connector: u32) -> String {
    format!(r#"[2,"{id}","StatusNotification",{{"connectorId":{connector}}}]"#)
}

#[test]
fn a_second_call_is_forwarded_while_the_first_is_open() {
    for version in Version::ALL {
        let mut desk = TestSession::new(version);
        for id in ["a", "b", "c"] {
            assert_eq!(desk.up(&call(id, 1)).expect("passed on").id, id);
        }
        // Back ends answer in any order, each by its id.
        for id in ["b", "c", "a"] {
            desk.down(&format!(r#"[3,"{id}",{{}}]"#));
            assert_eq!(desk.out(), [format!(r#"> [3,"{id}",{{}}]"#)]);
        }
        assert!(desk.session.is_idle());
    }
}

#[test]
fn no_more_is_read_while_as_many_are_open_as_may_be() {
    let mut desk = TestSession::new(Version::V1_6);
    for id in ["a", "b", "c", "d"] {
        assert!(desk.session.wants_more());
        assert!(desk.up(&call(id, 1)).is_some());
    }
    assert!(!desk.session.wants_more());
    desk.down(r#"[3,"b",{}]"#);
    assert!(desk.session.wants_more());
    assert_eq!(desk.session.open_calls().from_charge_point.len(), 3);
}

#[test]
fn each_open_call_has_its_own_deadline() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.up(&call("a", 1));
    desk.wait(TIMEOUT / 2);
    desk.up(&call("b", 1));
    desk.up(&call("c", 1));
    desk.down(r#"[3,"b",{}]"#);
    desk.out();
    desk.wait(TIMEOUT / 2);
    let out = desk.out();
    assert_eq!(out.len(), 2, "{out:?}");
    assert!(out[1].starts_with(r#"> [4,"a","InternalError""#), "{out:?}");
    assert_eq!(desk.session.next_timeout(), desk.now + TIMEOUT / 2);
    desk.wait(TIMEOUT / 2);
    assert!(desk.out()[1].starts_with(r#"> [4,"c","InternalError""#));
}

#[test]
fn at_a_disconnect_every_open_call_ends() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.up(&call("a", 1));
    desk.up(&call("b", 1));
    desk.up(&call("a", 2));
    desk.session.handle_disconnect();
    let outputs = desk.outputs();
    let ended = outputs.iter().filter(|output| matches!(output, Output::Ended(_))).count();
    assert_eq!(ended, 2);
    let shown: Vec<_> = outputs.into_iter().filter_map(TestSession::shown).collect();
    assert_eq!(shown, ["# id_in_use", "# disconnected"], "the one that was read, but not forwarded");
    assert!(desk.session.is_idle());
}

#[test]
fn a_repeat_of_an_open_call_is_counted_and_served_by_the_one_answer() {
    let mut desk = TestSession::new(Version::V1_6);
    assert!(desk.up(&call("a", 1)).is_some());
    assert!(desk.up(&call("a", 1)).is_none());
    assert_eq!(desk.out(), ["# duplicate"]);
    assert!(desk.session.wants_more());
    desk.down(r#"[3,"a",{}]"#);
    assert_eq!(desk.out(), [r#"> [3,"a",{}]"#]);
    assert!(desk.session.is_idle());
    assert!(desk.up(&call("a", 1)).is_some(), "one that comes after the answer is a new one");
}

#[test]
fn another_call_under_an_open_id_waits_until_the_first_is_answered() {
    for (other, action) in [(call("a", 2), "StatusNotification"), (r#"[2,"a","Heartbeat",{}]"#.to_owned(), "Heartbeat")]
    {
        let mut desk = TestSession::new(Version::V1_6);
        desk.up(&call("a", 1));
        desk.up(&call("b", 1));
        assert!(desk.up(&other).is_none());
        assert_eq!(desk.out(), ["# id_in_use"], "no answer yet");
        assert!(!desk.session.wants_more());
        desk.down(r#"[3,"b",{}]"#);
        assert_eq!(desk.session.next_held(), None);
        desk.down(r#"[3,"a",{"first":1}]"#);
        assert_eq!(desk.out().len(), 2);
        let held = desk.session.next_held().expect("its turn");
        assert_eq!(desk.up(&held).expect("passed on").action_name(), action);
        assert_eq!(desk.session.next_held(), None);
        assert!(desk.session.wants_more());
        desk.down(r#"[3,"a",{"second":1}]"#);
        assert_eq!(desk.out(), [r#"> [3,"a",{"second":1}]"#]);
    }
}

#[test]
fn a_held_call_goes_on_when_the_first_times_out() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.up(&call("a", 1));
    desk.up(&call("a", 2));
    desk.wait(TIMEOUT);
    desk.out();
    assert_eq!(desk.session.next_held().as_deref(), Some(&*call("a", 2)));
}

#[test]
fn a_repeat_to_the_charge_point_is_counted_and_another_call_under_its_id_waits() {
    let other = r#"[2,"r1","Reset",{"type":"Hard"}]"#;
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(RESET);
    desk.out();
    desk.down(RESET);
    assert_eq!(desk.out(), ["# duplicate"]);
    desk.down(other);
    desk.down(other);
    assert_eq!(desk.out(), ["# id_in_use", "# duplicate"], "one is open, one waits");
    assert!(desk.up(r#"[3,"r1",{}]"#).is_some());
    assert_eq!(desk.out(), [format!("> {other}")]);
    assert!(desk.up(r#"[3,"r1",{}]"#).is_some());
    assert!(desk.session.is_idle());
}

#[test]
fn a_redelivered_message_is_told_from_another_one_under_its_id() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(RESET);
    desk.up(r#"[3,"r1",{}]"#);
    desk.out();
    desk.redelivered(&RESET.replace("Soft", "Hard"));
    assert_eq!(desk.out().len(), 1, "sent");
}

#[test]
fn calls_carry_the_generation_that_they_were_opened_in() {
    let mut desk = TestSession::new(Version::V1_6);
    let up = |desk: &mut TestSession, text: &str| {
        let uplink = desk.session.handle_text(text, desk.now).expect("passed on");
        (uplink.frame.id.to_string(), uplink.generation)
    };
    assert_eq!(up(&mut desk, &call("a", 1)), ("a".into(), 0));
    desk.down_in(5, RESET);
    desk.down_in(6, CLEAR);
    desk.session.set_generation(7);
    assert_eq!(up(&mut desk, &call("b", 1)), ("b".into(), 7));
    let open = |desk: &TestSession| [0, 5, 6, 7, 8].map(|generation| desk.session.has_open_calls_of(generation));
    assert_eq!(open(&desk), [true, true, true, true, false]);
    assert_eq!(up(&mut desk, r#"[3,"r1",{}]"#), ("r1".into(), 5), "the answer goes where the CALL came from");
    desk.down(r#"[3,"a",{}]"#);
    assert_eq!(open(&desk), [false, false, true, true, false]);
    desk.out();
    desk.wait(TIMEOUT);
    let out = desk.out();
    assert!(out.contains(&"! InternalError c1 of 6".to_owned()), "{out:?}");
    assert_eq!(open(&desk), [false; 5]);
}

#[test]
fn a_redelivered_message_is_only_counted() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(RESET);
    desk.out();
    desk.redelivered(RESET);
    assert_eq!(desk.out(), ["# duplicate"]);
    // A broker sends all again that it has no acknowledgement for, long after the first of them was done.
    let calls = (0..20).map(|number| format!(r#"[2,"c{number}","ClearCache",{{}}]"#)).collect::<Vec<_>>();
    desk.up(r#"[3,"r1",{}]"#);
    for (number, call) in calls.iter().enumerate() {
        desk.down(call);
        desk.up(&format!(r#"[3,"c{number}",{{}}]"#));
    }
    desk.out();
    for call in &calls {
        desk.redelivered(call);
        assert_eq!(desk.out(), ["# duplicate"]);
    }
}
