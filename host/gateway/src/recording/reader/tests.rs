//! Recordings that are whole, cut, damaged or of another version.

use super::*;
use crate::recording::{LinesOf, MessageContent, MqttMessage, RecordedMessage};
use ocpp_gateway_core::session::Direction;
use ocpp_gateway_core::{MessageType, QoS};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::Duration;

const HEARTBEAT: &str = r#"{"v":1,"event":"message","time":"2026-11-30T05:00:00.123456Z","charge_point":"CP1","version":"ocpp1.6","exchange":"7-1","direction":"uplink","type":"CALL","action":"Heartbeat","message_id":"1","frame":"[2,\"1\",\"Heartbeat\",{}]","published":[{"topic":"ocpp/cp/CP1","qos":1,"retain":false,"payload":"{}"}],"time_us":41.2}"#;
const ANSWER: &str = r#"{"v":1,"event":"message","time":"2026-11-30T05:00:01Z","charge_point":"CP1","version":"ocpp1.6","direction":"downlink","type":"CALLRESULT","action":"Heartbeat","message":{"topic":"ocpp/cs/CP1","qos":1,"retain":false,"payload":"{}"},"unanswered":{"1":"Heartbeat"},"sent":["[3,\"1\",{}]"],"time_us":20.1}"#;

/// Reads a recording to its end. Returns the numbers of the lines with messages.
fn read(recording: impl AsRef<[u8]>) -> (Vec<u64>, Reader<Cursor<Vec<u8>>>) {
    let mut reader = Reader::new(Cursor::new(recording.as_ref().to_vec()));
    let mut lines = Vec::new();
    loop {
        match reader.next_line().expect("a line") {
            NextLine::Message(message) => lines.push(message.line),
            NextLine::Skipped => {}
            NextLine::End => return (lines, reader),
        }
    }
}

/// The error of a recording without a message.
fn nothing_in(recording: &str) -> String {
    let (lines, reader) = read(recording.as_bytes());
    assert_eq!(lines, [0_u64; 0]);
    let error = reader.check_any().expect_err("no message").to_string();
    assert_eq!(Reader::new(recording.as_bytes()).find_first().expect_err("no message").to_string(), error);
    error
}

#[test]
fn every_line_of_a_message_is_read() {
    let recording = format!("{HEARTBEAT}\n{ANSWER}\n{HEARTBEAT}");
    let (lines, reader) = read(recording.as_bytes());
    assert_eq!((lines, reader.messages(), reader.bytes()), (vec![1, 2, 3], 3, recording.len() as u64));
    assert_eq!((reader.skipped(), reader.skipped().notes()), (&SkippedLines::default(), vec![]));
}

#[test]
fn frame_of_a_charge_point_is_read_with_its_attributes() {
    let line =
        HEARTBEAT.replace(r#""version""#, r#""attributes":{"vendor":"acme"},"frame_attributes":{"a":"b"},"version""#);
    let mut reader = Reader::new(line.as_bytes());
    let message = reader.find_first().expect("a message");
    assert_eq!((message.line, message.time), (1, Duration::from_micros(1_796_014_800_123_456)));
    assert_eq!((message.message_type, &*message.action), (Some(MessageType::Call), "Heartbeat"));
    assert_eq!((message.direction(), message.peer.identity.as_str()), (Direction::Uplink, "CP1"));
    assert_eq!(message.peer.attributes, [("vendor".to_owned(), "acme".to_owned())]);
    let MessageContent::Frame { text, attributes, is_report } = &message.content else { panic!("{message:?}") };
    let frame = message.frame(text, attributes).expect("a frame");
    assert_eq!((frame.encode(), *is_report), (r#"[2,"1","Heartbeat",{}]"#.to_owned(), false));
    assert_eq!(frame.attributes, [("a".to_owned(), "b".to_owned())]);
}

#[test]
fn message_of_a_back_end_is_read_with_the_calls_that_were_open() {
    let mut reader = Reader::new(ANSWER.as_bytes());
    let message = reader.find_first().expect("a message");
    assert_eq!(message.direction(), Direction::Downlink);
    let MessageContent::Message { topic, payload, qos, retain, unanswered } = &message.content else {
        panic!("{message:?}")
    };
    assert_eq!((&**topic, &**payload, *qos, *retain), ("ocpp/cs/CP1", &b"{}"[..], QoS::AtLeastOnce, false));
    assert_eq!(unanswered[..], [("1".into(), "Heartbeat".into())]);
}

#[test]
fn payload_that_is_no_text_is_decoded() {
    let line = ANSWER.replace(r#""payload":"{}""#, r#""payload_base64":"/wA=""#);
    let mut reader = Reader::new(line.as_bytes());
    let message = reader.find_first().expect("a message");
    assert!(matches!(&message.content, MessageContent::Message { payload, .. } if **payload == [0xff, 0]));
}

#[test]
fn answer_of_a_charge_point_has_the_action_of_its_call() {
    let line = HEARTBEAT.replace(r#"[2,\"1\",\"Heartbeat\",{}]"#, r#"[3,\"1\",{}]"#).replace("CALL", "CALLRESULT");
    let mut reader = Reader::new(line.as_bytes());
    let message = reader.find_first().expect("a message");
    let MessageContent::Frame { text, attributes, .. } = &message.content else { panic!("{message:?}") };
    assert_eq!(message.frame(text, attributes).expect("a frame").action_name(), "Heartbeat");
}

#[test]
fn error_report_of_the_gateway_has_its_origin() {
    let line = HEARTBEAT.replace(r#""frame""#, r#""origin":"gateway","frame""#);
    let mut reader = Reader::new(line.as_bytes());
    let message = reader.find_first().expect("a message");
    let MessageContent::Frame { attributes, is_report, .. } = &message.content else { panic!("{message:?}") };
    assert_eq!((&attributes[..], *is_report), (&[("origin".to_owned(), "gateway".to_owned())][..], true));
}

#[test]
fn everything_that_is_recorded_can_be_read() {
    let payload =
        MqttMessage { topic: "t".into(), qos: 2, retain: true, payload: Some("{}".into()), payload_base64: None };
    let map = |name: &str| BTreeMap::from([(name.to_owned(), "x".to_owned())]);
    let recorded = RecordedMessage {
        time: "2026-11-30T05:00:00.000001Z".into(),
        charge_point: "CP 1".into(),
        version: "ocpp2.1".into(),
        attributes: map("a"),
        exchange: Some("1-1".into()),
        direction: Direction::Downlink,
        message_type: Some("CALLERROR".into()),
        action: Some("Reset".into()),
        message_id: Some("1".into()),
        origin: None,
        frame: None,
        frame_attributes: map("b"),
        message: Some(payload.clone()),
        unanswered: map("c"),
        published: vec![payload],
        sent: vec!["[]".into()],
        answer: None,
        not_mapped: Some("no".into()),
        incidents: vec!["dropped".into()],
        time_us: 1.5,
        steps: Some(Vec::new()),
    };
    let mut line = serde_json::to_value(recorded).expect("JSON");
    (line["v"], line["event"]) = (1.into(), "message".into());
    let line = line.to_string();
    let mut reader = Reader::new(line.as_bytes());
    let message = reader.find_first().expect("a message");
    assert_eq!((message.message_type, &*message.action), (Some(MessageType::CallError), "Reset"));
    let MessageContent::Message { qos, retain, .. } = message.content else { panic!("{message:?}") };
    assert_eq!((qos, retain, message.peer.attributes.len()), (QoS::ExactlyOnce, true, 1));
}

#[test]
fn first_message_is_read_twice_and_counted_once() {
    let recording = format!("\n{HEARTBEAT}\n{ANSWER}\n");
    let mut reader = Reader::new(recording.as_bytes());
    let time = reader.find_first().expect("a message").time;
    assert_eq!(time, Duration::from_micros(1_796_014_800_123_456));
    assert!(matches!(reader.next_line(), Ok(NextLine::Message(message)) if message.line == 2));
    assert!(matches!(reader.next_line(), Ok(NextLine::Message(message)) if message.line == 3));
    assert!(matches!(reader.next_line(), Ok(NextLine::End)));
    assert_eq!(reader.messages(), 2);
}

#[test]
fn other_events_and_missed_messages_are_counted() {
    let started = r#"{"v":1,"event":"started","time":"2026-11-30T05:00:00Z","gateway":"0.1.0"}"#;
    let missed = r#"{"v":1,"event":"missed","time":"2026-11-30T05:00:00Z","missed":7}"#;
    // Members of other events may have any type.
    let swap = r#"{"v":1,"event":"swap","version":{"before":"a"},"attributes":3}"#;
    let (lines, reader) = read([started, missed, swap, missed, HEARTBEAT].join("\n").as_bytes());
    assert_eq!(lines, [5]);
    assert_eq!((reader.skipped().events, reader.skipped().missed), (2, 14));
    assert!(reader.skipped().notes()[0].contains("misses") && reader.skipped().notes()[0].contains("14 messages"));
    let error = nothing_in(started);
    assert!(error.contains("no messages") && error.contains("--for"), "{error}");
}

#[test]
fn cut_in_the_last_line_is_noted_and_the_rest_counts() {
    let whole = format!("{HEARTBEAT}\n{HEARTBEAT}\n{ANSWER}");
    let end_of_second = 2 * HEARTBEAT.len() + 1;
    for length in HEARTBEAT.len() + 2..end_of_second {
        let (lines, reader) = read(&whole.as_bytes()[..length]);
        assert_eq!((lines, reader.skipped().cut), (vec![1], Some(2)), "{length}");
        assert_eq!(reader.skipped().notes(), ["the recording is cut in its last line, line 2"]);
    }
    // Only its end is missing.
    assert_eq!(read(&whole.as_bytes()[..end_of_second]).0, [1, 2]);
    let error = nothing_in(&HEARTBEAT[..50]);
    assert!(error.contains("line 1") && error.contains("not complete"), "{error}");
}

#[test]
fn line_in_the_middle_that_is_no_message_is_skipped_and_counted() {
    let bad_time = HEARTBEAT.replace("2026-11-30T05", "2026-11-30 25");
    let bad_version = HEARTBEAT.replace("ocpp1.6", "ocpp1.5");
    for (bad, reason) in [
        ("garbage", "not JSON, at column 1"),
        (&HEARTBEAT[..70], "not JSON"),
        ("[1,2]", "no line of a recording"),
        (r#"{"v":1}"#, "missing field `event`"),
        (r#"{"v":0,"event":"message"}"#, "version 0"),
        (r#"{"v":1,"event":"message"}"#, "time"),
        (&bad_time, "time"),
        (&bad_version, "ocpp1.5"),
        (&HEARTBEAT.replace("CP1", "a/b"), "charge_point"),
        (&HEARTBEAT.replace("uplink", "sideways"), "sideways"),
        (&ANSWER.replace(r#""qos":1"#, r#""qos":3"#), "QoS 3"),
        (&ANSWER.replace(r#""payload":"{}""#, r#""payload_base64":"?""#), "payload_base64"),
    ] {
        let (lines, reader) = read(format!("{HEARTBEAT}\n{bad}\n{bad}\n{ANSWER}\n").as_bytes());
        assert_eq!(lines, [1, 4], "{bad}");
        let Some(LinesOf { count: 2, first: 2, about }) = &reader.skipped().unreadable else {
            panic!("{bad}: {:?}", reader.skipped())
        };
        assert!(about.contains(reason), "{bad}: {about}");
        assert!(reader.skipped().notes()[0].starts_with("cannot read 2 lines, from line 2 on: "));
    }
    let error = nothing_in("garbage\nmore\n");
    assert!(error.contains("line 1: ") && error.contains("ctl tap"), "{error}");
}

#[test]
fn bytes_that_are_no_text_are_no_message() {
    let mut bad = HEARTBEAT.as_bytes().to_vec();
    let place = HEARTBEAT.find("CP1").expect("there");
    bad[place] = 0xff;
    let (lines, reader) = read([&bad[..], b"\n", HEARTBEAT.as_bytes()].concat());
    assert_eq!((lines, reader.skipped().unreadable.as_ref().map(|lines| lines.first)), (vec![2], Some(1)));
}

#[test]
fn lines_of_a_newer_format_are_skipped_and_counted() {
    let newer = HEARTBEAT.replace(r#""v":1"#, r#""v":3"#).replace(r#""time":"#, r#""when":"#);
    let (lines, reader) = read(format!("{HEARTBEAT}\n{newer}\n{newer}\n").as_bytes());
    assert_eq!(lines, [1]);
    assert_eq!(reader.skipped().newer, Some(LinesOf { count: 2, first: 2, about: 3 }));
    let note = &reader.skipped().notes()[0];
    assert!(note.contains("from line 2 on") && note.contains("version 3"), "{note}");
    let error = nothing_in(&newer);
    assert!(error.contains("version 3") && error.contains("version 1"), "{error}");
}

#[test]
fn messages_without_payloads_cannot_be_replayed() {
    let uplink = HEARTBEAT.replace(r#""frame":"[2,\"1\",\"Heartbeat\",{}]","#, "");
    let downlink = ANSWER.replace(r#","payload":"{}""#, "");
    let (lines, reader) = read(format!("{uplink}\n{HEARTBEAT}\n{downlink}\n").as_bytes());
    assert_eq!((lines, reader.skipped().without_payload), (vec![2], 2));
    assert!(reader.skipped().notes()[0].starts_with("2 messages without a payload"));
    let error = nothing_in(&format!("{uplink}\n{downlink}"));
    assert!(error.contains("without --no-payload"), "{error}");
}

#[test]
fn blank_lines_and_line_ends_of_windows_are_accepted() {
    let (lines, reader) = read(format!("\r\n{HEARTBEAT}\r\n\n   \n{ANSWER}\r\n").as_bytes());
    assert_eq!((lines, reader.skipped()), (vec![2, 5], &SkippedLines::default()));
}

#[test]
fn empty_recording_is_an_error() {
    for nothing in ["", "\n\n"] {
        assert!(nothing_in(nothing).contains("empty"));
    }
}

#[test]
fn line_over_the_limit_is_an_error_with_its_number() {
    let mut reader = Reader::new(HEARTBEAT.as_bytes());
    reader.limit = HEARTBEAT.len();
    assert!(matches!(reader.next_line(), Ok(NextLine::Message(_))));
    let recording = format!("{HEARTBEAT}\n{HEARTBEAT} \n{HEARTBEAT}");
    let mut reader = Reader::new(recording.as_bytes());
    reader.limit = HEARTBEAT.len();
    assert!(matches!(reader.next_line(), Ok(NextLine::Message(_))));
    let error = reader.next_line().expect_err("too long").to_string();
    assert!(error.contains("line 2 ") && error.contains(&HEARTBEAT.len().to_string()), "{error}");
}

#[test]
fn memory_is_that_of_the_longest_line() {
    struct Endless {
        line: Vec<u8>,
        left: usize,
    }
    impl io::Read for Endless {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("read by lines"))
        }
    }
    impl BufRead for Endless {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            Ok(if self.left == 0 { &[] } else { &self.line })
        }
        fn consume(&mut self, amount: usize) {
            self.left -= usize::from(amount > 0);
        }
    }
    let mut reader = Reader::new(Endless { line: format!("{HEARTBEAT}\n").into_bytes(), left: 10_000 });
    while !matches!(reader.next_line(), Ok(NextLine::End)) {}
    assert_eq!(reader.messages(), 10_000);
    assert!(reader.buffer.capacity() < 4 * HEARTBEAT.len(), "{}", reader.buffer.capacity());
}
