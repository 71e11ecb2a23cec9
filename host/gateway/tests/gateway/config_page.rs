//! The page that shows the settings in force.

use crate::Running;
use crate::admin::{ask, assert_described};
use crate::security::{folder, tls};
use ocpp_gateway_testkit::authority::Authority;
use serde_json::{Value, json};

const PAGE: &str = "/api/v1/config";
const TOKEN: &str = "a-token-for-tests-only";
const AUTHORIZATION: &str = "Bearer a-token-for-tests-only";

#[tokio::test(flavor = "multi_thread")]
async fn settings_in_force_are_shown_without_secrets() {
    let folder = folder();
    let ca = Authority::new(folder.path(), "ca");
    let rest = format!(
        "client_ca = {:?}\n[ocpp]\nopen_calls = 3\n[admin]\ntoken = {TOKEN:?}\n[[transforms]]\nname = \"mine\"\n\
         component = \"builtin:local-heartbeat\"\nconfig = {{ forward_every_s = 7 }}\n",
        ca.pem()
    );
    let gateway = Running::start(&tls(&ca.server(), &rest)).await;
    let get = |path: &'static str| ask(&gateway, "GET", path, &[("Authorization", AUTHORIZATION)], "");
    let document = get("/api/openapi.json").await.json();
    let answer = get(PAGE).await;
    assert_described(&document, "get", PAGE, &answer);
    assert!(!answer.body.contains(TOKEN), "{}", answer.body);
    let page = answer.json();
    assert_eq!(page["settings"]["ocpp"]["open_calls"], 3);
    assert_eq!(page["settings"]["ocpp"]["call_timeout"], "30s", "a default is in force too");
    let mine = &page["settings"]["transforms"][0];
    assert_eq!((&mine["name"], &mine["config"]["forward_every_s"]), (&json!("mine"), &json!(7)));
    assert_eq!(page["limits"], json!([]));

    let certificates = page["certificates"].as_array().expect("a list");
    let uses: Vec<&Value> = certificates.iter().map(|certificate| &certificate["use"]).collect();
    assert_eq!(uses, [&json!("ocpp.tls"), &json!("client_ca")]);
    let keys: Vec<&Value> = certificates.iter().map(|certificate| &certificate["keys"]).collect();
    assert_eq!(keys, [&json!(["ocpp.tls.cert"]), &json!(["ocpp.tls.client_ca"])]);
    assert_eq!(certificates[0]["subject"], "CN=server");
    for certificate in certificates {
        assert_eq!((&certificate["fault"], &certificate["warning"]), (&Value::Null, &Value::Null));
        assert!(certificate["days_left"].as_i64().is_some_and(|days| days > 30), "{certificate}");
    }
    std::fs::remove_file(ca.pem()).expect("removed");
    let page = get(PAGE).await.json();
    let missing = &page["certificates"][1];
    assert!(missing["fault"].as_str().is_some_and(|fault| fault.contains("ca.pem")), "{missing}");
    assert_eq!(missing["subject"], Value::Null);
    gateway.stop().await;
}
