//! The token that may look, but not change anything.

use crate::Running;
use crate::admin::{AdminResponse, JSON, ask, assert_described, get};
use serde_json::{Value, json};

const ADMIN: &str = "a-token-for-tests-only";
const VIEWER: &str = "another-token-for-tests";

fn tokens() -> String {
    format!("[admin]\ntoken = \"{ADMIN}\"\nviewer_token = \"{VIEWER}\"\n")
}

async fn ask_as(gateway: &Running, token: &str, method: &str, path: &str, body: &str) -> AdminResponse {
    ask(gateway, method, path, &[("Authorization", &format!("Bearer {token}")), JSON], body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn viewer_token_shows_everything_and_changes_nothing() {
    let gateway = Running::start(&tokens()).await;
    let document = ask_as(&gateway, VIEWER, "GET", "/api/openapi.json", "").await.json();
    let (mut shown, mut refused) = (0, 0);
    for (path, page) in document["paths"].as_object().expect("paths") {
        // Streams do not end.
        if path == "/api/v1/events" || path == "/api/v1/messages" || path == "/api/v1/try" {
            continue;
        }
        let target = path.replace("{id}", "CP1").replace("{name}", "standard").replace("{file}", "app.js");
        for method in ["get", "put", "post", "delete"].into_iter().filter(|method| page.get(method).is_some()) {
            let answer = ask_as(&gateway, VIEWER, &method.to_uppercase(), &target, "{}").await;
            if method == "get" {
                assert!(![401, 403].contains(&answer.status), "{path}: {}", answer.body);
                shown += 1;
            } else {
                let problem = answer.problem(403);
                assert!(problem.contains("the viewer token may look, not change"), "{method} {path}: {problem}");
                assert_described(&document, method, path, &answer);
                refused += 1;
            }
        }
    }
    assert!(shown > 10 && refused > 10, "{shown} shown, {refused} refused");
    let log_level = ask_as(&gateway, ADMIN, "PUT", "/api/v1/log-level", r#"{"filter":"nonsense!"}"#).await;
    assert_eq!(log_level.status, 400, "the admin token may change it");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn viewer_tries_messages_but_no_candidate() {
    let gateway = Running::start(&tokens()).await;
    let message = json!({"charge_point": {"id": "CP1"}, "frame": r#"[2,"1","Heartbeat",{}]"#});
    let answer = ask_as(&gateway, VIEWER, "POST", "/api/v1/try", &message.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut with_candidate = message;
    with_candidate["candidate"] = json!({"name": "mine", "component": "builtin:jq", "config": {"program": "."}});
    let with_candidate = with_candidate.to_string();
    ask_as(&gateway, VIEWER, "POST", "/api/v1/try", &with_candidate).await.problem(403);
    let answer = ask_as(&gateway, ADMIN, "POST", "/api/v1/try", &with_candidate).await;
    assert_ne!(answer.status, 403, "{}", answer.body);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_learn_what_they_may_do() {
    let gateway = Running::start(&(tokens() + "tap_payloads = false")).await;
    get(&gateway, "/api/v1/me").await.problem(401);
    for (token, name, may_change) in [(ADMIN, "admin", true), (VIEWER, "viewer", false)] {
        let me = ask_as(&gateway, token, "GET", "/api/v1/me", "").await.json();
        assert_eq!(
            (&me["token"], &me["may_change"], &me["payloads"]),
            (&json!(name), &json!(may_change), &json!(false))
        );
    }
    gateway.stop().await;

    let gateway = Running::start("").await;
    let me = get(&gateway, "/api/v1/me").await.json();
    assert_eq!((&me["token"], &me["may_change"], &me["payloads"]), (&Value::Null, &json!(true), &json!(true)));
    assert_eq!(me["gateway"], env!("CARGO_PKG_VERSION"));
    let time = |name: &str| humantime::parse_rfc3339(me[name].as_str().expect("a time")).expect("a time");
    assert!(time("started") <= time("now"), "{me}");
    gateway.stop().await;
}
