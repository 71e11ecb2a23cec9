//! The admin API: access, list of charge points, operator CALLs, events, metrics.

use crate::{Running, call_object};
use ocpp_gateway_testkit::TIMEOUT;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::time::timeout;

const TOKEN: &str = "a-token-for-tests-only";
pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A response of the admin listener.
pub(crate) struct AdminResponse {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl AdminResponse {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The `detail` of a problem response (RFC 9457). Panics if the status is another.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}{}", self.head, self.body);
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        let problem = self.json();
        assert_eq!(problem["status"], status);
        problem["detail"].as_str().expect("a detail").to_owned()
    }
}

pub(crate) async fn open(
    admin: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> TcpStream {
    let mut stream = TcpStream::connect(admin).await.expect("the admin listener");
    let host = headers.iter().find(|(name, _)| *name == "Host").map_or("localhost", |(_, host)| host);
    let headers = headers.iter().filter(|(name, _)| *name != "Host");
    let headers: String = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.as_ref().len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    // At once: a page that reads no body may have answered and closed before a second part arrives, and the reset of the
    // connection would take the answer away.
    stream.write_all(&[head.as_bytes(), body.as_ref()].concat()).await.expect("sent");
    stream
}

pub(crate) async fn ask(
    gateway: &Running,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> AdminResponse {
    ask_at(gateway.addresses.admin, method, path, headers, body).await
}

pub(crate) async fn ask_at(
    admin: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> AdminResponse {
    let mut stream = open(admin, method, path, headers, body).await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("answered");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    AdminResponse { status, head: head.to_lowercase(), body: body.to_owned() }
}

pub(crate) async fn get(gateway: &Running, path: &str) -> AdminResponse {
    ask(gateway, "GET", path, &[], "").await
}

async fn call(gateway: &Running, id: &str, call: Value) -> AdminResponse {
    ask(gateway, "POST", &format!("/api/v1/charge-points/{id}/calls"), &[JSON], &call.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_probes_are_open_without_the_token() {
    let gateway = Running::start(&format!("[admin]\ntoken = \"{TOKEN}\"")).await;
    for path in ["/metrics", "/api/openapi.json", "/api/v1/charge-points", "/api/v1/events", "/nowhere"] {
        let refused = get(&gateway, path).await;
        refused.problem(401);
        assert!(refused.head.contains("www-authenticate: bearer"), "{}", refused.head);
        ask(&gateway, "GET", path, &[("Authorization", "Bearer a-token-for-tests-onlz")], "").await.problem(401);
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(&gateway, path).await.status, 200, "{path}");
    }
    // The `Host` is not checked where a token is required.
    let headers = [("Authorization", &*format!("Bearer {TOKEN}")), ("Host", "gateway.example")];
    assert_eq!(ask(&gateway, "GET", "/metrics", &headers, "").await.status, 200);
    assert_eq!(ask(&gateway, "DELETE", "/api/v1/charge-points/CP1", &headers, "").await.status, 404);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cross_site_browser_requests_are_refused_where_no_token_is_set() {
    let gateway = Running::start("").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let path = "/api/v1/charge-points/CP1/calls";
    let body = r#"{"action":"Reset","payload":{"type":"Hard"}}"#;
    // DNS rebinding: a foreign name that resolves to this machine.
    ask(&gateway, "GET", "/api/v1/charge-points", &[("Host", "evil.example:8080")], "").await.problem(403);
    // A form: browsers send it to any origin.
    ask(&gateway, "POST", path, &[("Origin", "http://evil.example"), JSON], body).await.problem(403);
    ask(&gateway, "POST", path, &[("Content-Type", "text/plain")], body).await.problem(415);
    // A CORS preflight is not granted.
    let preflight = [("Origin", "http://evil.example"), ("Access-Control-Request-Method", "DELETE")];
    let answer = ask(&gateway, "OPTIONS", "/api/v1/charge-points/CP1", &preflight, "").await;
    assert!(answer.status == 403 && !answer.head.contains("access-control"), "{}", answer.head);

    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    assert_eq!(get(&gateway, "/api/v1/charge-points/CP1").await.status, 200, "still connected");
    assert_eq!(gateway.metric(r#"ocpp_gateway_messages_total{direction="downlink",type="CALL"}"#).await, 0.0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connected_charge_points_are_listed_in_pages() {
    let gateway = Running::start("").await;
    let _third = gateway.charge_point("CP3").await;
    let _first = gateway.charge_point("CP1").await;
    let _second = gateway.charge_point_of("CP%202", "ocpp2.1").await;

    let page = get(&gateway, "/api/v1/charge-points?limit=2").await.json();
    let ids: Vec<&str> =
        page["charge_points"].as_array().expect("a list").iter().filter_map(|c| c["id"].as_str()).collect();
    assert_eq!((ids, &page["total"], &page["next"]), (vec!["CP 2", "CP1"], &json!(3), &json!("CP1")));
    let page = get(&gateway, "/api/v1/charge-points?limit=2&after=CP1").await.json();
    assert_eq!((&page["charge_points"][0]["id"], &page["next"]), (&json!("CP3"), &Value::Null));
    assert_eq!(page["charge_points"].as_array().map(Vec::len), Some(1));
    for wrong in ["limit=0", "limit=1001", "limit=x", "limit=-1"] {
        get(&gateway, &format!("/api/v1/charge-points?{wrong}")).await.problem(400);
    }

    let one = get(&gateway, "/api/v1/charge-points/CP%202").await.json();
    assert_eq!((&one["id"], &one["version"]), (&json!("CP 2"), &json!("ocpp2.1")));
    assert!(one["address"].as_str().is_some_and(|address| address.starts_with("127.0.0.1:")), "{one}");
    assert!(one["connected_since"].as_str().is_some_and(|since| since.ends_with('Z')), "{one}");
    assert_eq!(one["calls"], json!({"from_charge_point": [], "to_charge_point": null, "waiting": 0}));
    get(&gateway, "/api/v1/charge-points/CP4").await.problem(404);
    get(&gateway, "/api/v1/charge-points/%ff").await.problem(400);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charge_point_disconnected_by_an_operator_may_reconnect() {
    let gateway = Running::start("").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let answer = ask(&gateway, "DELETE", "/api/v1/charge-points/CP1", &[], "").await;
    assert_eq!((answer.status, &*answer.body), (204, ""));
    assert_eq!(charge_point.closed().await, Some((1008, "disconnected by an operator".to_owned())));
    let _again = gateway.charge_point("CP1").await;
    assert_eq!(gateway.metric(r#"ocpp_gateway_closed_total{reason="kicked"}"#).await, 1.0);
    assert_eq!(get(&gateway, "/api/v1/charge-points/CP1").await.status, 200);
    ask(&gateway, "DELETE", "/api/v1/charge-points/CP2", &[], "").await.problem(404);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_call_is_answered_and_not_published_to_back_ends() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let request = call(&gateway, "CP1", json!({"action": "Reset", "payload": {"type": "Soft"}}));
    let answering = async {
        let text = charge_point.text().await;
        let id = text.split('"').nth(1).expect("an id").to_owned();
        assert_eq!(text, format!(r#"[2,"{id}","Reset",{{"type":"Soft"}}]"#));
        charge_point.send(&format!(r#"[3,"{id}",{{"status": "Accepted", "n": 1.50}}]"#)).await;
        id
    };
    let (answer, id) = tokio::join!(request, answering);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["message_id"], id);
    assert!(answer.body.contains("1.50"), "byte for byte: {}", answer.body);

    let request = call(&gateway, "CP1", json!({"action": "ClearCache"}));
    let answering = async {
        let text = charge_point.text().await;
        let id = text.split('"').nth(1).expect("an id");
        charge_point.send(&format!(r#"[4,"{id}","NotSupported","no cache",{{"a":1}}]"#)).await;
    };
    let (answer, ()) = tokio::join!(request, answering);
    assert!(answer.problem(502).contains("NotSupported"));
    let error = json!({"code": "NotSupported", "description": "no cache", "details": {"a": 1}});
    assert_eq!(answer.json()["call_error"], error);

    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    assert!(back_end.expect_on("ocpp/cp/CP1").await.contains("Heartbeat"), "no message before it");
    let ended = r#"ocpp_gateway_calls_total{direction="downlink",action="Reset",outcome="result"}"#;
    assert_eq!(gateway.metric(ended).await, 1.0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unanswered_operator_call_reports_the_reason() {
    let gateway = Running::start("[ocpp]\ncall_timeout = \"1s\"\nqueue = 1").await;
    let mut back_end = gateway.back_end().await;
    call(&gateway, "CP1", json!({"action": "Reset"})).await.problem(404);

    let mut charge_point = gateway.charge_point("CP1").await;
    back_end.publish("ocpp/cs/CP1", call_object("1", "Reset", "{}")).await;
    assert!(charge_point.text().await.contains("Reset"));
    // One CALL is open and one is queued, so the queue is full.
    let (waited, refused) = tokio::join!(call(&gateway, "CP1", json!({"action": "ClearCache"})), async {
        while get(&gateway, "/api/v1/charge-points/CP1").await.json()["calls"]["waiting"] != 1 {
            crate::pause().await;
        }
        call(&gateway, "CP1", json!({"action": "GetLocalListVersion"})).await
    });
    refused.problem(429);
    waited.problem(504);
    let report = back_end.expect_on("ocpp/cp/CP1/Reply").await;
    assert!(report.contains(r#""UniqueId":"1""#), "only the back end's own CALL is reported");

    let disconnecting = async {
        while !charge_point.text().await.contains("UnlockConnector") {}
        charge_point.close().await;
    };
    let (failed, ()) = tokio::join!(call(&gateway, "CP1", json!({"action": "UnlockConnector"})), disconnecting);
    failed.problem(502);

    for bad in ["", "[]", r#"{"payload":{}}"#, r#"{"action":"Reset","payload":"x"}"#] {
        ask(&gateway, "POST", "/api/v1/charge-points/CP1/calls", &[JSON], bad).await.problem(400);
    }
    let large = format!(r#"{{"action":"{}"}}"#, "x".repeat(2 << 20));
    ask(&gateway, "POST", "/api/v1/charge-points/CP1/calls", &[JSON], &large).await.problem(413);
    gateway.stop().await;
}

/// The next server-sent event: its name and its data.
pub(crate) async fn event(lines: &mut Lines<BufReader<TcpStream>>) -> (String, Value) {
    let mut name = String::new();
    loop {
        let line = timeout(TIMEOUT, lines.next_line()).await.expect("in time").expect("read").expect("an event");
        if let Some(found) = line.strip_prefix("event: ") {
            name = found.to_owned();
        } else if let Some(data) = line.strip_prefix("data: ") {
            return (name, serde_json::from_str(data).expect("JSON"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_streamed() {
    let gateway = Running::start("").await;
    let stream = open(gateway.addresses.admin, "GET", "/api/v1/events", &[], "").await;
    let mut lines = BufReader::new(stream).lines();
    while !lines.next_line().await.expect("read").expect("a head").is_empty() {}

    let mut charge_point = gateway.charge_point("CP1").await;
    let (name, connected) = event(&mut lines).await;
    assert_eq!(
        (&*name, &connected["charge_point"], &connected["version"]),
        ("connected", &json!("CP1"), &json!("ocpp1.6"))
    );
    charge_point.send(r#"[3,"late",{}]"#).await;
    let (name, incident) = event(&mut lines).await;
    assert_eq!(
        (&*name, &incident["cause"], &incident["message_id"]),
        ("incident", &json!("unknown_call"), &json!("late"))
    );
    charge_point.close().await;
    let (name, disconnected) = event(&mut lines).await;
    assert_eq!((&*name, &disconnected["reason"]), ("disconnected", &json!("gone")));
    assert_eq!(ask(&gateway, "PUT", "/api/v1/transforms/standard", &[], "no component").await.status, 422);
    let (name, swap) = event(&mut lines).await;
    assert_eq!((&*name, &swap["outcome"]), ("swap", &json!("failed")));
    assert!(swap["reason"].as_str().is_some_and(|reason| reason.contains("not WebAssembly")), "{swap}");
    let kept = &swap["transforms"][0];
    assert_eq!((&kept["name"], &kept["change"]), (&json!("standard"), &json!("kept")));
    assert_eq!(kept["now"]["sha256"], get(&gateway, "/api/v1/transforms").await.json()[0]["sha256"]);
    assert!(humantime::parse_rfc3339(swap["time"].as_str().expect("a time")).is_ok(), "{swap}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn query_parameters_that_a_page_lacks_or_that_are_repeated_are_refused() {
    let gateway = Running::start("").await;
    let document = get(&gateway, "/api/openapi.json").await.json();
    let mut checked = 0;
    for (path, page) in document["paths"].as_object().expect("paths") {
        for method in ["get", "put", "post", "delete"].into_iter().filter(|method| page.get(method).is_some()) {
            let target = path.replace("{id}", "CP1").replace("{name}", "standard").replace("{file}", "index.html");
            let target = target.replace("{version}", "ocpp1.6").replace("{action}", "Reset");
            let ask = async |query: &str| {
                ask(&gateway, &method.to_uppercase(), &format!("{target}?{query}"), &[JSON], "{}").await
            };
            let answer = ask("%63olour=red").await;
            if !path.starts_with("/api/") {
                assert_eq!(answer.status, 200, "{method} {path}");
                continue;
            }
            let problem = answer.problem(400);
            assert!(problem.contains("unknown query parameter \"colour\""), "{method} {path}: {problem}");
            assert_described(&document, method, path, &answer);
            let declared = [page, &page[method]].into_iter().filter_map(|it| it["parameters"].as_array()).flatten();
            for name in declared.filter(|it| it["in"] == "query").filter_map(|it| it["name"].as_str()) {
                assert!(problem.contains(name), "{method} {path}: {problem}");
                let nearly = ask(&format!("{}=1", &name[..name.len() - 1])).await.problem(400);
                assert!(nearly.contains(&format!("did you mean {name}?")), "{method} {path}: {nearly}");
                let twice = ask(&format!("{name}=1&{name}=1")).await.problem(400);
                assert!(twice.contains("given twice"), "{method} {path}: {twice}");
            }
            checked += 1;
        }
    }
    assert!(checked > 8, "{checked} operations");
    assert_eq!(ask(&gateway, "HEAD", "/api/v1/charge-points?colour=red", &[], "").await.status, 400);
    ask(&gateway, "PUT", "/api/v1/charge-points?colour=red", &[], "").await.problem(405);
    get(&gateway, "/api/nowhere?colour=red").await.problem(404);
    gateway.stop().await;
}

/// Asserts that the OpenAPI document describes `answer` for this operation.
pub(crate) fn assert_described(document: &Value, method: &str, path: &str, answer: &AdminResponse) {
    let place = format!("{method} {path} {}", answer.status);
    let described = &document["paths"][path][method]["responses"][answer.status.to_string()];
    assert!(described.is_object(), "{place} is not described");
    let Some(content) = described["content"].as_object() else {
        return assert_eq!(answer.body, "", "{place}");
    };
    let has_media_type = |media_type: &str| answer.head.contains(&format!("content-type: {media_type}"));
    let response = content.iter().find(|(media_type, _)| has_media_type(media_type));
    let (media_type, content) = response.unwrap_or_else(|| panic!("{place}: {}", answer.head));
    if media_type.ends_with("json") {
        let mut schema = content["schema"].clone();
        schema["components"] = document["components"].clone();
        let validator = jsonschema::draft202012::new(&schema).expect("a schema");
        let violations: Vec<String> = validator.iter_errors(&answer.json()).map(|error| error.to_string()).collect();
        assert!(violations.is_empty(), "{place}: {violations:?}\n{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_match_the_openapi_document() {
    const CALLS: &str = "/api/v1/charge-points/{id}/calls";
    let gateway = Running::start("").await;
    let mut charge_point = gateway.charge_point("CP001").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    let document = get(&gateway, "/api/openapi.json").await.json();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut operations = Vec::new();
    for (path, page) in document["paths"].as_object().expect("paths") {
        for method in ["get", "put", "post", "delete"].into_iter().filter(|method| page.get(method).is_some()) {
            operations.push(format!("{method} {path}"));
            // The streams never end, and CALLs are tested below.
            if path == "/api/v1/events" || path == "/api/v1/messages" || path == CALLS {
                continue;
            }
            for (id, name, file) in
                [("CP001", "standard", "app.js"), ("unknown", "unknown", "unknown.js"), ("%ff", "%ff", "%ff")]
            {
                let target = path.replace("{id}", id).replace("{name}", name).replace("{file}", file);
                let action = if id == "CP001" { "Reset" } else { name };
                let target = target.replace("{version}", "ocpp1.6").replace("{action}", action);
                let answer = ask(&gateway, &method.to_uppercase(), &target, &[], "x").await;
                assert_described(&document, method, path, &answer);
            }
        }
    }
    operations.sort();
    let expected = [
        "delete /api/v1/charge-points/{id}",
        "delete /api/v1/transforms/{name}",
        "delete /api/v1/transforms/{name}/trial",
        "delete /api/v1/transforms/{name}/upload",
        "get /",
        "get /api/openapi.json",
        "get /api/v1/audit",
        "get /api/v1/charge-points",
        "get /api/v1/charge-points/{id}",
        "get /api/v1/config",
        "get /api/v1/drop-ins",
        "get /api/v1/events",
        "get /api/v1/events/recent",
        "get /api/v1/figures",
        "get /api/v1/listeners",
        "get /api/v1/log-level",
        "get /api/v1/me",
        "get /api/v1/messages",
        "get /api/v1/problems",
        "get /api/v1/refusals",
        "get /api/v1/schemas",
        "get /api/v1/schemas/{version}/{action}",
        "get /api/v1/transforms",
        "get /api/v1/transforms/{name}",
        "get /api/v1/transforms/{name}/log",
        "get /api/v1/transforms/{name}/trial",
        "get /console/{file}",
        "get /healthz",
        "get /metrics",
        "get /readyz",
        "post /api/v1/charge-points/{id}/calls",
        "post /api/v1/transforms",
        "post /api/v1/transforms/{name}/fetch",
        "post /api/v1/transforms/{name}/rollback",
        "post /api/v1/transforms/{name}/trial",
        "post /api/v1/transforms/{name}/trial/promote",
        "post /api/v1/try",
        "put /api/v1/log-level",
        "put /api/v1/transforms/order",
        "put /api/v1/transforms/{name}",
        "put /api/v1/transforms/{name}/config",
    ];
    assert_eq!(operations, expected);

    let mut charge_point = gateway.charge_point("CP2").await;
    for answer in [r#"3,"ID",{"status":"Accepted"}"#, r#"4,"ID","NotSupported","",{}"#] {
        let answering = async {
            let text = charge_point.text().await;
            let id = text.split('"').nth(1).expect("an id");
            charge_point.send(&format!("[{}]", answer.replace("ID", id))).await;
        };
        let (answer, ()) = tokio::join!(call(&gateway, "CP2", json!({"action": "ClearCache"})), answering);
        assert_described(&document, "post", CALLS, &answer);
    }
    get(&gateway, "/nowhere").await.problem(404);
    let wrong = ask(&gateway, "POST", "/healthz", &[], "").await;
    wrong.problem(405);
    assert!(wrong.head.contains("allow: get"), "{}", wrong.head);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_actions_create_no_metric_series() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let lines = async || gateway.admin("/metrics").await.lines().filter(|line| !line.starts_with('#')).count();
    let complete_call = async |charge_point: &mut ocpp_gateway_testkit::charge_point::ChargePoint,
                               back_end: &mut ocpp_gateway_testkit::back_end::BackEnd,
                               action: &str| {
        charge_point.send(&format!(r#"[2,"1","{action}",{{}}]"#)).await;
        back_end.message().await;
        back_end.publish("ocpp/cs/CP1", crate::result_object("1", "{}")).await;
        charge_point.text().await;
    };
    complete_call(&mut charge_point, &mut back_end, "Made").await;
    let before = lines().await;
    for number in 0..30 {
        complete_call(&mut charge_point, &mut back_end, &format!("Made{number}")).await;
    }
    assert_eq!(lines().await, before);
    let other = r#"ocpp_gateway_calls_total{direction="uplink",action="other",outcome="result"}"#;
    assert_eq!(gateway.metric(other).await, 31.0);
    gateway.stop().await;
}
