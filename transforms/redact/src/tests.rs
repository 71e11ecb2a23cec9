use super::*;
use ocpp_transform::testing::{call, counter, downlink, peer, set_clock, take_log, uplink};

const TAG: &str = "04A2B3C4D5E680";
/// The pseudonym of [`TAG`].
const PSEUDONYM: &str = "JOYMJUAK3MAPEPAGRGAY";

/// With a key and further settings: JSON members, each with a comma before it.
fn redact(settings: &str) -> Redact {
    let config = format!(r#"{{"key":"0123456789abcdef0123456789abcdef"{settings}}}"#);
    Redact::configure(&config).expect(settings)
}

/// The payload with which a CALL of the charge point reaches the back end; `None`: unchanged.
fn up(redact: &Redact, action: &str, payload: &str) -> Option<String> {
    replaced(uplink(redact, &peer("CP1"), call("1", action, payload)))
}

/// The payload with which a CALL of the back end reaches the charge point; `None`: unchanged.
fn down(redact: &Redact, action: &str, payload: &str) -> Option<String> {
    replaced(downlink(redact, &peer("CP1"), call("1", action, payload)))
}

fn replaced(mut actions: Vec<FrameAction>) -> Option<String> {
    assert_eq!(actions.len(), 1);
    match actions.remove(0) {
        FrameAction::Pass => None,
        FrameAction::Replace(frame) => Some(frame.payload),
        other => panic!("{other:?}"),
    }
}

fn with_tag(tag: &str) -> String {
    format!(r#"{{"idTag":"{tag}"}}"#)
}

#[test]
fn tags_are_replaced_and_nothing_else() {
    let redact = redact("");
    for (payload, expected) in [
        (
            r#"{ "connectorId": 1, "idTag": "04A2B3C4D5E680", "meterStart": 1.0 }"#,
            r#"{"connectorId":1,"idTag":"JOYMJUAK3MAPEPAGRGAY","meterStart":1.0}"#,
        ),
        (
            r#"{"idToken":{"idToken":"04a2b3c4d5e680","type":"ISO14443","additionalInfo":[{"additionalIdToken":"04A2B3C4D5E680","type":"x"}]}}"#,
            r#"{"idToken":{"idToken":"JOYMJUAK3MAPEPAGRGAY","type":"ISO14443","additionalInfo":[{"additionalIdToken":"JOYMJUAK3MAPEPAGRGAY","type":"x"}]}}"#,
        ),
        (r#"{"idTag":["04A2B3C4D5E680",null,true]}"#, r#"{"idTag":["JOYMJUAK3MAPEPAGRGAY",null,true]}"#),
        (r#"{"id\u0054ag":"\u00304A2B3C4D5E680"}"#, r#"{"idTag":"JOYMJUAK3MAPEPAGRGAY"}"#),
        (
            r#"{"idTag":"04A2B3C4D5E680","idTag":"04A2B3C4D5E680"}"#,
            r#"{"idTag":"JOYMJUAK3MAPEPAGRGAY","idTag":"JOYMJUAK3MAPEPAGRGAY"}"#,
        ),
    ] {
        assert_eq!(up(&redact, "Any", payload).as_deref(), Some(expected), "{payload}");
    }
    assert_eq!(counter("tags_hashed"), 7);
}

#[test]
fn tokens_of_2_1_come_in_lists_and_as_payment_references() {
    let redact = redact("");
    for (payload, expected) in [
        (
            r#"{"tariffAssignments":[{"tariffId":"t","idTokens":["04A2B3C4D5E680","04a2b3c4d5e680"]}]}"#,
            r#"{"tariffAssignments":[{"tariffId":"t","idTokens":["JOYMJUAK3MAPEPAGRGAY","JOYMJUAK3MAPEPAGRGAY"]}]}"#,
        ),
        (r#"{"prioritizedEMAIDs":["04A2B3C4D5E680"]}"#, r#"{"prioritizedEMAIDs":["JOYMJUAK3MAPEPAGRGAY"]}"#),
        (r#"{"pspRef":"04A2B3C4D5E680"}"#, r#"{"pspRef":"JOYMJUAK3MAPEPAGRGAY"}"#),
    ] {
        assert_eq!(up(&redact, "Any", payload).as_deref(), Some(expected), "{payload}");
    }
}

#[test]
fn number_is_taken_for_a_tag_without_quotes() {
    let redact = redact("");
    let quoted = up(&redact, "Authorize", r#"{"idTag":"4711"}"#);
    assert!(quoted.is_some());
    assert_eq!(up(&redact, "Authorize", r#"{"idTag":4711}"#), quoted);
}

#[test]
fn payload_without_a_tag_passes() {
    let redact = redact("");
    for payload in [
        "{}",
        r#"{"connectorId":1,"status":"Available"}"#,
        r#"{"data":"idTag 04A2"}"#,
        r#"{"idToken":{"idToken":"","type":"NoAuthorization"}}"#,
        r#"{"idTag":null}"#,
        r#"{"info":"a \\ b"}"#,
    ] {
        assert_eq!(up(&redact, "Any", payload), None, "{payload}");
    }
    assert_eq!(counter("tags_hashed"), 0);
}

#[test]
fn pseudonym_from_the_back_end_is_replaced_by_the_tag() {
    let redact = redact("");
    assert_eq!(up(&redact, "Authorize", &with_tag("04a2b3c4d5e680")), Some(with_tag(PSEUDONYM)));
    // The tag as the card reader spells it, whatever case the back end uses.
    for name in [PSEUDONYM, &PSEUDONYM.to_ascii_lowercase()] {
        assert_eq!(down(&redact, "RemoteStartTransaction", &with_tag(name)), Some(with_tag("04a2b3c4d5e680")));
    }
    assert_eq!(
        down(
            &redact,
            "SendLocalList",
            r#"{"localAuthorizationList":[{"idTag":"JOYMJUAK3MAPEPAGRGAY"},{"idTag":"?"}]}"#
        ),
        Some(r#"{"localAuthorizationList":[{"idTag":"04a2b3c4d5e680"},{"idTag":"?"}]}"#.into())
    );
    assert_eq!(counter("tags_restored"), 3);
}

#[test]
fn tag_that_the_back_end_named_is_not_replaced() {
    let redact = redact("");
    assert_eq!(down(&redact, "RemoteStartTransaction", &with_tag("App-123")), None);
    assert_eq!(up(&redact, "StartTransaction", &with_tag("APP-123")), None);
    assert!(up(&redact, "StartTransaction", &with_tag("APP-124")).is_some());
}

#[test]
fn tags_of_answers_and_local_lists_are_not_remembered() {
    let redact = redact("");
    assert_eq!(down(&redact, "SendLocalList", &with_tag(TAG)), None);
    let answer =
        Frame::new(FrameType::CallResult, "1", Some("Authorize".into()), r#"{"idTagInfo":{"parentIdTag":"G"}}"#);
    assert_eq!(downlink(&redact, &peer("CP1"), answer), [FrameAction::Pass]);
    assert_eq!(up(&redact, "Authorize", &with_tag(TAG)), Some(with_tag(PSEUDONYM)));
    assert!(up(&redact, "Authorize", &with_tag("G")).is_some());
}

#[test]
fn tag_is_forgotten_after_the_configured_time() {
    let redact = redact(r#","remember_s":60"#);
    set_clock(0);
    up(&redact, "Authorize", &with_tag(TAG));
    set_clock(59_999);
    assert!(down(&redact, "RemoteStartTransaction", &with_tag(PSEUDONYM)).is_some());
    set_clock(60_000);
    // From now on it is a tag that the back end named itself.
    assert_eq!(down(&redact, "RemoteStartTransaction", &with_tag(PSEUDONYM)), None);
    assert_eq!(up(&redact, "StartTransaction", &with_tag(PSEUDONYM)), None);
    assert_eq!(up(&redact, "Authorize", &with_tag(TAG)), Some(with_tag(PSEUDONYM)));
    assert_eq!(down(&redact, "RemoteStartTransaction", &with_tag(PSEUDONYM)), Some(with_tag(TAG)));
}

#[test]
fn a_tag_of_the_back_end_is_remembered_while_it_is_used() {
    let redact = redact(r#","remember_s":60"#);
    let tag = with_tag("App-1");
    for (seconds, comes_down) in [(0, true), (50, true), (100, false), (150, false), (200, true), (250, false)] {
        set_clock(seconds * 1000);
        let unchanged =
            if comes_down { down(&redact, "ReserveNow", &tag) } else { up(&redact, "StartTransaction", &tag) };
        assert_eq!(unchanged, None, "after {seconds} s");
    }
    set_clock(310_000);
    assert!(up(&redact, "StartTransaction", &tag).is_some(), "60 s after it was last seen");
}

#[test]
fn tag_of_the_back_end_keeps_its_spelling() {
    let redact = redact("");
    for payload in [r#"{"idTag":"App-1"}"#, r#"{"idTag":"APP-1"}"#, r#"{"idTag":4711}"#, r#"{"idTag":4711}"#] {
        assert_eq!(down(&redact, "RemoteStartTransaction", payload), None, "{payload}");
    }
    assert_eq!(counter("tags_restored"), 0, "none of them was a pseudonym");
}

#[test]
fn without_restore_no_tag_is_remembered() {
    let redact = redact(r#","restore":false"#);
    assert_eq!(up(&redact, "Authorize", &with_tag(TAG)), Some(with_tag(PSEUDONYM)));
    assert_eq!(down(&redact, "RemoteStartTransaction", &with_tag(PSEUDONYM)), None);
    assert!(up(&redact, "StartTransaction", &with_tag(PSEUDONYM)).is_some());
}

#[test]
fn fields_are_removed_and_masked() {
    let redact = redact(r#","remove":["vehicleId","Authorize.certificate"],"mask":["info","DataTransfer.data"]"#);
    for (action, payload, expected) in [
        ("Any", r#"{"vehicleId":"WVW","x":[{"vehicleId":1}]}"#, Some(r#"{"x":[{}]}"#)),
        ("Authorize", r#"{"certificate":"PEM"}"#, Some("{}")),
        ("SignCertificate", r#"{"certificate":"PEM"}"#, None),
        ("Any", r#"{"info":"Mr. X","status":"info"}"#, Some(r#"{"info":"*","status":"info"}"#)),
        ("DataTransfer", r#"{"vendorId":"v","data":"Mr. X"}"#, Some(r#"{"vendorId":"v","data":"*"}"#)),
        ("NotifyReport", r#"{"data":"x"}"#, None),
        (
            "Any",
            r#"{"info":{"name":"X","age":41,"tags":["y",true,null]}}"#,
            Some(r#"{"info":{"name":"*","age":0,"tags":["*",true,null]}}"#),
        ),
    ] {
        assert_eq!(up(&redact, action, payload).as_deref(), expected, "{payload}");
    }
    assert_eq!(down(&redact, "Any", r#"{"vehicleId":"WVW","info":"x"}"#), None, "the charge point may know");
}

#[test]
fn unreadable_payload_of_a_charge_point_is_refused() {
    let redact = redact("");
    let deep = format!(r#"{{"idTag":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    let refused = |frame: Frame| uplink(&redact, &peer("CP1"), frame).remove(0);
    for payload in [deep.as_str(), r#"{"idTag":"#, r#"{"idTag":"04A2\ud800"}"#] {
        for awaited in [FrameType::Call, FrameType::CallResult, FrameType::CallError] {
            let frame = Frame::new(awaited, "1", Some("Authorize".into()), payload);
            let FrameAction::Reject(error) = refused(frame) else { panic!("{awaited:?} is not rejected") };
            assert_eq!(error.code, "FormationViolation");
            assert!(!error.description.contains("04A2"), "{}", error.description);
        }
        for unawaited in [FrameType::Send, FrameType::CallResultError] {
            let frame = Frame::new(unawaited, "1", Some("Authorize".into()), payload);
            assert!(matches!(refused(frame), FrameAction::Drop(_)), "{unawaited:?}");
        }
        assert_eq!(down(&redact, "Authorize", payload), None);
    }
}

#[test]
fn no_tag_reaches_the_log() {
    let redact = redact("");
    up(&redact, "Authorize", &with_tag(TAG));
    down(&redact, "RemoteStartTransaction", &with_tag(PSEUDONYM));
    assert_eq!(take_log(), []);
}

#[test]
fn error_of_a_wrong_setting_begins_with_its_key() {
    for (config, fault) in [
        (r#"{}"#, "key: a secret of at least 32 bytes is needed; this one has 0"),
        (r#"{"key":"short"}"#, "key: a secret of at least 32 bytes is needed; this one has 5"),
        (r#"{"keys":"x"}"#, "keys: unknown field"),
        (r#"{"restore":"yes"}"#, "restore: "),
        (r#"{"remember_s":-1}"#, "remember_s: "),
        (r#"{"remove":"vehicleId"}"#, "remove: "),
        (r#"{"key":"0123456789abcdef0123456789abcdef","remove":["a","B."]}"#, r#"remove[1]: "B." is neither"#),
        (r#"{"key":"0123456789abcdef0123456789abcdef","mask":[".data"]}"#, r#"mask[0]: ".data" is neither"#),
        (r#"{"key":"0123456789abcdef0123456789abcdef","id_tags":["a",""]}"#, "id_tags[1]: "),
    ] {
        let error = Redact::configure(config).err().expect(config);
        assert!(error.starts_with(fault), "{config}: {error}");
    }
}
