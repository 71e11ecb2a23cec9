use super::*;
use crate::call_error::Fault;
use crate::frame::{Frame, MAX_RECEIVED_ID, MessageType, Received};
use crate::version::Version;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A session and a clock that only moves when told to.
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

    /// The charge point sends `text`; answers the frame that goes to the mapping.
    fn up(&mut self, text: &str) -> Option<Frame<'static>> {
        self.session.handle_text(text, self.now).map(|uplink| uplink.frame.into_owned())
    }

    /// A back end sends `text`.
    fn down(&mut self, text: &str) {
        self.down_in(0, text);
    }

    /// The same, read by a certain generation of transforms.
    fn down_in(&mut self, generation: u64, text: &str) {
        let frame = Received::parse(text, MAX_RECEIVED_ID).expect(text).frame;
        self.session.handle_downlink(frame, false, generation, self.now);
    }

    /// The broker delivers again what a back end sent.
    fn redelivered(&mut self, text: &str) {
        self.session.handle_downlink(Frame::parse(text).expect(text), true, 0, self.now);
    }

    /// Whether the gateway reads from the charge point.
    fn reading(&mut self, reading: bool) {
        self.session.handle_reading(reading, self.now);
    }

    /// Time passes: whether the charge point is to be given up then.
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

    /// How CALLs ended since the last time somebody asked, and nothing else.
    fn ends(&mut self) -> Vec<String> {
        let ended = |output| match output {
            Output::Ended(end) => Some(end),
            _ => None,
        };
        let ends = self.outputs().into_iter().filter_map(ended);
        ends.map(|CallEnd { direction, action, outcome, answered_after }| {
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
    let mut desk = TestSession::new(Version::V1_6);
    assert_eq!(desk.up(HEARTBEAT).expect("passed on").action_name(), "Heartbeat");
    desk.down(r#"[3,"h1",{"currentTime": "x"}]"#);
    assert_eq!(desk.out(), [r#"> [3,"h1",{"currentTime": "x"}]"#]);
    assert!(desk.session.is_idle());
}

#[test]
fn the_charge_point_gets_one_call_at_a_time_and_the_next_when_it_has_answered() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(RESET);
    desk.down(CLEAR);
    assert_eq!(desk.out(), [format!("> {RESET}")]);
    let answer = desk.up(r#"[3,"r1",{"status":"Accepted"}]"#).expect("passed on");
    assert_eq!(answer.action_name(), "Reset");
    assert_eq!(desk.out(), [format!("> {CLEAR}")]);
}

#[test]
fn calls_in_both_directions_may_cross() {
    let mut desk = TestSession::new(Version::V2_0_1);
    desk.down(RESET);
    assert!(desk.up(HEARTBEAT).is_some());
    desk.down(r#"[3,"h1",{}]"#);
    assert!(desk.up(r#"[3,"r1",{}]"#).is_some());
    assert_eq!(desk.out().len(), 2);
}

#[test]
fn a_call_that_no_back_end_answers_times_out_with_an_error_to_the_charge_point() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.up(HEARTBEAT);
    assert_eq!(desk.session.next_timeout(), desk.now + TIMEOUT);
    desk.wait(TIMEOUT);
    let out = desk.out();
    assert_eq!(out[0], "# timed_out");
    assert_eq!(out[1], r#"> [4,"h1","InternalError","no answer from the back end within 30s",{}]"#);
    desk.down(r#"[3,"h1",{}]"#);
    assert_eq!(desk.out(), ["# unknown_call", "! GenericError h1"]);
}

#[test]
fn a_back_end_that_answers_every_message_is_not_answered_without_end() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(r#"[3,"h1",{}]"#);
    assert_eq!(desk.out(), ["# unknown_call", "! GenericError h1"]);
    // It answers the report, with either type.
    desk.down(r#"[4,"h1","GenericError","",{}]"#);
    assert_eq!(desk.out(), ["# unknown_call"]);
    desk.down(r#"[3,"h1",{}]"#);
    assert_eq!(desk.out(), ["# unknown_call"]);
    desk.down(r#"[4,"h2","GenericError","",{}]"#);
    assert_eq!(desk.out(), ["# unknown_call"]);
    desk.down(r#"[3,"h2",{}]"#);
    assert_eq!(desk.out(), ["# unknown_call", "! GenericError h2"]);
}

#[test]
fn a_call_that_the_charge_point_does_not_answer_is_reported_and_the_next_one_sent() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(RESET);
    desk.now += TIMEOUT / 2;
    desk.down(CLEAR);
    desk.out();
    desk.wait(TIMEOUT / 2);
    assert_eq!(desk.out(), ["# timed_out", "! InternalError r1", &format!("> {CLEAR}")]);
    assert!(desk.up(r#"[3,"r1",{}]"#).is_none(), "a late answer is not passed on");
    assert_eq!(desk.out(), ["# unknown_call"]);
}

#[test]
fn calls_wait_no_longer_than_the_timeout_and_no_more_than_the_queue_holds() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(RESET);
    desk.down(CLEAR);
    desk.down(r#"[2,"c2","ClearCache",{}]"#);
    desk.out();
    desk.down(r#"[2,"c3","ClearCache",{}]"#);
    assert_eq!(desk.out(), ["# queue_full", "! InternalError c3"]);
    desk.wait(TIMEOUT);
    let out = desk.out();
    assert_eq!(out.iter().filter(|line| line.starts_with('!')).count(), 3, "{out:?}");
    assert!(desk.session.is_idle());
}

#[test]
fn unmatched_answers_are_forwarded_where_that_is_wanted() {
    let mut desk = TestSession::with(Version::V1_6, |settings| settings.unmatched_responses = Unmatched::Forward);
    assert!(desk.up(r#"[3,"x",{}]"#).is_some());
    desk.down(r#"[3,"y",{}]"#);
    assert_eq!(desk.out(), ["# unknown_call", "# unknown_call", r#"> [3,"y",{}]"#]);
}

#[test]
fn unreadable_text_is_answered_as_the_version_wants_it() {
    let cut = r#"[2,"m1","MeterValues",{"connectorId":"#;
    let answers = |version, text: &str| {
        let mut desk = TestSession::new(version);
        assert!(desk.up(text).is_none());
        let out = desk.out();
        out.get(1).map(|line| line.split(',').take(3).collect::<Vec<_>>().join(","))
    };
    assert_eq!(answers(Version::V1_6, cut).as_deref(), Some(r#"> [4,"m1","FormationViolation""#));
    assert_eq!(answers(Version::V1_6, "garbage"), None);
    assert_eq!(answers(Version::V1_6, r#"[2,17,"Heartbeat"]"#).as_deref(), Some(r#"> [4,17,"FormationViolation""#));
    assert_eq!(answers(Version::V2_0_1, cut).as_deref(), Some(r#"> [4,"-1","RpcFrameworkError""#));
    let short = r#"[2,"m1","Heartbeat"]"#;
    assert_eq!(answers(Version::V2_0_1, short).as_deref(), Some(r#"> [4,"m1","RpcFrameworkError""#));
    assert_eq!(answers(Version::V2_1, "garbage").as_deref(), Some(r#"> [4,"-1","RpcFrameworkError""#));
    // Never answer an answer.
    for version in Version::ALL {
        assert_eq!(answers(version, r#"[3,"m1"]"#), None);
        assert_eq!(answers(version, r#"[4,"m1",7]"#), None);
    }
}

#[test]
fn a_long_id_passes_in_1_6_and_is_refused_under_itself_in_later_versions() {
    let braces = "{01234567-89ab-cdef-0123-456789abcdef}";
    let call = format!(r#"[2,"{braces}","Heartbeat",{{}}]"#);
    let mut desk = TestSession::new(Version::V1_6);
    assert_eq!(desk.up(&call).expect("passed on").id, braces);
    desk.down(&format!(r#"[3,"{braces}",{{}}]"#));
    assert_eq!(desk.out(), [format!(r#"> [3,"{braces}",{{}}]"#)]);
    let longest = "x".repeat(256);
    for (version, id) in [(Version::V1_6, &*longest), (Version::V2_0_1, braces), (Version::V2_1, braces)] {
        let mut desk = TestSession::new(version);
        assert!(desk.up(&format!(r#"[2,"{id}","Heartbeat",{{}}]"#)).is_none());
        let out = desk.out();
        assert!(
            out[1].starts_with(&format!(r#"> [4,"{id}","Fo"#)) || out[1].starts_with(&format!(r#"> [4,"{id}","Rpc"#))
        );
    }
    // What the gateway sends keeps to the limit.
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(&call);
    assert_eq!(desk.out(), ["# not_understood".to_owned(), format!("! FormationViolation {braces}")]);
}

#[test]
fn an_id_that_is_a_number_is_answered_as_a_number() {
    let mut desk = TestSession::new(Version::V1_6);
    assert_eq!(desk.up(r#"[2,17,"Heartbeat",{}]"#).expect("passed on").id, "17");
    desk.down(r#"[3,"17",{}]"#);
    assert_eq!(desk.out(), ["> [3,17,{}]"]);
    desk.up(r#"[2,18,"Heartbeat",{}]"#);
    desk.wait(TIMEOUT);
    assert!(desk.out()[1].starts_with(r#"> [4,18,"InternalError""#));
    desk.down(RESET.replace("r1", "19").as_str());
    desk.out();
    assert!(desk.up(r#"[3,19,{}]"#).is_some(), "an answer to the CALL 19");
}

#[test]
fn an_error_of_the_charge_point_keeps_its_code_without_details() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(RESET);
    let frame = desk.up(r#"[4,"r1","NotImplemented",null]"#).expect("passed on");
    assert_eq!((frame.error.expect("an error").code.as_ref(), frame.payload.as_ref()), ("NotImplemented", "{}"));
}

#[test]
fn a_session_says_what_there_is_to_do_and_what_is_open() {
    let mut desk = TestSession::new(Version::V1_6);
    assert_eq!((desk.session.has_output(), desk.session.outputs(), desk.session.is_idle()), (false, 0, true));
    desk.down(RESET);
    desk.up("garbage");
    assert_eq!((desk.session.has_output(), desk.session.outputs(), desk.session.is_idle()), (true, 2, false));
    desk.down(CLEAR);
    desk.up(r#"[3,"r1",{}]"#);
    desk.up(r#"[3,"c1",{}]"#);
    desk.out();
    assert!(desk.session.is_idle() && !desk.session.has_output());
    desk.up(HEARTBEAT);
    assert!(!desk.session.is_idle());
    assert_eq!((desk.session.asked().action("h1"), desk.session.asked().action("h2")), (Some("Heartbeat"), None));
    desk.up(r#"[2,"h1","Authorize",{}]"#);
    desk.down(r#"[3,"h1",{}]"#);
    assert!(!desk.session.is_idle(), "one is read, and not forwarded yet");
    assert_eq!(desk.session.asked().action("h1"), None);
}

#[test]
fn a_report_names_the_action_where_it_is_known() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(RESET);
    desk.session.handle_failed_downlink(Fault::NotUnderstood, "x", "no Payload", 0);
    desk.session.handle_disconnect();
    let actions = desk.outputs().into_iter().filter_map(|output| match output {
        Output::Report(report) => Some(report.frame.action.map(Cow::into_owned)),
        _ => None,
    });
    assert_eq!(actions.collect::<Vec<_>>(), [None, Some("Reset".to_owned())]);
}

#[test]
fn a_rejected_result_is_told_to_the_charge_point() {
    let mut desk = TestSession::new(Version::V2_1);
    desk.session.handle_rejected_result("r1", Fault::Rejected.error(Version::V2_1, "no"));
    assert_eq!(desk.out(), [r#"> [5,"r1","GenericError","no",{}]"#]);
}

#[test]
fn a_call_to_the_charge_point_has_an_id_of_36_characters_at_most() {
    let mut desk = TestSession::new(Version::V1_6);
    let call = |length| format!(r#"[2,"{}","ClearCache",{{}}]"#, "x".repeat(length));
    desk.down(&call(36));
    assert_eq!(desk.out(), [format!("> {}", call(36))]);
    desk.down(&call(37));
    assert_eq!(desk.out()[0], "# not_understood");
}

#[test]
fn a_dropped_call_ends_at_once_and_without_an_answer() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.up(HEARTBEAT);
    desk.session.handle_dropped("h1");
    assert!(desk.session.is_idle());
    assert_eq!(desk.ends(), ["Uplink Heartbeat dropped"]);
    assert!(desk.up(HEARTBEAT).is_some(), "the same CALL again is a new one");
}

#[test]
fn unknown_message_types_are_ignored_except_in_2_0_1() {
    for (version, answered) in [(Version::V1_6, false), (Version::V2_0_1, true), (Version::V2_1, false)] {
        let mut desk = TestSession::new(version);
        assert!(desk.up(r#"[9,"m1",{}]"#).is_none());
        let out = desk.out();
        assert_eq!(out.len() == 2, answered, "{version}: {out:?}");
        assert!(!answered || out[1].starts_with(r#"> [4,"m1","MessageTypeNotSupported""#), "{out:?}");
    }
}

#[test]
fn send_is_exempt_from_one_at_a_time_and_exists_in_2_1_only() {
    let send = r#"[6,"s1","NotifyPeriodicEventStream",{}]"#;
    let mut desk = TestSession::new(Version::V2_1);
    desk.up(HEARTBEAT);
    assert!(desk.up(send).is_some());
    desk.down(RESET);
    desk.down(send);
    assert_eq!(desk.out(), [format!("> {RESET}"), format!("> {send}")]);

    let mut desk = TestSession::new(Version::V1_6);
    assert!(desk.up(send).is_none());
    desk.down(send);
    assert_eq!(desk.out(), ["# unknown_message_type", "# unknown_message_type", "! NotSupported s1"]);
}

#[test]
fn a_broken_answer_frees_the_way_at_once() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(RESET);
    desk.down(CLEAR);
    desk.out();
    desk.up(r#"[3,"r1",{"status":"#);
    assert_eq!(desk.out(), ["# bad_frame", "# bad_frame", "! FormationViolation r1", &format!("> {CLEAR}")]);
}

#[test]
fn a_failed_mapping_is_answered_or_reported() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.up(HEARTBEAT);
    let error = || Fault::Internal.error(Version::V1_6, "no luck");
    desk.session.handle_failed_uplink(MessageType::Call, "h1", "Heartbeat", error(), 0);
    assert_eq!(desk.out(), ["# internal", r#"> [4,"h1","InternalError","no luck",{}]"#]);
    assert!(desk.up(HEARTBEAT).is_some(), "the call is over");
    desk.session.handle_reply("h1", "{}".into());
    desk.session.handle_failed_uplink(MessageType::Call, "h1", "Heartbeat", error(), 0);
    assert_eq!(desk.out(), [r#"> [3,"h1",{}]"#, "# internal"], "it has had its answer");
    desk.session.handle_failed_uplink(MessageType::CallResult, "r1", "Reset", error(), 7);
    assert_eq!(desk.out(), ["# internal", "! InternalError r1 of 7"]);
}

#[test]
fn a_message_that_no_frame_can_be_made_of_is_reported() {
    let mut desk = TestSession::new(Version::V2_0_1);
    desk.session.handle_failed_downlink(Fault::NotUnderstood, "r1", "no Payload", 3);
    desk.session.handle_failed_downlink(Fault::NotUnderstood, "", "not JSON", 0);
    assert_eq!(
        desk.out(),
        ["# not_understood", "! FormatViolation r1 of 3", "# not_understood", "! FormatViolation -1"]
    );
}

#[test]
fn at_a_disconnect_everything_that_waited_is_reported() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.up(HEARTBEAT);
    desk.down(RESET);
    desk.down(CLEAR);
    desk.out();
    desk.session.handle_disconnect();
    assert_eq!(desk.out(), ["# disconnected", "! InternalError r1", "# disconnected", "! InternalError c1"]);
    assert!(desk.session.is_idle());
}

#[test]
fn every_call_ends_once_and_says_how() {
    let second = Duration::from_secs(1);
    let mut desk = TestSession::new(Version::V2_0_1);
    desk.up(HEARTBEAT);
    desk.down(RESET);
    desk.down(CLEAR);
    desk.now += second;
    desk.down(r#"[3,"h1",{}]"#);
    assert_eq!(desk.ends(), ["Uplink Heartbeat result after 1s"]);
    desk.up(r#"[4,"r1","GenericError","",{}]"#);
    assert_eq!(desk.ends(), ["Downlink Reset error after 1s"]);
    desk.wait(TIMEOUT);
    assert_eq!(desk.ends(), ["Downlink ClearCache timed_out"]);

    desk.up(r#"[2,"h2","MadeUp",{}]"#);
    desk.session.handle_rejection("h2", Fault::Rejected.error(Version::V2_0_1, "no"));
    desk.up(r#"[2,"h3","Heartbeat",{}]"#);
    desk.session.handle_reply("h3", "{}".into());
    desk.up(r#"[2,"h4","Heartbeat",{}]"#);
    let failed = Fault::Internal.error(Version::V2_0_1, "no topic");
    desk.session.handle_failed_uplink(MessageType::Call, "h4", "Heartbeat", failed, 0);
    assert_eq!(desk.ends(), ["Uplink other rejected", "Uplink Heartbeat result", "Uplink Heartbeat internal"]);

    desk.up(r#"[2,"h5","Heartbeat",{}]"#);
    desk.down(RESET);
    desk.down(CLEAR);
    desk.session.handle_disconnect();
    let ends = ["Uplink Heartbeat disconnected", "Downlink Reset disconnected", "Downlink ClearCache disconnected"];
    assert_eq!(desk.ends(), ends);
}

#[test]
fn the_gateways_own_call_waits_its_turn_and_its_answer_goes_to_whoever_asked() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(RESET);
    desk.session.handle_operator_call("gateway-1", "ClearCache", "{}", desk.now);
    assert_eq!(desk.out(), [format!("> {RESET}")]);
    assert_eq!(desk.session.open_calls().waiting, 1);
    assert!(desk.up(r#"[3,"r1",{}]"#).is_some(), "that of the back end is passed on");
    assert_eq!(desk.out(), [r#"> [2,"gateway-1","ClearCache",{}]"#]);
    assert!(desk.up(r#"[3,"gateway-1",{"a": 1.50}]"#).is_none(), "no back end hears of it");
    assert_eq!(
        desk.outputs().pop(),
        Some(Output::Answered("gateway-1".into(), Box::new(OperatorCallOutcome::Result(r#"{"a": 1.50}"#.into()))))
    );
    assert!(desk.session.is_idle());
}

#[test]
fn the_gateways_own_call_fails_without_a_report_to_back_ends() {
    let mut desk = TestSession::with(Version::V1_6, |settings| settings.unmatched_responses = Unmatched::Forward);
    let ask = |desk: &mut TestSession, id: &str| desk.session.handle_operator_call(id, "ClearCache", "{}", desk.now);
    for number in 1..=4 {
        ask(&mut desk, &format!("gateway-{number}"));
    }
    let out = desk.out();
    assert_eq!(out[..2], [r#"> [2,"gateway-1","ClearCache",{}]"#, "# queue_full"]);
    assert!(out[2].starts_with("= gateway-4 None { fault: QueueFull"), "{out:?}");

    desk.up(r#"[4,"gateway-1","NotSupported","no cache",{"a":1}]"#);
    let out = desk.out();
    assert!(out[0].starts_with("= gateway-1 Error") && out[0].contains("no cache"), "{out:?}");

    // Too late, and not forwarded either: no back end has asked.
    desk.wait(TIMEOUT);
    assert!(desk.out().iter().all(|line| !line.starts_with('!')));
    assert!(desk.up(r#"[3,"gateway-2",{}]"#).is_none());
    assert_eq!(desk.out(), ["# unknown_call"]);

    ask(&mut desk, "gateway-5");
    desk.out();
    desk.up(r#"[3,"gateway-5"]"#);
    let out = desk.out();
    assert!(out[2].starts_with("= gateway-5 None { fault: BadFrame"), "{out:?}");
    ask(&mut desk, "gateway-6");
    desk.out();
    desk.session.handle_disconnect();
    let out = desk.out();
    assert!(out[1].starts_with("= gateway-6 None { fault: Disconnected"), "{out:?}");
}

#[test]
fn what_was_not_sent_before_a_disconnect_is_reported_to_whoever_sent_it() {
    let mut desk = TestSession::new(Version::V2_1);
    desk.up(HEARTBEAT);
    desk.down(r#"[3,"h1",{}]"#);
    desk.down(r#"[6,"s1","NotifyPeriodicEventStream",{}]"#);
    // This answer is the gateway's own: no back end waits to hear of it.
    desk.up("garbage");
    desk.session.handle_disconnect();
    let expected =
        ["# unreadable_frame", "# disconnected", "! InternalError h1", "# disconnected", "! InternalError s1"];
    assert_eq!(desk.out(), expected);
}

#[test]
fn what_is_for_back_ends_does_not_wait_for_the_charge_point() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(RESET);
    desk.down(r#"[3,"nobody asked",{}]"#);
    assert!(matches!(desk.session.poll_notice(), Some(Output::Incident(_))));
    assert!(matches!(desk.session.poll_notice(), Some(Output::Report(_))));
    assert_eq!(desk.session.poll_notice(), None);
    assert_eq!(desk.out(), [format!("> {RESET}")]);
}

#[test]
fn a_call_that_timed_out_before_it_was_sent_is_not_sent() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(RESET);
    desk.wait(TIMEOUT);
    assert_eq!(desk.out(), ["# timed_out", "! InternalError r1"]);
}

#[test]
fn once_the_gateway_stops_open_calls_are_finished_and_new_ones_reported() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.up(HEARTBEAT);
    desk.down(RESET);
    desk.out();
    desk.session.handle_stop();
    desk.down(CLEAR);
    assert_eq!(desk.out(), ["# disconnected", "! InternalError c1"]);
    desk.down(r#"[3,"h1",{}]"#);
    assert!(desk.up(r#"[3,"r1",{}]"#).is_some());
    assert_eq!(desk.out(), [r#"> [3,"h1",{}]"#]);
    assert!(desk.session.is_idle());
}

#[test]
fn a_call_that_the_broker_delivers_again_is_not_made_again() {
    let mut desk = TestSession::new(Version::V1_6);
    desk.down(RESET);
    desk.up(r#"[3,"r1",{}]"#);
    desk.out();
    desk.redelivered(RESET);
    assert_eq!(desk.out(), ["# duplicate"]);
    // Whoever sends it a second time means it.
    desk.down(RESET);
    assert_eq!(desk.out(), [format!("> {RESET}")]);
}
