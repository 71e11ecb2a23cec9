//! Any payload is valid, or its violation has a short description that quotes no value.

use ocpp_gateway_core::{Action, MessageType, Payload, Schema, Version};
use proptest::prelude::*;
use serde_json::{Map, Number, Value};

/// Names of members in the specifications, of all types, and one unknown name.
const NAMES: [&str; 24] = [
    "idTag",
    "idToken",
    "type",
    "status",
    "connectorId",
    "evse",
    "id",
    "timestamp",
    "meterValue",
    "sampledValue",
    "value",
    "unit",
    "unitOfMeasure",
    "reason",
    "transactionId",
    "chargingStation",
    "model",
    "vendorName",
    "vendorId",
    "customData",
    "location",
    "csChargingProfiles",
    "key",
    "unheardOf",
];

/// JSON in which every text is a secret, a value of some enumerations, or a timestamp.
fn json() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["secret.{0,60}", Just("Accepted".to_owned()), Just("2026-01-01T00:00:00Z".to_owned())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Number(Number::from(number))),
        any::<f64>().prop_map(|number| Number::from_f64(number).map_or(Value::Null, Value::Number)),
        text.prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            object(inner).prop_map(Value::Object),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let name = prop::sample::select(&NAMES).prop_map(str::to_owned);
    prop::collection::btree_map(name, inner, 0..8).prop_map(Map::from_iter)
}

fn message() -> impl Strategy<Value = (Version, MessageType, Action)> {
    let kinds = [MessageType::Call, MessageType::CallResult, MessageType::Send];
    let actions: Vec<Action> = Action::all().collect();
    (prop::sample::select(&Version::ALL), prop::sample::select(kinds.to_vec()), prop::sample::select(actions))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn violations_quote_no_value((version, kind, action) in message(), payload in object(json())) {
        let text = Value::Object(payload).to_string();
        let Ok(schema) = Schema::find(version, kind, action.name()) else { return Ok(()) };
        if let Some(error) = schema.violation(version, &Payload::new(&text)) {
            prop_assert!(error.code.ends_with("Violation"), "{}", error.code);
            prop_assert!(!error.description.contains("secret"), "{}", error.description);
            prop_assert!(error.description.chars().count() <= 255);
        }
    }

    #[test]
    fn arbitrary_text_is_always_a_violation(text in ".{0,200}") {
        let payload = Payload::new(&text);
        for version in Version::ALL {
            let schema = Schema::find(version, MessageType::Call, "DataTransfer").expect("a schema");
            // No text of this pattern is an object that DataTransfer accepts.
            prop_assert!(schema.violation(version, &payload).is_some());
        }
    }
}
