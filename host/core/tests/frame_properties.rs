//! Properties of any text. The number of cases is fixed, which bounds the time of the suite.

use ocpp_gateway_core::Version;
use ocpp_gateway_core::frame::Received;
use ocpp_gateway_core::frame::{Frame, MessageType};
use ocpp_gateway_core::session::{Output, Session, Settings, Unmatched};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Texts that are almost frames: pieces of frames in any order.
fn almost_a_frame() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "2",
        "3",
        "4",
        "5",
        "6",
        "-1",
        "1e400",
        "null",
        "true",
        "\"id\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"Heartbeat\"",
        "\"",
        "\\",
        " ",
        "\n",
        "{\"a\":[1,2]}",
        "\u{feff}",
        "é",
        "[2,\"a\",\"b\",{}",
        "[3,\"a\",",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_any_text_neither_panics_nor_quotes_it(text in prop_oneof![any::<String>(), almost_a_frame()]) {
        match Frame::parse(&text) {
            Ok(frame) => {
                let encoded = frame.encode();
                let again = Frame::parse(&encoded);
                prop_assert_eq!(again.as_ref(), Ok(&frame), "{} is not {}", encoded, text);
            }
            Err(malformed) => prop_assert!(malformed.to_string().len() < 200),
        }
    }

    #[test]
    fn encoded_frames_can_be_parsed(
        kind in prop::sample::select(MessageType::ALL.to_vec()),
        id in "\\PC{1,36}",
        action in any::<String>(),
        payload in prop::sample::select(vec!["{}", "{\"a\":1.50}", "{ \"b\" : [null,1e3,\"\\u00e9\"] }"]),
    ) {
        let text = match kind {
            MessageType::Call | MessageType::Send =>
                format!("[{},{},{},{payload}]", kind.number(), json(&id), json(&action)),
            MessageType::CallResult => format!("[3,{},{payload}]", json(&id)),
            MessageType::CallError | MessageType::CallResultError =>
                format!("[{},{},{},\"\",{payload}]", kind.number(), json(&id), json(&action)),
        };
        let frame = Frame::parse(&text).expect("well-formed");
        prop_assert_eq!(&*frame.id, &id);
        prop_assert_eq!(&*frame.payload, payload);
        let encoded = frame.encode();
        prop_assert_eq!(Frame::parse(&encoded).expect("encoded"), frame);
    }
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// In each version, a session answers a text at most once, with a text that can be parsed.
fn try_session(text: &str) {
    let settings = std::sync::Arc::new(Settings {
        call_timeout: Duration::from_secs(30),
        open_calls: 16,
        queue: 1,
        unmatched_responses: Unmatched::Drop,
        ping_interval: Duration::from_secs(60),
        heartbeat_interval: Duration::from_secs(300),
        idle_timeout: None,
    });
    for version in Version::ALL {
        let now = Instant::now();
        let mut session = Session::new(version, std::sync::Arc::clone(&settings), None, now);
        for _ in 0..3 {
            drop(session.handle_text(text, now));
        }
        let mut answers = 0;
        while let Some(output) = session.poll() {
            if let Output::Send(_, answer) = output {
                answers += 1;
                // A CALL with a too long id is answered under that id.
                let received = Received::parse(&answer, usize::MAX);
                let Received { frame, .. } = received.unwrap_or_else(|problem| panic!("{answer}: {problem}"));
                assert_eq!(frame.kind, MessageType::CallError, "{answer}");
            }
        }
        assert!(answers <= 3, "{text}: {answers}");
    }
}

/// Inputs found by fuzzing are kept in `corpus`. (cargo-fuzz itself needs a nightly compiler.)
#[test]
fn corpus_frames_round_trip_and_do_not_panic() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/frames");
    let mut count = 0;
    for file in std::fs::read_dir(folder).expect("a folder") {
        let text = std::fs::read_to_string(file.expect("readable").path()).expect("text");
        if let Ok(frame) = Frame::parse(&text) {
            let encoded = frame.encode();
            assert_eq!(Frame::parse(&encoded).as_ref(), Ok(&frame), "{encoded} is not {text}");
        }
        try_session(&text);
        count += 1;
    }
    assert!(count > 10, "only {count} inputs");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn session_handles_any_text_without_panic(text in prop_oneof![any::<String>(), almost_a_frame()]) {
        try_session(&text);
    }
}
