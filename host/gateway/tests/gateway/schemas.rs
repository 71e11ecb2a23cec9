//! The published schemas over the admin API.

use crate::Running;
use crate::admin::get;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn actions_are_listed_with_their_senders() {
    let gateway = Running::start("").await;
    let listed = get(&gateway, "/api/v1/schemas").await.json();
    let sent_by = |version: &str, action: &str| {
        let actions = listed[version].as_array().expect("a list");
        actions.iter().find(|it| it["action"] == action).map(|it| it["sent_by"].clone())
    };
    assert_eq!(sent_by("ocpp1.6", "Reset"), Some(json!(["csms"])));
    assert_eq!(sent_by("ocpp1.6", "StartTransaction"), Some(json!(["charge_point"])));
    assert_eq!(sent_by("ocpp2.0.1", "StartTransaction"), None);
    assert_eq!(sent_by("ocpp2.0.1", "DataTransfer"), Some(json!(["charge_point", "csms"])));
    assert_eq!(sent_by("ocpp2.1", "NotifyPeriodicEventStream"), Some(json!(["charge_point"])));
    let counts = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"].map(|version| listed[version].as_array().map(Vec::len));
    assert_eq!(counts, [Some(39), Some(64), Some(91)]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_is_shown_with_its_errata_and_a_missing_one_is_explained() {
    let gateway = Running::start("").await;
    let schema = async |path: &str| get(&gateway, &format!("/api/v1/schemas/{path}")).await;
    let reset = schema("ocpp1.6/Reset").await;
    assert_eq!(reset.json()["properties"]["type"]["enum"], json!(["Hard", "Soft"]));
    let validator = jsonschema::draft4::new(&reset.json()).expect("a schema");
    assert!(validator.is_valid(&json!({"type": "Hard"})) && !validator.is_valid(&json!({"type": "Firm"})));
    let answer = schema("ocpp1.6/Reset?type=CALLRESULT").await.json();
    assert_eq!(answer["properties"]["status"]["enum"], json!(["Accepted", "Rejected"]));
    assert!(schema("ocpp1.6/StopTransaction").await.json().to_string().contains("Hertz"), "an erratum");
    assert!(schema("OCPP2.1/NotifyPeriodicEventStream?type=SEND").await.json()["properties"]["id"].is_object());

    assert!(schema("ocpp1.6/Rest").await.problem(404).contains("did you mean Reset?"));
    assert!(schema("ocpp2.0.1/StartTransaction").await.problem(404).contains("no action \"StartTransaction\""));
    assert!(schema("ocpp2.1/NotifyPeriodicEventStream").await.problem(404).contains("ask for type=SEND"));
    assert!(schema("ocpp1.5/Reset").await.problem(404).contains("unknown OCPP version \"ocpp1.5\""));
    assert!(schema("ocpp1.6/Reset?type=CALLERROR").await.problem(400).contains("CALLRESULT"));
    gateway.stop().await;
}
