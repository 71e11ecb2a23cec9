//! Back ends are away, or not there.

use super::*;

/// How far the clock of back ends is behind, and whether it stands still.
fn clock(desk: &mut TestSession, behind: Duration, stands_still: bool) {
    desk.session.set_back_end_clock(behind, stands_still);
}

#[test]
fn calls_of_the_charge_point_do_not_time_out_while_their_clock_stands_still() {
    let (left, away) = (Duration::from_millis(1), 2 * TIMEOUT);
    let mut desk = TestSession::new(Version::V1_6);
    desk.up(r#"[2,"before","Heartbeat",{}]"#);
    desk.wait(TIMEOUT - left);
    clock(&mut desk, Duration::ZERO, true);
    desk.up(r#"[2,"meanwhile","Authorize",{}]"#);
    // It is not looked at all the time.
    assert_eq!(desk.session.next_timeout(), desk.now + left + Duration::from_secs(1));
    desk.now += away;
    clock(&mut desk, away, true);
    desk.session.handle_timeout(desk.now);
    assert_eq!(desk.out(), ["ping"]);

    // Each goes on with the time that was left.
    clock(&mut desk, away, false);
    assert_eq!(desk.session.next_timeout(), desk.now + left);
    desk.wait(left);
    assert!(desk.out()[1].starts_with(r#"> [4,"before","InternalError""#));
    desk.wait(TIMEOUT - 2 * left);
    assert_eq!(desk.out(), [""; 0]);
    desk.wait(left);
    assert!(desk.out()[1].starts_with(r#"> [4,"meanwhile","InternalError""#));
}

#[test]
fn how_long_a_back_end_took_does_not_count_the_time_that_it_could_not_be_reached() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.up(r#"[2,"1","Heartbeat",{}]"#);
    let away = Duration::from_secs(20);
    desk.now += away + Duration::from_secs(3);
    clock(&mut desk, away, false);
    let frame = Received::parse(r#"[3,"1",{}]"#, MAX_RECEIVED_ID).expect("a frame").frame;
    desk.session.handle_downlink(frame, false, 0, desk.now);
    let ended = std::iter::from_fn(|| desk.session.poll()).find_map(|output| match output {
        Output::Ended(end) => Some(end),
        _ => None,
    });
    assert_eq!(ended.expect("it ended").answered_after, Some(Duration::from_secs(3)));
}

#[test]
fn a_call_that_no_back_end_subscribes_to_is_answered_and_others_stay_open() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.up(r#"[2,"a","Heartbeat",{}]"#);
    let first = desk.session.latest_call();
    desk.up(r#"[2,"b","Authorize",{}]"#);
    assert_ne!(desk.session.latest_call(), first);
    desk.session.handle_no_back_end(first, "ocpp/cp/CP1");
    let out = desk.out();
    let told = r#"> [4,"a","InternalError","no back end is subscribed to ocpp/cp/CP1",{}]"#;
    assert!(out.iter().any(|out| out == told), "{out:?}");
    // It is over: nothing more is said about it.
    desk.session.handle_no_back_end(first, "ocpp/cp/CP1");
    assert_eq!(desk.out(), [""; 0]);
    assert_eq!(desk.session.open_calls().from_charge_point, ["Authorize"]);
}

#[test]
fn a_call_that_a_transform_has_renamed_is_reported_under_the_id_that_its_back_end_knows() {
    let renamed = |desk: &mut TestSession, id: &str| {
        let mut frame = Frame::parse(CLEAR).expect("a frame").into_owned();
        frame
            .attributes
            .push(("back-end-message-id".into(), std::mem::replace(&mut frame.id, id.to_owned().into()).into()));
        desk.session.handle_downlink(frame, false, 0, desk.now);
    };
    let mut desk = TestSession::new(Version::V1_6);
    renamed(&mut desk, "new");
    assert_eq!(desk.out(), [r#"> [2,"new","ClearCache",{}]"#]);
    let answer = desk.up(r#"[3,"new",{"status":"Accepted"}]"#).expect("passed on");
    assert_eq!((&*answer.id, answer.back_end_id()), ("new", Some("c1")));

    renamed(&mut desk, "new");
    desk.out();
    desk.wait(TIMEOUT);
    assert_eq!(desk.out(), ["# timed_out", "! InternalError c1"]);
    renamed(&mut desk, &"x".repeat(40));
    assert_eq!(desk.out(), ["# not_understood", "! FormationViolation c1"]);
}
