use super::*;
use crate::call_error::Fault;
use crate::frame::{Frame, MAX_RECEIVED_ID, MessageType, Received};
use crate::version::Version;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A session, and a clock that the test advances.
struct TestSession {
    session: Session,
    now: Instant,
    silent: bool,
}

impl TestSession {
    fn new(version: Version) -> Self {
        TestSession::with(version, |_| {})
    }

    fn with(version: Version, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            call_timeout: TIMEOUT,
            open_calls: 4,
            queue: 2,
            unmatched_responses: Unmatched::Drop,
            ping_interval: Duration::from_secs(60),
            heartbeat_interval: Duration::from_secs(300),
            idle_timeout: None,
        };
        change(&mut settings);
        let now = Instant::now();
        TestSession { session: Session::new(version, Arc::new(settings), None, now), now, silent: false }
    }

    /// The charge point sends `text`. Returns the frame to map and publish.
    fn up(&mut self, text: &str) -> Option<Frame<'static>> {
        self.session.handle_text(text, self.now).map(|uplink| uplink.frame.into_owned())
    }

    /// A back end sends `text`.
    fn down(&mut self, text: &str) {
        self.down_in(0, text);
    }

    /// A back end sends `text`, which this generation of transforms reads.
    fn down_in(&mut self, generation: u64, text: &str) {
        let frame = Received::parse(text, MAX_RECEIVED_ID).expect(text).frame;
        self.session.handle_downlink(frame, false, generation, self.now);
    }

    /// The broker redelivers a message of a back end.
    fn redelivered(&mut self, text: &str) {
        self.session.handle_downlink(Frame::parse(text).expect(text), true, 0, self.now);
    }

    /// The gateway stops or resumes reading from the charge point.
    fn reading(&mut self, reading: bool) {
        self.session.handle_reading(reading, self.now);
    }

    /// Time passes. `silent` says whether the charge point counts as silent then.
    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.silent = self.session.is_silent(self.now);
        self.session.handle_timeout(self.now);
    }

    /// All outputs: `> text` to the charge point, `! code id` reported to back ends, `# fault` an incident.
    fn out(&mut self) -> Vec<String> {
        self.outputs().into_iter().filter_map(TestSession::shown).collect()
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.session.poll()).collect()
    }

    fn shown(output: Output) -> Option<String> {
        Some(match output {
            Output::Send(_, text) => format!("> {text}"),
            Output::Ping => "ping".into(),
            Output::Report(report) => {
                let UplinkFrame { frame, generation } = *report;
                let generation = if generation == 0 { String::new() } else { format!(" of {generation}") };
                format!("! {} {}{generation}", frame.error.expect("an error").code, frame.id)
            }
            Output::Incident(incident) => format!("# {}", incident.fault.name()),
            Output::Answered(id, answer) => format!("= {id} {answer:?}"),
            Output::Ended(_) | Output::HeartbeatInterval(_) => return None,
        })
    }

    /// How CALLs ended since the last call of this function; other outputs are discarded.
    fn ends(&mut self) -> Vec<String> {
        let ended = |output| match output {
            Output::Ended(end) => Some(end),
            _ => None,
        };
        let ends = self.outputs().into_iter().filter_map(ended);
        ends.map(|CallEnd { direction, action, outcome, answered_after, .. }| {
            let after = answered_after.map_or(String::new(), |after| format!(" after {}s", after.as_secs()));
            format!("{direction:?} {action} {}{after}", outcome.name())
        })
        .collect()
    }
}

mod back_ends;
mod liveness;
mod open_calls;

const HEARTBEAT: &str = r#"[2,"h1","Heartbeat",{}]"#;
const RESET: &str = r#"[2,"r1","Reset",{"type":"Soft"}]"#;
const CLEAR: &str = r#"[2,"c1","ClearCache",{}]"#;

#[test]
fn a_call_is_passed_on_and_its_answer_comes_back() {
    let mut test = TestSession::new(Version::V1_6);
    assert_eq!(test.up(HEARTBEAT).expect("forwarded").action_name(), "Heartbeat");
    test.down(r#"[3,"h1",{"currentTime": "x"}]"#);
    assert_eq!(test.out(), [r#"> [3,"h1",{"currentTime": "x"}]"#]);
    assert!(test.session.is_idle());
}

#[test]
fn the_charge_point_gets_one_call_at_a_time_and_the_next_when_it_has_answered() {
    let mut test = TestSession::new(Version::V1_6);
    test.down(RESET);
    test.down(CLEAR);
    assert_eq!(test.out(), [format!("> {RESET}")]);
    let answer = test.up(r#"[3,"r1",{"status":"Accepted"}]"#).expect("forwarded");
    assert_eq!(answer.action_name(), "Reset");
    assert_eq!(test.out(), [format!("> {CLEAR}")]);
}

#[test]
fn calls_in_both_directions_may_cross() {
    let mut test = TestSession::new(Version::V2_0_1);
    test.down(RESET);
    assert!(test.up(HEARTBEAT).is_some());
    test.down(r#"[3,"h1",{}]"#);
    assert!(test.up(r#"[3,"r1",{}]"#).is_some());
    assert_eq!(test.out().len(), 2);
}

#[test]
fn a_call_that_no_back_end_answers_times_out_with_an_error_to_the_charge_point() {
    let mut test = TestSession::new(Version::V1_6);
    test.up(HEARTBEAT);
    assert_eq!(test.session.next_timeout(), test.now + TIMEOUT);
    test.wait(TIMEOUT);
    let out = test.out();
    assert_eq!(out[0], "# timed_out");
    assert_eq!(out[1], r#"> [4,"h1","InternalError","no answer from the back end within 30s",{}]"#);
    test.down(r#"[3,"h1",{}]"#);
    assert_eq!(test.out(), ["# unknown_call", "! GenericError h1"]);
}

#[test]
fn unmatched_answers_are_reported_once_per_id() {
    let mut test = TestSession::new(Version::V1_6);
    test.down(r#"[3,"h1",{}]"#);
    assert_eq!(test.out(), ["# unknown_call", "! GenericError h1"]);
    // The back end answers the report, with either type.
    test.down(r#"[4,"h1","GenericError","",{}]"#);
    assert_eq!(test.out(), ["# unknown_call"]);
    test.down(r#"[3,"h1",{}]"#);
    assert_eq!(test.out(), ["# unknown_call"]);
    test.down(r#"[4,"h2","GenericError","",{}]"#);
    assert_eq!(test.out(), ["# unknown_call"]);
    test.down(r#"[3,"h2",{}]"#);
    assert_eq!(test.out(), ["# unknown_call", "! GenericError h2"]);
}

#[test]
fn unanswered_call_is_reported_and_the_next_one_is_sent() {
    let mut test = TestSession::new(Version::V1_6);
    test.down(RESET);
    test.now += TIMEOUT / 2;
    test.down(CLEAR);
    test.out();
    test.wait(TIMEOUT / 2);
    assert_eq!(test.out(), ["# timed_out", "! InternalError r1", &format!("> {CLEAR}")]);
    assert!(test.up(r#"[3,"r1",{}]"#).is_none(), "a late answer is not forwarded");
    assert_eq!(test.out(), ["# unknown_call"]);
}

#[test]
fn waiting_calls_are_limited_by_timeout_and_queue_length() {
    let mut test = TestSession::new(Version::V1_6);
    test.down(RESET);
    test.down(CLEAR);
    test.down(r#"[2,"c2","ClearCache",{}]"#);
    test.out();
    test.down(r#"[2,"c3","ClearCache",{}]"#);
    assert_eq!(test.out(), ["# queue_full", "! InternalError c3"]);
    test.wait(TIMEOUT);
    let out = test.out();
    assert_eq!(out.iter().filter(|line| line.starts_with('!')).count(), 3, "{out:?}");
    assert!(test.session.is_idle());
}

#[test]
fn unmatched_answers_are_forwarded_if_configured() {
    let mut test = TestSession::with(Version::V1_6, |settings| settings.unmatched_responses = Unmatched::Forward);
    assert!(test.up(r#"[3,"x",{}]"#).is_some());
    test.down(r#"[3,"y",{}]"#);
    assert_eq!(test.out(), ["# unknown_call", "# unknown_call", r#"> [3,"y",{}]"#]);
}

#[test]
fn unreadable_text_is_answered_as_each_version_requires() {
    let cut = r#"[2,"m1","MeterValues",{"connectorId":"#;
    let answers = |version, text: &str| {
        let mut test = TestSession::new(version);
        assert!(test.up(text).is_none());
        let out = test.out();
        out.get(1).map(|line| line.split(',').take(3).collect::<Vec<_>>().join(","))
    };
    assert_eq!(answers(Version::V1_6, cut).as_deref(), Some(r#"> [4,"m1","FormationViolation""#));
    assert_eq!(answers(Version::V1_6, "garbage"), None);
    assert_eq!(answers(Version::V1_6, r#"[2,17,"Heartbeat"]"#).as_deref(), Some(r#"> [4,17,"FormationViolation""#));
    assert_eq!(answers(Version::V2_0_1, cut).as_deref(), Some(r#"> [4,"-1","RpcFrameworkError""#));
    let short = r#"[2,"m1","Heartbeat"]"#;
    assert_eq!(answers(Version::V2_0_1, short).as_deref(), Some(r#"> [4,"m1","RpcFrameworkError""#));
    assert_eq!(answers(Version::V2_1, "garbage").as_deref(), Some(r#"> [4,"-1","RpcFrameworkError""#));
    // Answers are never answered.
    for version in Version::ALL {
        assert_eq!(answers(version, r#"[3,"m1"]"#), None);
        assert_eq!(answers(version, r#"[4,"m1",7]"#), None);
    }
}

#[test]
fn long_id_passes_in_1_6_and_is_refused_under_its_own_id_later() {
    let guid = "{01234567-89ab-cdef-0123-456789abcdef}";
    let call = format!(r#"[2,"{guid}","Heartbeat",{{}}]"#);
    let mut test = TestSession::new(Version::V1_6);
    assert_eq!(test.up(&call).expect("forwarded").id, guid);
    test.down(&format!(r#"[3,"{guid}",{{}}]"#));
    assert_eq!(test.out(), [format!(r#"> [3,"{guid}",{{}}]"#)]);
    let too_long = "x".repeat(256);
    for (version, id) in [(Version::V1_6, &*too_long), (Version::V2_0_1, guid), (Version::V2_1, guid)] {
        let mut test = TestSession::new(version);
        assert!(test.up(&format!(r#"[2,"{id}","Heartbeat",{{}}]"#)).is_none());
        let out = test.out();
        assert!(
            out[1].starts_with(&format!(r#"> [4,"{id}","Fo"#)) || out[1].starts_with(&format!(r#"> [4,"{id}","Rpc"#))
        );
    }
    // CALLs to the charge point are limited to 36 characters.
    let mut test = TestSession::new(Version::V1_6);
    test.down(&call);
    assert_eq!(test.out(), ["# not_understood".to_owned(), format!("! FormationViolation {guid}")]);
}

#[test]
fn numeric_id_is_answered_as_a_number() {
    let mut test = TestSession::new(Version::V1_6);
    assert_eq!(test.up(r#"[2,17,"Heartbeat",{}]"#).expect("forwarded").id, "17");
    test.down(r#"[3,"17",{}]"#);
    assert_eq!(test.out(), ["> [3,17,{}]"]);
    test.up(r#"[2,18,"Heartbeat",{}]"#);
    test.wait(TIMEOUT);
    assert!(test.out()[1].starts_with(r#"> [4,18,"InternalError""#));
    test.down(RESET.replace("r1", "19").as_str());
    test.out();
    assert!(test.up(r#"[3,19,{}]"#).is_some(), "an answer to the CALL 19");
}

#[test]
fn an_error_of_the_charge_point_keeps_its_code_without_details() {
    let mut test = TestSession::new(Version::V1_6);
    test.down(RESET);
    let frame = test.up(r#"[4,"r1","NotImplemented",null]"#).expect("forwarded");
    assert_eq!((frame.error.expect("an error").code.as_ref(), frame.payload.as_ref()), ("NotImplemented", "{}"));
}

#[test]
fn session_reports_queued_outputs_and_open_calls() {
    let mut test = TestSession::new(Version::V1_6);
    assert_eq!((test.session.has_output(), test.session.outputs(), test.session.is_idle()), (false, 0, true));
    test.down(RESET);
    test.up("garbage");
    assert_eq!((test.session.has_output(), test.session.outputs(), test.session.is_idle()), (true, 2, false));
    test.down(CLEAR);
    assert_eq!(test.session.open_call_counts(), (0, 2), "one is sent, one waits");
    test.up(r#"[3,"r1",{}]"#);
    test.up(r#"[3,"c1",{}]"#);
    test.out();
    assert!(test.session.is_idle() && !test.session.has_output());
    test.up(HEARTBEAT);
    assert!(!test.session.is_idle());
    assert_eq!(test.session.open_call_counts(), (1, 0));
    assert_eq!(
        (test.session.unanswered_calls().action("h1"), test.session.unanswered_calls().action("h2")),
        (Some("Heartbeat"), None)
    );
    test.up(r#"[2,"h1","Authorize",{}]"#);
    test.down(r#"[3,"h1",{}]"#);
    assert!(!test.session.is_idle(), "one CALL is held back");
    assert_eq!(test.session.unanswered_calls().action("h1"), None);
}

#[test]
fn report_names_the_action_if_it_is_known() {
    let mut test = TestSession::new(Version::V1_6);
    test.down(RESET);
    test.session.handle_failed_downlink(Fault::NotUnderstood, "x", "no Payload", 0);
    test.session.handle_disconnect();
    let actions = test.outputs().into_iter().filter_map(|output| match output {
        Output::Report(report) => Some(report.frame.action.map(Cow::into_owned)),
        _ => None,
    });
    assert_eq!(actions.collect::<Vec<_>>(), [None, Some("Reset".to_owned())]);
}

#[test]
fn rejected_result_is_answered_with_callresulterror() {
    let mut test = TestSession::new(Version::V2_1);
    test.session.handle_rejected_result("r1", Fault::Rejected.error(Version::V2_1, "no"));
    assert_eq!(test.out(), [r#"> [5,"r1","GenericError","no",{}]"#]);
}

#[test]
fn a_call_to_the_charge_point_has_an_id_of_36_characters_at_most() {
    let mut test = TestSession::new(Version::V1_6);
    let call = |length| format!(r#"[2,"{}","ClearCache",{{}}]"#, "x".repeat(length));
    test.down(&call(36));
    assert_eq!(test.out(), [format!("> {}", call(36))]);
    test.down(&call(37));
    assert_eq!(test.out()[0], "# not_understood");
}

#[test]
fn a_dropped_call_ends_at_once_and_without_an_answer() {
    let mut test = TestSession::new(Version::V1_6);
    test.up(HEARTBEAT);
    test.session.handle_dropped("h1");
    assert!(test.session.is_idle());
    assert_eq!(test.ends(), ["Uplink Heartbeat dropped"]);
    assert!(test.up(HEARTBEAT).is_some(), "the same CALL again is a new one");
}

#[test]
fn unknown_message_types_are_ignored_except_in_2_0_1() {
    for (version, answered) in [(Version::V1_6, false), (Version::V2_0_1, true), (Version::V2_1, false)] {
        let mut test = TestSession::new(version);
        assert!(test.up(r#"[9,"m1",{}]"#).is_none());
        let out = test.out();
        assert_eq!(out.len() == 2, answered, "{version}: {out:?}");
        assert!(!answered || out[1].starts_with(r#"> [4,"m1","MessageTypeNotSupported""#), "{out:?}");
    }
}

#[test]
fn send_does_not_wait_for_open_calls_and_exists_in_2_1_only() {
    let send = r#"[6,"s1","NotifyPeriodicEventStream",{}]"#;
    let mut test = TestSession::new(Version::V2_1);
    test.up(HEARTBEAT);
    assert!(test.up(send).is_some());
    test.down(RESET);
    test.down(send);
    assert_eq!(test.out(), [format!("> {RESET}"), format!("> {send}")]);

    let mut test = TestSession::new(Version::V1_6);
    assert!(test.up(send).is_none());
    test.down(send);
    assert_eq!(test.out(), ["# unknown_message_type", "# unknown_message_type", "! NotSupported s1"]);
}

#[test]
fn malformed_answer_ends_its_call_at_once() {
    let mut test = TestSession::new(Version::V1_6);
    test.down(RESET);
    test.down(CLEAR);
    test.out();
    test.up(r#"[3,"r1",{"status":"#);
    assert_eq!(test.out(), ["# bad_frame", "# bad_frame", "! FormationViolation r1", &format!("> {CLEAR}")]);
}

#[test]
fn a_failed_mapping_is_answered_or_reported() {
    let mut test = TestSession::new(Version::V1_6);
    test.up(HEARTBEAT);
    let error = || Fault::Internal.error(Version::V1_6, "no luck");
    test.session.handle_failed_uplink(MessageType::Call, "h1", "Heartbeat", error(), 0);
    assert_eq!(test.out(), ["# internal", r#"> [4,"h1","InternalError","no luck",{}]"#]);
    assert!(test.up(HEARTBEAT).is_some(), "the CALL has ended");
    test.session.handle_reply("h1", "{}".into());
    test.session.handle_failed_uplink(MessageType::Call, "h1", "Heartbeat", error(), 0);
    assert_eq!(test.out(), [r#"> [3,"h1",{}]"#, "# internal"], "it was answered before");
    test.session.handle_failed_uplink(MessageType::CallResult, "r1", "Reset", error(), 7);
    assert_eq!(test.out(), ["# internal", "! InternalError r1 of 7"]);
}

#[test]
fn message_that_cannot_be_mapped_is_reported() {
    let mut test = TestSession::new(Version::V2_0_1);
    test.session.handle_failed_downlink(Fault::NotUnderstood, "r1", "no Payload", 3);
    test.session.handle_failed_downlink(Fault::NotUnderstood, "", "not JSON", 0);
    assert_eq!(
        test.out(),
        ["# not_understood", "! FormatViolation r1 of 3", "# not_understood", "! FormatViolation -1"]
    );
}

#[test]
fn disconnect_reports_open_and_waiting_calls_to_back_ends() {
    let mut test = TestSession::new(Version::V1_6);
    test.up(HEARTBEAT);
    test.down(RESET);
    test.down(CLEAR);
    test.out();
    test.session.handle_disconnect();
    assert_eq!(test.out(), ["# disconnected", "! InternalError r1", "# disconnected", "! InternalError c1"]);
    assert!(test.session.is_idle());
}

#[test]
fn every_call_ends_once_with_its_outcome() {
    let second = Duration::from_secs(1);
    let mut test = TestSession::new(Version::V2_0_1);
    test.up(HEARTBEAT);
    test.down(RESET);
    test.down(CLEAR);
    test.now += second;
    test.down(r#"[3,"h1",{}]"#);
    assert_eq!(test.ends(), ["Uplink Heartbeat result after 1s"]);
    test.up(r#"[4,"r1","GenericError","",{}]"#);
    assert_eq!(test.ends(), ["Downlink Reset error after 1s"]);
    test.wait(TIMEOUT);
    assert_eq!(test.ends(), ["Downlink ClearCache timed_out"]);

    test.up(r#"[2,"h2","MadeUp",{}]"#);
    test.session.handle_rejection("h2", Fault::Rejected.error(Version::V2_0_1, "no"));
    test.up(r#"[2,"h3","Heartbeat",{}]"#);
    test.session.handle_reply("h3", "{}".into());
    test.up(r#"[2,"h4","Heartbeat",{}]"#);
    let failed = Fault::Internal.error(Version::V2_0_1, "no topic");
    test.session.handle_failed_uplink(MessageType::Call, "h4", "Heartbeat", failed, 0);
    assert_eq!(test.ends(), ["Uplink other rejected", "Uplink Heartbeat result", "Uplink Heartbeat internal"]);

    test.up(r#"[2,"h5","Heartbeat",{}]"#);
    test.down(RESET);
    test.down(CLEAR);
    test.session.handle_disconnect();
    let ends = ["Uplink Heartbeat disconnected", "Downlink Reset disconnected", "Downlink ClearCache disconnected"];
    assert_eq!(test.ends(), ends);
}

#[test]
fn operator_call_waits_in_the_queue_and_its_answer_goes_to_the_operator() {
    let mut test = TestSession::new(Version::V1_6);
    test.down(RESET);
    test.session.handle_operator_call("gateway-1", "ClearCache", "{}", test.now);
    assert_eq!(test.out(), [format!("> {RESET}")]);
    assert_eq!(test.session.open_calls().waiting, 1);
    assert!(test.up(r#"[3,"r1",{}]"#).is_some(), "that of the back end is forwarded");
    assert_eq!(test.out(), [r#"> [2,"gateway-1","ClearCache",{}]"#]);
    assert!(test.up(r#"[3,"gateway-1",{"a": 1.50}]"#).is_none(), "back ends do not receive it");
    assert_eq!(
        test.outputs().pop(),
        Some(Output::Answered("gateway-1".into(), Box::new(OperatorCallOutcome::Result(r#"{"a": 1.50}"#.into()))))
    );
    assert!(test.session.is_idle());
}

#[test]
fn failed_operator_call_is_not_reported_to_back_ends() {
    let mut test = TestSession::with(Version::V1_6, |settings| settings.unmatched_responses = Unmatched::Forward);
    let call = |test: &mut TestSession, id: &str| test.session.handle_operator_call(id, "ClearCache", "{}", test.now);
    for number in 1..=4 {
        call(&mut test, &format!("gateway-{number}"));
    }
    let out = test.out();
    assert_eq!(out[..2], [r#"> [2,"gateway-1","ClearCache",{}]"#, "# queue_full"]);
    assert!(out[2].starts_with("= gateway-4 None { fault: QueueFull"), "{out:?}");

    test.up(r#"[4,"gateway-1","NotSupported","no cache",{"a":1}]"#);
    let out = test.out();
    assert!(out[0].starts_with("= gateway-1 Error") && out[0].contains("no cache"), "{out:?}");

    // A late answer is not forwarded either: it is not for back ends.
    test.wait(TIMEOUT);
    assert!(test.out().iter().all(|line| !line.starts_with('!')));
    assert!(test.up(r#"[3,"gateway-2",{}]"#).is_none());
    assert_eq!(test.out(), ["# unknown_call"]);

    call(&mut test, "gateway-5");
    test.out();
    test.up(r#"[3,"gateway-5"]"#);
    let out = test.out();
    assert!(out[2].starts_with("= gateway-5 None { fault: BadFrame"), "{out:?}");
    call(&mut test, "gateway-6");
    test.out();
    test.session.handle_disconnect();
    let out = test.out();
    assert!(out[1].starts_with("= gateway-6 None { fault: Disconnected"), "{out:?}");
}

#[test]
fn disconnect_reports_unsent_messages_to_back_ends() {
    let mut test = TestSession::new(Version::V2_1);
    test.up(HEARTBEAT);
    test.down(r#"[3,"h1",{}]"#);
    test.down(r#"[6,"s1","NotifyPeriodicEventStream",{}]"#);
    // This answer is the gateway's own, so it is not reported.
    test.up("garbage");
    test.session.handle_disconnect();
    let expected =
        ["# unreadable_frame", "# disconnected", "! InternalError h1", "# disconnected", "! InternalError s1"];
    assert_eq!(test.out(), expected);
}

#[test]
fn outputs_for_back_ends_do_not_wait_for_the_charge_point() {
    let mut test = TestSession::new(Version::V1_6);
    test.down(RESET);
    test.down(r#"[3,"unknown id",{}]"#);
    assert!(matches!(test.session.poll_notice(), Some(Output::Incident(_))));
    assert!(matches!(test.session.poll_notice(), Some(Output::Report(_))));
    assert_eq!(test.session.poll_notice(), None);
    assert_eq!(test.out(), [format!("> {RESET}")]);
}

#[test]
fn a_call_that_timed_out_before_it_was_sent_is_not_sent() {
    let mut test = TestSession::new(Version::V1_6);
    test.down(RESET);
    test.wait(TIMEOUT);
    assert_eq!(test.out(), ["# timed_out", "! InternalError r1"]);
}

#[test]
fn stopping_session_finishes_open_calls_and_reports_new_ones() {
    let mut test = TestSession::new(Version::V1_6);
    test.up(HEARTBEAT);
    test.down(RESET);
    test.out();
    test.session.handle_stop();
    test.down(CLEAR);
    assert_eq!(test.out(), ["# disconnected", "! InternalError c1"]);
    test.down(r#"[3,"h1",{}]"#);
    assert!(test.up(r#"[3,"r1",{}]"#).is_some());
    assert_eq!(test.out(), [r#"> [3,"h1",{}]"#]);
    assert!(test.session.is_idle());
}

#[test]
fn redelivered_call_is_not_sent_again_after_its_answer() {
    let mut test = TestSession::new(Version::V1_6);
    test.down(RESET);
    test.up(r#"[3,"r1",{}]"#);
    test.out();
    test.redelivered(RESET);
    assert_eq!(test.out(), ["# duplicate"]);
    // Sent again by a back end, it is a new CALL.
    test.down(RESET);
    assert_eq!(test.out(), [format!("> {RESET}")]);
}
