use super::*;
use ocpp_transform::testing::peer;

const CALL: &str = r#"{"MessageTypeId":2,"UniqueId":"1","Action":"Heartbeat","Payload":{}}"#;

fn router(config: &str) -> Router {
    Router::configure(config).expect(config)
}

/// The topic on which a message of a charge point on `ocpp/cp/CP1` is published.
fn routed(router: &Router, peer: &Peer, payload: &str) -> String {
    let message = Publish { qos: 2, retain: true, ..Publish::new("ocpp/cp/CP1", payload) };
    match router.handle(peer, message.clone()).as_slice() {
        [PublishAction::Pass] => message.topic,
        [PublishAction::Replace(replaced)] => {
            assert_eq!(Publish { topic: message.topic.clone(), ..replaced.clone() }, message, "only the topic changes");
            assert_ne!(replaced.topic, message.topic);
            replaced.topic.clone()
        }
        actions => panic!("{actions:?}"),
    }
}

fn with_attributes(attributes: &[(&str, &str)]) -> Peer {
    let attributes = attributes.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    Peer { attributes, ..peer("CP1") }
}

#[test]
fn without_settings_everything_passes() {
    assert_eq!(routed(&router("{}"), &peer("CP1"), CALL), "ocpp/cp/CP1");
}

#[test]
fn the_first_rule_that_matches_decides() {
    let router = router(
        r#"{"rules": [{"charge_points": ["ACME-??", "AC-*"], "prefix": "acme/"},
                      {"charge_points": ["ACME-*"], "prefix": "acme/old/"},
                      {"charge_points": ["LAB-*"], "prefix": ""}],
            "default_prefix": "other/"}"#,
    );
    for (id, topic) in [
        ("ACME-17", "acme/ocpp/cp/CP1"),
        ("AC-", "acme/ocpp/cp/CP1"),
        ("ACME-170", "acme/old/ocpp/cp/CP1"),
        ("LAB-1", "ocpp/cp/CP1"),
        ("acme-17", "other/ocpp/cp/CP1"),
        ("XACME-17", "other/ocpp/cp/CP1"),
    ] {
        assert_eq!(routed(&router, &peer(id), CALL), topic, "{id}");
    }
}

#[test]
fn rule_matches_if_all_attributes_and_the_identity_match() {
    let router = router(
        r#"{"rules": [{"attributes": {"region": "eu-*", "vendor": "acme"}, "prefix": "eu/acme/"},
                      {"attributes": {"region": "eu-*"}, "charge_points": ["CP?"], "prefix": "eu/"}]}"#,
    );
    assert_eq!(
        routed(&router, &with_attributes(&[("vendor", "acme"), ("region", "eu-1")]), CALL),
        "eu/acme/ocpp/cp/CP1"
    );
    assert_eq!(routed(&router, &with_attributes(&[("region", "eu-1")]), CALL), "eu/ocpp/cp/CP1");
    assert_eq!(routed(&router, &with_attributes(&[("vendor", "acme")]), CALL), "ocpp/cp/CP1");
    assert_eq!(
        routed(&router, &Peer { id: "CP10".into(), ..with_attributes(&[("region", "eu-1")]) }, CALL),
        "ocpp/cp/CP1"
    );
}

#[test]
fn only_topics_of_calls_and_sends_get_the_action() {
    let router = router(r#"{"per_action": true, "default_prefix": "eu/"}"#);
    for (payload, topic) in [
        (CALL, "eu/ocpp/cp/CP1/Heartbeat"),
        (r#" {"Action":"\u0041bc","MessageTypeId":6}"#, "eu/ocpp/cp/CP1/Abc"),
        (r#"{"MessageTypeId":3,"UniqueId":"1","Action":"Reset","Payload":{}}"#, "eu/ocpp/cp/CP1"),
        (r#"{"MessageTypeId":4,"UniqueId":"1","ErrorCode":"GenericError"}"#, "eu/ocpp/cp/CP1"),
        (r#"{"MessageTypeId":"2","Action":"Heartbeat"}"#, "eu/ocpp/cp/CP1"),
        (r#"[2,"Heartbeat"]"#, "eu/ocpp/cp/CP1"),
        ("online", "eu/ocpp/cp/CP1"),
        ("", "eu/ocpp/cp/CP1"),
    ] {
        assert_eq!(routed(&router, &peer("CP1"), payload), topic, "{payload}");
    }
}

#[test]
fn values_from_a_charge_point_cannot_change_the_levels_of_a_topic() {
    let router = router(r#"{"per_action": true}"#);
    let long = "x".repeat(70_000);
    for action in ["a/b", "+", "#", "\\u0000", "\\u0007", "é", "", long.as_str()] {
        let payload = format!(r#"{{"MessageTypeId":2,"UniqueId":"1","Action":"{action}","Payload":{{}}}}"#);
        assert_eq!(routed(&router, &peer("CP1"), &payload), "ocpp/cp/CP1", "{action}");
    }
}

#[test]
fn error_of_a_wrong_setting_begins_with_its_key() {
    for (config, key) in [
        (r#"{"default": "x/"}"#, "default"),
        (r#"{"default_prefix": "x"}"#, "default_prefix"),
        (r#"{"default_prefix": "x/+/"}"#, "default_prefix"),
        (r#"{"per_action": "yes"}"#, "per_action"),
        (r#"{"rules": {}}"#, "rules"),
        (r#"{"rules": [{"prefix": "x/"}]}"#, "rules[0]:"),
        (r#"{"rules": [{"charge_points": ["*"]}]}"#, "rules[0]: missing field `prefix`"),
        (r#"{"rules": [{"charge_points": "*", "prefix": "x/"}]}"#, "rules[0].charge_points"),
        (r#"{"rules": [{"charge_points": ["*"], "prefix": "x/", "region": "eu"}]}"#, "rules[0].region"),
        (
            r#"{"rules": [{"charge_points": ["*"], "prefix": ""}, {"attributes": {"a": "b"}, "prefix": "x#/"}]}"#,
            "rules[1].prefix",
        ),
    ] {
        let error = Router::configure(config).err().expect(config);
        assert!(error.starts_with(key), "{config}: {error}");
    }
    assert!(Router::configure("not JSON").is_err());
}
