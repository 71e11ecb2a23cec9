use super::*;
use std::borrow::Cow;

fn problem(text: &str) -> Malformed {
    Frame::parse(text).expect_err(text)
}

#[test]
fn call_is_split_and_its_payload_is_borrowed_unchanged() {
    let text = r#"[2, "19223201" ,"MeterValues",{"b":1.50, "a" : 1e3}]"#;
    let frame = Frame::parse(text).expect("a call");
    assert_eq!(frame.kind, MessageType::Call);
    assert_eq!(frame.action.as_deref(), Some("MeterValues"));
    assert_eq!(frame.payload, r#"{"b":1.50, "a" : 1e3}"#);
    assert!(matches!(frame.payload, Cow::Borrowed(_)) && matches!(frame.id, Cow::Borrowed("19223201")));
}

#[test]
fn every_type_survives_a_round_trip() {
    for text in [
        r#"[2,"a","Heartbeat",{}]"#,
        r#"[3,"a",{"currentTime":"2023-12-01T14:20:39+00:00"}]"#,
        r#"[4,"a","InternalError","no \"luck\"\n",{}]"#,
        r#"[5,"a","FormatViolation","",{"x":null}]"#,
        r#"[6,"a","NotifyPeriodicEventStream",{"id":1}]"#,
    ] {
        assert_eq!(Frame::parse(text).expect(text).encode(), text);
    }
}

#[test]
fn escapes_in_strings_are_decoded() {
    let frame = Frame::parse(r#"[2,"\u0061\"b","Heart\u0062eat",{}]"#).expect("a call");
    assert_eq!((&*frame.id, frame.action_name()), ("a\"b", "Heartbeat"));
}

#[test]
fn null_payload_becomes_an_empty_object() {
    assert_eq!(Frame::parse(r#"[2,"a","Heartbeat",null]"#).expect("a call").payload, "{}");
    assert_eq!(Frame::parse(r#"[4,"a","GenericError","",null]"#).expect("an error").payload, "{}");
}

#[test]
fn error_reports_the_type_and_id_that_could_be_read() {
    let cut = problem(r#"[2,"id-1","MeterValues",{"connectorId":1,"#);
    assert_eq!((cut.message_type, cut.id.as_deref()), (Some(2), Some("id-1")));
    let three = problem(r#"[2,"id-1","Heartbeat"]"#);
    assert_eq!((three.message_type, three.id.as_deref()), (Some(2), Some("id-1")));
    let numeric = problem(r#"[2,17,"Heartbeat"]"#);
    assert_eq!((numeric.id.as_deref(), numeric.id_form), (Some("17"), IdForm::Number));
    assert!(matches!(numeric.problem, FrameProblem::Shape { .. }));
    let none = problem(r#"[2,1.5,"Heartbeat",{}]"#);
    assert_eq!((none.message_type, none.id), (Some(2), None));
}

#[test]
fn wrong_shapes_are_refused() {
    for text in ["", "hello", "[2,", r#"[2,"a","b",{}"#, r#"[2,"a","b",{}]]"#, r#"[2,"a","b",{}] {}"#] {
        assert!(matches!(problem(text).problem, FrameProblem::NotJson { .. }), "{text}");
    }
    for text in [
        "{}",
        "null",
        "[]",
        "[2]",
        r#"[2,"a","b",{},1]"#,
        r#"[3,"a"]"#,
        r#"[3,"a",{},1]"#,
        r#"[4,"a"]"#,
        r#"[4,"a",7]"#,
        r#"[4,"a","c","d",{},1]"#,
        r#"[2,"a",7,{}]"#,
        r#"["2","a","b",{}]"#,
        r#"[-2,"a","b",{}]"#,
        r#"[2.5,"a","b",{}]"#,
    ] {
        assert!(matches!(problem(text).problem, FrameProblem::Shape { .. }), "{text}");
    }
    for text in [r#"[2,"a","b",[]]"#, r#"[2,"a","b",1]"#, r#"[3,"a","text"]"#] {
        assert_eq!(problem(text).problem, FrameProblem::PayloadNotAnObject, "{text}");
    }
    assert_eq!(problem(r#"[7,"a","b",{}]"#).problem, FrameProblem::UnknownType(7));
    assert_eq!(problem(r#"[7,"a",{"#).problem, FrameProblem::UnknownType(7));
}

#[test]
fn ids_and_actions_are_limited_in_characters() {
    let call = |id: &str, action: &str| format!(r#"[2,"{id}","{action}",{{}}]"#);
    assert!(Frame::parse(&call(&"ä".repeat(36), "Heartbeat")).is_ok());
    let long = problem(&call(&"x".repeat(37), "Heartbeat"));
    assert_eq!((long.problem, long.id), (FrameProblem::IdTooLong { limit: 36 }, Some("x".repeat(37))));
    assert!(Received::parse(&call(&"x".repeat(255), "Heartbeat"), MAX_RECEIVED_ID).is_ok());
    assert!(Received::parse(&call(&"x".repeat(256), "Heartbeat"), MAX_RECEIVED_ID).is_err());
    assert!(Frame::parse(&call("a", &"ä".repeat(128))).is_ok());
    let long = problem(&call("a", &"x".repeat(129)));
    assert_eq!((long.problem, long.id.as_deref()), (FrameProblem::ActionTooLong, Some("a")));
}

#[test]
fn numeric_id_is_read_as_digits_and_written_as_a_number() {
    for number in ["17", "-5", "18446744073709551615"] {
        let text = format!(r#"[2,{number},"Heartbeat",{{}}]"#);
        let received = Received::parse(&text, MAX_MESSAGE_ID).expect("a call");
        assert_eq!((&*received.frame.id, received.id_form), (number, IdForm::Number));
        assert_eq!(received.frame.encode_with(received.id_form), text);
        assert_eq!(received.frame.encode(), format!(r#"[2,"{number}","Heartbeat",{{}}]"#));
    }
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert_eq!(Frame::parse("\u{feff}[2,\"a\",\"Heartbeat\",{}]").expect("a call").id, "a");
}

#[test]
fn error_keeps_its_code_whatever_its_description_and_details() {
    for (text, description, details) in [
        (r#"[4,"a","NotImplemented"]"#, "", "{}"),
        (r#"[4,"a","NotImplemented","no"]"#, "no", "{}"),
        (r#"[4,"a","NotImplemented",null,null]"#, "", "{}"),
        (r#"[4,"a","NotImplemented","no","text"]"#, "no", r#"{"details":"text"}"#),
        (r#"[4,"a","NotImplemented",7,[1]]"#, "7", r#"{"details":[1]}"#),
        (r#"[4,"a","NotImplemented","\u006eo",{"a":1}]"#, "no", r#"{"a":1}"#),
        (r#"[5,"a","NotImplemented"]"#, "", "{}"),
    ] {
        let frame = Frame::parse(text).expect(text);
        let error = frame.error.expect(text);
        assert_eq!(
            (&*error.code, &*error.description, &*frame.payload),
            ("NotImplemented", description, details),
            "{text}"
        );
    }
}

#[test]
fn deep_nesting_neither_overflows_the_stack_nor_is_quoted() {
    let text = "[".repeat(1 << 20);
    assert!(problem(&text).to_string().len() < 200);
    let text = format!("[2,\"a\",\"b\",{}", "[".repeat(1 << 20));
    assert_eq!(problem(&text).id.as_deref(), Some("a"));
    assert!(!problem(r#"[2,"secret-id-tag" "#).to_string().contains("secret"));
}
