//! What must hold for any text whatsoever. The budget is fixed, so that the suite's time is too.

use ocpp_gateway_core::frame::{Frame, MessageType};
use proptest::prelude::*;

/// Texts that are nearly frames: pieces of frames in any order, cut anywhere.
fn nearly_a_frame() -> impl Strategy<Value = String> {
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
    fn no_text_panics_and_no_problem_quotes_it(text in prop_oneof![any::<String>(), nearly_a_frame()]) {
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
    fn whatever_is_encoded_can_be_parsed(
        kind in prop::sample::select(MessageType::ALL.to_vec()),
        id in "\\PC{0,36}",
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
