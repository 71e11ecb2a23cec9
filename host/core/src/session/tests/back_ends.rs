//! Back ends cannot be reached, or have not subscribed.

use super::*;

/// Sets how far the clock of back ends is behind, and whether it stands still.
fn clock(test: &mut TestSession, behind: Duration, stands_still: bool) {
    test.session.set_back_end_clock(behind, stands_still);
}

#[test]
fn calls_of_the_charge_point_do_not_time_out_while_their_clock_stands_still() {
    let (left, away) = (Duration::from_millis(1), 2 * TIMEOUT);
    let mut test = TestSession::new(Version::V1_6);
    test.up(r#"[2,"before","Heartbeat",{}]"#);
    test.wait(TIMEOUT - left);
    clock(&mut test, Duration::ZERO, true);
    test.up(r#"[2,"meanwhile","Authorize",{}]"#);
    // The deadline is checked once per second.
    assert_eq!(test.session.next_timeout(), test.now + left + Duration::from_secs(1));
    test.now += away;
    clock(&mut test, away, true);
    test.session.handle_timeout(test.now);
    assert_eq!(test.out(), ["ping"]);

    // Each CALL has the time that was left.
    clock(&mut test, away, false);
    assert_eq!(test.session.next_timeout(), test.now + left);
    test.wait(left);
    assert!(test.out()[1].starts_with(r#"> [4,"before","InternalError""#));
    test.wait(TIMEOUT - 2 * left);
    assert_eq!(test.out(), [""; 0]);
    test.wait(left);
    assert!(test.out()[1].starts_with(r#"> [4,"meanwhile","InternalError""#));
}

#[test]
fn answer_time_excludes_the_time_when_back_ends_were_unreachable() {
    let mut test = TestSession::new(Version::V1_6);
    test.up(r#"[2,"1","Heartbeat",{}]"#);
    let away = Duration::from_secs(20);
    test.now += away + Duration::from_secs(3);
    clock(&mut test, away, false);
    let frame = Received::parse(r#"[3,"1",{}]"#, MAX_RECEIVED_ID).expect("a frame").frame;
    test.session.handle_downlink(frame, false, 0, test.now);
    let ended = std::iter::from_fn(|| test.session.poll()).find_map(|output| match output {
        Output::Ended(end) => Some(end),
        _ => None,
    });
    assert_eq!(ended.expect("the CALL has ended").answered_after, Some(Duration::from_secs(3)));
}

#[test]
fn call_without_a_subscriber_is_answered_and_others_stay_open() {
    let mut test = TestSession::new(Version::V1_6);
    test.up(r#"[2,"a","Heartbeat",{}]"#);
    let first = test.session.latest_call();
    test.up(r#"[2,"b","Authorize",{}]"#);
    assert_ne!(test.session.latest_call(), first);
    test.session.handle_no_back_end(first, "ocpp/cp/CP1");
    let out = test.out();
    let expected = r#"> [4,"a","InternalError","no back end is subscribed to ocpp/cp/CP1",{}]"#;
    assert!(out.iter().any(|out| out == expected), "{out:?}");
    // The CALL has ended: a second report does nothing.
    test.session.handle_no_back_end(first, "ocpp/cp/CP1");
    assert_eq!(test.out(), [""; 0]);
    assert_eq!(test.session.open_calls().from_charge_point, ["Authorize"]);
}

#[test]
fn call_with_a_changed_id_is_reported_under_the_id_of_its_back_end() {
    let renamed = |test: &mut TestSession, id: &str| {
        let mut frame = Frame::parse(CLEAR).expect("a frame").into_owned();
        frame
            .attributes
            .push(("back-end-message-id".into(), std::mem::replace(&mut frame.id, id.to_owned().into()).into()));
        test.session.handle_downlink(frame, false, 0, test.now);
    };
    let mut test = TestSession::new(Version::V1_6);
    renamed(&mut test, "new");
    assert_eq!(test.out(), [r#"> [2,"new","ClearCache",{}]"#]);
    let answer = test.up(r#"[3,"new",{"status":"Accepted"}]"#).expect("forwarded");
    assert_eq!((&*answer.id, answer.back_end_id()), ("new", Some("c1")));

    renamed(&mut test, "new");
    test.out();
    test.wait(TIMEOUT);
    assert_eq!(test.out(), ["# timed_out", "! InternalError c1"]);
    renamed(&mut test, &"x".repeat(40));
    assert_eq!(test.out(), ["# not_understood", "! FormationViolation c1"]);
}
