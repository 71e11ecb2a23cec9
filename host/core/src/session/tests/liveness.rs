//! Pings, silence, heartbeat intervals.

use super::*;

/// After how many seconds, from now on, a charge point that says nothing is given up.
fn silent_after(desk: &mut TestSession) -> u64 {
    let start = desk.now;
    desk.silent = false;
    while !desk.silent {
        desk.wait(Duration::from_secs(10));
        assert!(desk.now - start < Duration::from_secs(10_000), "never given up");
    }
    (desk.now - start).as_secs()
}

fn intervals(desk: &mut TestSession) -> Vec<Option<u64>> {
    let interval = |output| match output {
        Output::HeartbeatInterval(interval) => Some(interval.map(|interval| interval.as_secs())),
        _ => None,
    };
    desk.outputs().into_iter().filter_map(interval).collect()
}

#[test]
fn pings_go_out_and_silence_ends_the_connection() {
    let mut desk = TestSession::new(Version::V1_6);
    for _ in 0..9 {
        desk.wait(Duration::from_secs(60));
        assert_eq!(desk.out(), ["ping"]);
        assert!(!desk.silent);
    }
    desk.wait(Duration::from_secs(60));
    assert!(desk.silent, "twice the heartbeat interval of 300 s");
}

#[test]
fn who_only_answers_pings_has_been_asked_before_it_is_given_up() {
    let mut desk = TestSession::with(Version::V1_6, |settings| settings.idle_timeout = Some(Duration::from_secs(1)));
    desk.wait(Duration::from_secs(60));
    assert_eq!((desk.out(), desk.silent), (vec!["ping".to_owned()], false));
    desk.wait(Duration::from_secs(4));
    assert!(!desk.silent);
    desk.wait(Duration::from_secs(1));
    assert!(desk.silent);
}

#[test]
fn talking_without_pongs_is_enough_to_stay() {
    let mut desk = TestSession::new(Version::V1_6);
    for _ in 0..40 {
        desk.wait(Duration::from_secs(60));
        assert!(!desk.silent);
        desk.up("garbage counts");
    }
}

#[test]
fn the_interval_of_a_boot_that_is_not_accepted_is_none() {
    for status in ["Pending", "Rejected"] {
        let mut desk = TestSession::new(Version::V1_6);
        desk.up(r#"[2,"b","BootNotification",{}]"#);
        desk.down(&format!(r#"[3,"b",{{"status":"{status}","interval":10}}]"#));
        assert_eq!(silent_after(&mut desk), 600, "{status}");
    }
}

#[test]
fn the_boot_answer_sets_the_interval_unless_it_makes_no_sense() {
    for (interval, limit) in
        [("10", 70), ("900", 1800), (r#""900""#, 1800), ("-5", 600), ("0", 600), (r#""x""#, 600), ("1e99", 600)]
    {
        let mut desk = TestSession::with(Version::V1_6, |settings| settings.ping_interval = Duration::from_secs(60));
        desk.up(r#"[2,"b","BootNotification",{}]"#);
        desk.down(&format!(r#"[3,"b",{{"interval":{interval}}}]"#));
        assert_eq!(silent_after(&mut desk), limit, "interval {interval}");
    }
}

#[test]
fn only_the_result_of_a_boot_sets_an_interval() {
    for (action, answer) in [
        ("BootNotification", r#"[4,"b","InternalError","",{"status":"Accepted","interval":10}]"#),
        ("DataTransfer", r#"[3,"b",{"status":"Accepted","interval":10}]"#),
    ] {
        let mut desk = TestSession::new(Version::V1_6);
        desk.up(&format!(r#"[2,"b","{action}",{{}}]"#));
        desk.down(answer);
        assert_eq!(intervals(&mut desk), [], "{answer}");
    }
}

#[test]
fn without_pings_none_goes_out() {
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    let mut desk = TestSession::with(Version::V1_6, |settings| {
        settings.ping_interval = Duration::ZERO;
        settings.idle_timeout = Some(days(300));
    });
    assert_eq!(desk.session.next_timeout(), desk.now + days(300));
    desk.wait(days(299));
    assert_eq!((desk.out(), desk.silent), (vec![], false));
}

#[test]
fn one_that_answers_pings_is_gone_after_two_without_an_answer() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.wait(Duration::from_secs(60));
    desk.session.handle_pong(desk.now);
    assert_eq!(silent_after(&mut desk), 180, "two pings at 60 s and 120 s, and the time for an answer to the second");
}

#[test]
fn bytes_between_pings_keep_one_that_answers_pings() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.wait(Duration::from_secs(60));
    desk.session.handle_pong(desk.now);
    for _ in 0..20 {
        desk.wait(Duration::from_secs(110));
        assert!(!desk.silent);
        desk.session.handle_alive(desk.now);
    }
}

#[test]
fn a_pong_before_any_ping_answers_none() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.session.handle_pong(desk.now);
    assert_eq!(silent_after(&mut desk), 600);
}

#[test]
fn two_pings_that_follow_each_other_closely_leave_time_for_an_answer() {
    let mut desk = TestSession::with(Version::V1_6, |settings| settings.ping_interval = Duration::from_secs(1));
    desk.wait(Duration::from_secs(1));
    desk.session.handle_pong(desk.now);
    for _ in 0..9 {
        desk.wait(Duration::from_secs(1));
        assert!(!desk.silent);
    }
    desk.wait(Duration::from_secs(1));
    assert!(desk.silent);
}

#[test]
fn an_accepted_change_of_the_interval_is_in_force() {
    let change = r#"[2,"c","ChangeConfiguration",{"key":"HeartbeatInterval","value":"1000"}]"#;
    for (answer, limit, told) in [
        (r#"[3,"c",{"status":"Accepted"}]"#, 2000, vec![Some(1000)]),
        (r#"[3,"c",{"status":"Rejected"}]"#, 600, vec![]),
        (r#"[4,"c","NotSupported","",{"status":"Accepted"}]"#, 600, vec![]),
    ] {
        let mut desk = TestSession::new(Version::V1_6);
        desk.down(change);
        desk.up(answer);
        assert_eq!(intervals(&mut desk), told, "{answer}");
        assert_eq!(silent_after(&mut desk), limit, "{answer}");
    }
    let mut desk = TestSession::new(Version::V1_6);
    desk.session.handle_operator_call(
        "gateway-1",
        "ChangeConfiguration",
        r#"{"key":"HeartbeatInterval","value":"1000"}"#,
        desk.now,
    );
    desk.up(r#"[3,"gateway-1",{"status":"Accepted"}]"#);
    assert_eq!(silent_after(&mut desk), 2000, "an operator's word");
}

#[test]
fn the_interval_of_an_earlier_connection_is_in_force() {
    let mut desk = TestSession::new(Version::V1_6);
    let settings = Arc::clone(&desk.session.settings);
    desk.session = Session::new(Version::V1_6, settings, Some(Duration::from_secs(900)), desk.now);
    assert_eq!(silent_after(&mut desk), 1800);
    // A boot that is accepted without one puts the configured one in force, here and later.
    desk.up(r#"[2,"b","BootNotification",{}]"#);
    desk.down(r#"[3,"b",{"status":"Accepted"}]"#);
    assert_eq!(intervals(&mut desk), [None]);
    assert_eq!(silent_after(&mut desk), 600);
}

#[test]
fn while_nothing_is_read_no_deadline_waits_for_the_charge_point() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(RESET);
    desk.down(CLEAR);
    desk.wait(Duration::from_secs(20));
    desk.reading(false);
    assert!(desk.session.is_held());
    for _ in 0..100 {
        desk.wait(Duration::from_secs(60));
        assert!(!desk.silent);
        assert!(desk.out().iter().all(|line| line == "ping" || line.starts_with('>')));
    }
    desk.reading(true);
    assert!(!desk.session.is_held());
    assert_eq!(desk.session.next_timeout(), desk.now + Duration::from_secs(10), "what was left of the timeout");
    desk.wait(Duration::from_secs(10));
    assert_eq!(desk.out(), ["# timed_out", "! InternalError r1", "# timed_out", "! InternalError c1"]);
    assert_eq!(silent_after(&mut desk), 590);
}
