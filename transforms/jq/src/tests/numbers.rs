//! Numbers and the order of members stay as they are written.

use super::*;

/// The payload after a program that changes another member.
fn kept(payload: &str) -> String {
    replaced(uplink("def uplink: .payload.added = true;", call("1", "A", payload))).payload
}

#[test]
fn numbers_and_order_are_kept() {
    for members in [
        r#""b":1,"a":2"#,
        r#""z":1.50,"y":-0,"x":1e3,"w":1E+05,"v":0.0,"u":-0.0"#,
        r#""n":12345678901234567890123,"m":2147483648,"k":-9223372036854775809,"j":9007199254740993"#,
        r#""d":0.1000000000000000055511151231257827021181583404541015625"#,
        r#""l":123456789012345678901234567890123456789012345678901234567890"#,
    ] {
        assert_eq!(kept(&format!("{{{members}}}")), format!("{{{members},\"added\":true}}"));
    }
}

#[test]
fn strings_are_kept() {
    assert_eq!(
        kept(r#"{"a":"é\u00e9\n\"\\\/\ud83d\ude00\u0001","":""}"#),
        "{\"a\":\"éé\\n\\\"\\\\/😀\\u0001\",\"\":\"\",\"added\":true}"
    );
}

#[test]
fn same_value_in_another_form_is_a_change() {
    let frame = replaced(uplink("def uplink: .payload.a = 1.5;", call("1", "A", r#"{"a":1.50}"#)));
    assert_eq!(frame.payload, r#"{"a":1.5}"#);
    let frame = replaced(uplink("def uplink: .payload |= {a, b};", call("1", "A", r#"{"b":1,"a":2}"#)));
    assert_eq!(frame.payload, r#"{"a":2,"b":1}"#);
}

#[test]
fn calculated_whole_numbers_have_no_fraction() {
    let program = r#"def uplink: .payload |= {
        a: (.x | tonumber * 1000), b: (.y / 2), c: (.x | tonumber), d: ("007.50" | tonumber), e: (2147483647 + 1), f: (1e15 * 1e15)};"#;
    let frame = replaced(uplink(program, call("1", "A", r#"{"x":"12.50","y":3}"#)));
    assert_eq!(frame.payload, r#"{"a":12500,"b":1.5,"c":12.50,"d":7.5,"e":2147483648,"f":1e30}"#);
}

#[test]
fn numbers_become_text_and_text_numbers() {
    let program = r#"def uplink: .payload |= {
        a: (.x | tonumber * 1000 | tostring), b: (" 5 " | tonumber), c: (.y | tostring), d: (try ("x" | tonumber) catch .)};"#;
    let frame = replaced(uplink(program, call("1", "A", r#"{"x":"12.50","y":1.50}"#)));
    assert_eq!(frame.payload, r#"{"a":"12500","b":5,"c":"1.50","d":"cannot parse \"x\" as number"}"#);
}

#[test]
fn deep_payload_is_a_failure_and_deep_message_is_text() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let error = failure(|| uplink("def uplink: .;", call("1", "A", &deep)));
    assert!(error.ends_with("the payload cannot be read: it is nested too deeply"), "{error}");
    assert!(matches!(outbound("def outbound: .;", Publish::new("t", deep))[..], [PublishAction::Pass]));
    let error = failure(|| uplink("def uplink: .payload.x = reduce range(1000) as $_ (1; [.]);", boot()));
    assert!(error.ends_with("a value is nested more than 128 levels deep"), "{error}");
}

#[test]
fn only_json_is_read() {
    for text in
        ["{", "{a:1}", "[1,]", "01", "1.", ".5", "+1", "1e", "\"\\x\"", "\"\\ud800\"", "\"a", "nul", "1 2", "'a'", ""]
    {
        assert!(read::read(&bytes::Bytes::from(text.to_owned())).is_err(), "{text}");
    }
}
