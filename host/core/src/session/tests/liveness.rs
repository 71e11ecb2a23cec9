//! Pings, silence, heartbeat intervals.

use super::*;

/// After how many seconds, from now on, a charge point that sends nothing counts as silent.
fn silent_after(test: &mut TestSession) -> u64 {
    let start = test.now;
    test.silent = false;
    while !test.silent {
        test.wait(Duration::from_secs(10));
        assert!(test.now - start < Duration::from_secs(10_000), "never silent");
    }
    (test.now - start).as_secs()
}

fn intervals(test: &mut TestSession) -> Vec<Option<u64>> {
    let interval = |output| match output {
        Output::HeartbeatInterval(interval) => Some(interval.map(|interval| interval.as_secs())),
        _ => None,
    };
    test.outputs().into_iter().filter_map(interval).collect()
}

#[test]
fn pings_go_out_and_silence_ends_the_connection() {
    let mut test = TestSession::new(Version::V1_6);
    for _ in 0..9 {
        test.wait(Duration::from_secs(60));
        assert_eq!(test.out(), ["ping"]);
        assert!(!test.silent);
    }
    test.wait(Duration::from_secs(60));
    assert!(test.silent, "twice the heartbeat interval of 300 s");
}

#[test]
fn short_idle_timeout_leaves_time_to_answer_a_ping() {
    let mut test = TestSession::with(Version::V1_6, |settings| settings.idle_timeout = Some(Duration::from_secs(1)));
    test.wait(Duration::from_secs(60));
    assert_eq!((test.out(), test.silent), (vec!["ping".to_owned()], false));
    test.wait(Duration::from_secs(4));
    assert!(!test.silent);
    test.wait(Duration::from_secs(1));
    assert!(test.silent);
}

#[test]
fn charge_point_that_sends_messages_without_pongs_stays_connected() {
    let mut test = TestSession::new(Version::V1_6);
    for _ in 0..40 {
        test.wait(Duration::from_secs(60));
        assert!(!test.silent);
        test.up("any text counts");
    }
}

#[test]
fn boot_that_is_not_accepted_sets_no_interval() {
    for status in ["Pending", "Rejected"] {
        let mut test = TestSession::new(Version::V1_6);
        test.up(r#"[2,"b","BootNotification",{}]"#);
        test.down(&format!(r#"[3,"b",{{"status":"{status}","interval":10}}]"#));
        assert_eq!(silent_after(&mut test), 600, "{status}");
    }
}

#[test]
fn boot_answer_sets_the_interval_unless_its_value_is_invalid() {
    for (interval, limit) in
        [("10", 70), ("900", 1800), (r#""900""#, 1800), ("-5", 600), ("0", 600), (r#""x""#, 600), ("1e99", 600)]
    {
        let mut test = TestSession::with(Version::V1_6, |settings| settings.ping_interval = Duration::from_secs(60));
        test.up(r#"[2,"b","BootNotification",{}]"#);
        test.down(&format!(r#"[3,"b",{{"interval":{interval}}}]"#));
        assert_eq!(silent_after(&mut test), limit, "interval {interval}");
    }
}

#[test]
fn only_the_result_of_a_boot_sets_an_interval() {
    for (action, answer) in [
        ("BootNotification", r#"[4,"b","InternalError","",{"status":"Accepted","interval":10}]"#),
        ("DataTransfer", r#"[3,"b",{"status":"Accepted","interval":10}]"#),
    ] {
        let mut test = TestSession::new(Version::V1_6);
        test.up(&format!(r#"[2,"b","{action}",{{}}]"#));
        test.down(answer);
        assert_eq!(intervals(&mut test), [], "{answer}");
    }
}

#[test]
fn ping_interval_of_zero_sends_no_pings() {
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    let mut test = TestSession::with(Version::V1_6, |settings| {
        settings.ping_interval = Duration::ZERO;
        settings.idle_timeout = Some(days(300));
    });
    assert_eq!(test.session.next_timeout(), test.now + days(300));
    test.wait(days(299));
    assert_eq!((test.out(), test.silent), (vec![], false));
}

#[test]
fn charge_point_that_answers_pings_is_silent_after_two_unanswered_ones() {
    let mut test = TestSession::new(Version::V1_6);
    test.wait(Duration::from_secs(60));
    test.session.handle_pong(test.now);
    assert_eq!(silent_after(&mut test), 180, "pings at 60 s and 120 s, and the time to answer the second");
}

#[test]
fn received_bytes_reset_the_count_of_unanswered_pings() {
    let mut test = TestSession::new(Version::V1_6);
    test.wait(Duration::from_secs(60));
    test.session.handle_pong(test.now);
    for _ in 0..20 {
        test.wait(Duration::from_secs(110));
        assert!(!test.silent);
        test.session.handle_activity(test.now);
    }
}

#[test]
fn pong_before_the_first_ping_is_unsolicited() {
    let mut test = TestSession::new(Version::V1_6);
    test.session.handle_pong(test.now);
    assert_eq!(silent_after(&mut test), 600);
}

#[test]
fn short_ping_interval_leaves_time_for_an_answer() {
    let mut test = TestSession::with(Version::V1_6, |settings| settings.ping_interval = Duration::from_secs(1));
    test.wait(Duration::from_secs(1));
    test.session.handle_pong(test.now);
    for _ in 0..9 {
        test.wait(Duration::from_secs(1));
        assert!(!test.silent);
    }
    test.wait(Duration::from_secs(1));
    assert!(test.silent);
}

#[test]
fn accepted_change_of_the_interval_takes_effect() {
    let change = r#"[2,"c","ChangeConfiguration",{"key":"HeartbeatInterval","value":"1000"}]"#;
    for (answer, limit, expected) in [
        (r#"[3,"c",{"status":"Accepted"}]"#, 2000, vec![Some(1000)]),
        (r#"[3,"c",{"status":"Rejected"}]"#, 600, vec![]),
        (r#"[4,"c","NotSupported","",{"status":"Accepted"}]"#, 600, vec![]),
    ] {
        let mut test = TestSession::new(Version::V1_6);
        test.down(change);
        test.up(answer);
        assert_eq!(intervals(&mut test), expected, "{answer}");
        assert_eq!(silent_after(&mut test), limit, "{answer}");
    }
    let mut test = TestSession::new(Version::V1_6);
    test.session.handle_operator_call(
        "gateway-1",
        "ChangeConfiguration",
        r#"{"key":"HeartbeatInterval","value":"1000"}"#,
        test.now,
    );
    test.up(r#"[3,"gateway-1",{"status":"Accepted"}]"#);
    assert_eq!(silent_after(&mut test), 2000, "requested by an operator");
}

#[test]
fn interval_of_an_earlier_connection_stays_in_force() {
    let mut test = TestSession::new(Version::V1_6);
    let settings = Arc::clone(&test.session.settings);
    test.session = Session::new(Version::V1_6, settings, Some(Duration::from_secs(900)), test.now);
    assert_eq!(silent_after(&mut test), 1800);
    // A boot accepted without an interval puts the configured one in force, on later connections too.
    test.up(r#"[2,"b","BootNotification",{}]"#);
    test.down(r#"[3,"b",{"status":"Accepted"}]"#);
    assert_eq!(intervals(&mut test), [None]);
    assert_eq!(silent_after(&mut test), 600);
}

#[test]
fn deadlines_of_the_charge_point_do_not_run_while_nothing_is_read() {
    let mut test = TestSession::new(Version::V1_6);
    test.down(RESET);
    test.down(CLEAR);
    test.wait(Duration::from_secs(20));
    test.reading(false);
    assert!(test.session.is_reading_paused());
    for _ in 0..100 {
        test.wait(Duration::from_secs(60));
        assert!(!test.silent);
        assert!(test.out().iter().all(|line| line == "ping" || line.starts_with('>')));
    }
    test.reading(true);
    assert!(!test.session.is_reading_paused());
    assert_eq!(test.session.next_timeout(), test.now + Duration::from_secs(10), "what was left of the timeout");
    test.wait(Duration::from_secs(10));
    assert_eq!(test.out(), ["# timed_out", "! InternalError r1", "# timed_out", "! InternalError c1"]);
    assert_eq!(silent_after(&mut test), 590);
}
