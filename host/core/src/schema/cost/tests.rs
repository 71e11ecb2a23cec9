use super::*;
use serde_json::json;

fn refused(schema: &Value) -> String {
    Plan::of(schema).expect_err("refused")
}

/// A schema of this many definitions, each of which applies the next one twice.
fn doubling(levels: usize, keyword: &str) -> Value {
    let definitions: Map<_, _> = (0..levels)
        .map(|level| {
            let next = json!({ "$ref": format!("#/definitions/d{}", level + 1) });
            (format!("d{level}"), json!({ keyword: [next.clone(), next] }))
        })
        .chain([(format!("d{levels}"), json!({ "type": "object" }))])
        .collect();
    json!({ "$ref": "#/definitions/d0", "definitions": definitions })
}

#[test]
fn short_schema_of_exponential_cost_is_refused() {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        assert!(refused(&doubling(25, keyword)).contains("more than 100000 parts"), "{keyword}");
        assert!(Plan::of(&doubling(10, keyword)).is_ok(), "{keyword}");
    }
    assert!(refused(&doubling(40, "allOf")).contains("more than"));
}

#[test]
fn schema_that_is_too_deep_is_refused() {
    let chain = |length: usize| {
        let definitions: Map<_, _> = (0..length)
            .map(|level| (format!("d{level}"), json!({ "$ref": format!("#/definitions/d{}", level + 1) })))
            .chain([(format!("d{length}"), json!({}))])
            .collect();
        // The end of the chain comes first, so that no part is read at a great depth.
        let ends: Vec<_> =
            (0..length).rev().map(|level| json!({ "$ref": format!("#/definitions/d{level}") })).collect();
        json!({ "anyOf": ends, "definitions": definitions })
    };
    assert!(Plan::of(&chain(50)).is_ok());
    assert!(refused(&chain(10_000)).contains("more than 64 levels"));
}

#[test]
fn schema_whose_cost_cannot_be_estimated_is_refused() {
    for (schema, reason) in [
        (json!({ "$dynamicRef": "#x" }), "$dynamicRef"),
        (json!({ "properties": { "a": { "$id": "http://example.org/a" } } }), "$id below the root"),
        (json!({ "$ref": "http://json-schema.org/draft-07/schema#" }), "only references to parts of the schema itself"),
        (json!({ "$ref": "#anchor" }), "only references to parts"),
        (json!({ "$ref": "#/nowhere" }), "does not exist"),
    ] {
        let found = refused(&schema);
        assert!(found.contains(reason), "{schema}: {found}");
    }
    // Names and values that only look like these keywords.
    let harmless = json!({ "$id": "urn:x", "properties": { "$id": {}, "id": { "enum": [{ "$ref": "#x" }] } },
        "allOf": [{ "$ref": "urn:x#/properties/id" }] });
    assert!(Plan::of(&harmless).is_ok());
}

#[test]
fn cost_of_a_recursive_schema_depends_on_the_payload() {
    let twice = json!({ "properties": { "a": { "allOf": [{ "$ref": "#" }, { "$ref": "#" }] } } });
    let plan = Plan::of(&twice).expect("a plan");
    let nested = |levels: usize| (0..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
    assert_eq!(plan.check(&nested(5), 50), Ok(()));
    assert_eq!(plan.check(&nested(40), 400), Err(TooCostly));
    // No branches, but more levels than the stack of a thread may hold.
    let once = Plan::of(&json!({ "properties": { "a": { "$ref": "#" } } })).expect("a plan");
    assert_eq!(once.check(&nested(50), 500), Ok(()));
    assert_eq!(once.check(&nested(120), 1200), Err(TooCostly));
}

#[test]
fn cost_of_large_payloads_is_summed_value_by_value() {
    let schema = json!({ "properties": { "list": { "items": { "allOf": vec![json!({ "type": "integer" }); 100] } } } });
    let plan = Plan::of(&schema).expect("a plan");
    let list = |items: usize| json!({ "list": vec![1; items] });
    assert_eq!(plan.check(&list(1_000), 2_010), Ok(()));
    assert_eq!(plan.check(&list(10_000), 20_010), Err(TooCostly));
    // Values that no part applies to cost nothing.
    assert_eq!(plan.check(&json!({ "other": vec![1; 100_000] }), 200_010), Ok(()));
    let pattern = Plan::of(&json!({ "properties": { "a": { "pattern": "^a*$" } } })).expect("a plan");
    assert_eq!(pattern.check(&json!({ "a": "a".repeat(10_000) }), 10_010), Ok(()));
    assert_eq!(pattern.check(&json!({ "a": "a".repeat(100_000) }), 100_010), Err(TooCostly));
    let unevaluated = (0..30).fold(json!({}), |inner, _| json!({ "allOf": [inner], "unevaluatedProperties": false }));
    assert!(refused(&unevaluated).contains("parts"));
}
