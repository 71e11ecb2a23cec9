use super::*;
use proptest::prelude::*;

fn written(text: &str) -> String {
    Tree::parse(text).expect(text).to_string()
}

#[test]
fn unedited_parts_keep_their_text() {
    for text in [
        r#"{"b":1,"a":2,"b":3}"#,
        r#"[1.0,1e3,-0,123456789012345678901234567890,0.10]"#,
        r#"{"text":"\u00e9\/","deep":[[],{},[{"x":null}]]}"#,
        r#""alone""#,
        "true",
    ] {
        assert_eq!(written(text), text);
    }
    assert_eq!(written(" { \"a\" : [ 1 , 2 ] } \n"), r#"{"a":[1,2]}"#);
}

#[test]
fn names_with_escapes_are_decoded() {
    let Tree::Object(object) = Tree::parse(r#"{"id\u0054ag":"A","x\ny":1}"#).expect("JSON") else {
        panic!("no object")
    };
    assert_eq!(object.get("idTag").and_then(Tree::as_str).as_deref(), Some("A"));
    assert_eq!(Tree::Object(object).to_string(), r#"{"idTag":"A","x\ny":1}"#);
}

#[test]
fn members_are_set_dropped_and_found() {
    let Tree::Object(mut object) = Tree::parse(r#"{"a":1,"b":null,"a":2}"#).expect("JSON") else { panic!("no object") };
    assert_eq!(object.get("a").and_then(Tree::as_number), Some("2"));
    assert!(object.get("b").is_some_and(Tree::is_null));
    object.set("b", Tree::string("x"));
    object.set("c", Tree::List(vec![]));
    assert_eq!(object.retain(|name| name != "a"), 2);
    assert_eq!(Tree::Object(object).to_string(), r#"{"b":"x","c":[]}"#);
}

#[test]
fn invalid_json_is_refused() {
    for text in
        ["", "{", r#"{"a":}"#, "{} {}", "[1,]", "01", "\u{0}", r#"{"a":"#, "NaN", r#"["\ud800"]"#, r#"{"\udc00":1}"#]
    {
        assert!(matches!(Tree::parse(text), Err(ReadError::NotJson(_))), "{text}");
    }
}

#[test]
fn nesting_depth_is_limited() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Tree::parse(&nested(MAX_DEPTH)).is_ok());
    assert!(matches!(Tree::parse(&nested(MAX_DEPTH + 1)), Err(ReadError::TooDeep)));
    assert!(matches!(Tree::parse(&nested(100_000)), Err(ReadError::TooDeep)));
}

proptest! {
    #[test]
    fn any_string_survives_a_round_trip(value in any::<String>()) {
        let text = Tree::string(&value).to_string();
        let tree = Tree::parse(&text).expect("a string");
        let read = tree.as_str();
        prop_assert_eq!(read.as_deref(), Some(value.as_str()));
    }

    #[test]
    fn arbitrary_text_causes_no_panic(text in any::<String>()) {
        let _ = Tree::parse(&text);
    }
}
