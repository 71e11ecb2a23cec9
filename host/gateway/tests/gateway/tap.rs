//! Messages as they pass, for those who watch.

use crate::admin::{JSON, ask, event, get, open};
use crate::security::{auth, basic, entry, folder};
use crate::{Running, call_object, result_object};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::charge_point::ChargePoint;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::time::timeout;

const HEARTBEAT: &str = r#"[2,"1","Heartbeat",{}]"#;

/// A watcher that reads.
struct Tap(Lines<BufReader<TcpStream>>);

impl Tap {
    /// Returns when the watcher gets what passes from now on.
    async fn start(gateway: &Running, query: &str) -> Self {
        let stream = open(gateway.addresses.admin, "GET", &format!("/api/v1/messages{query}"), &[], "").await;
        let mut lines = BufReader::new(stream).lines();
        let status = lines.next_line().await.expect("read").expect("a status");
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        let mut tap = Tap(lines);
        let started = tap.next().await;
        assert_eq!((&started["event"], &started["gateway"]), (&json!("started"), &json!(env!("CARGO_PKG_VERSION"))));
        tap
    }

    async fn next(&mut self) -> Value {
        let (name, line) = event(&mut self.0).await;
        assert_eq!((&line["event"], &line["v"]), (&json!(name), &json!(1)), "{line}");
        assert!(line["time"].as_str().is_some_and(|time| humantime::parse_rfc3339(time).is_ok()), "{line}");
        line
    }

    async fn expect(&mut self, name: &str) -> Value {
        let line = self.next().await;
        assert_eq!(line["event"], name, "{line}");
        line
    }
}

/// A CALL of the charge point and the answer of the back end.
async fn exchange(gateway: &Running, charge_point: &mut ChargePoint, id: &str) {
    let mut back_end = gateway.back_end().await;
    charge_point.send(HEARTBEAT).await;
    back_end.message().await;
    back_end.publish(&format!("ocpp/cs/{id}"), result_object("1", r#"{"currentTime":"now"}"#)).await;
    assert_eq!(charge_point.text().await, r#"[3,"1",{"currentTime":"now"}]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn call_and_answer_are_shown_with_one_exchange() {
    let gateway = Running::start("").await;
    let mut tap = Tap::start(&gateway, "?payload=true").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    assert_eq!(tap.expect("connected").await["charge_point"], "CP1");
    exchange(&gateway, &mut charge_point, "CP1").await;
    let call = tap.expect("message").await;
    let expected = json!({"v": 1, "event": "message", "time": call["time"], "time_us": call["time_us"],
        "charge_point": "CP1", "version": "ocpp1.6", "exchange": call["exchange"], "direction": "uplink",
        "type": "CALL", "action": "Heartbeat", "message_id": "1", "frame": HEARTBEAT,
        "published": [{"topic": "ocpp/cp/CP1", "qos": 1, "retain": false,
                       "payload": call_object("1", "Heartbeat", "{}")}]});
    assert_eq!(call, expected);
    assert!(call["exchange"].is_string() && call["time_us"].as_f64().is_some_and(|time| time > 0.0), "{call}");
    let answer = tap.expect("message").await;
    assert_eq!((&answer["exchange"], &answer["type"]), (&call["exchange"], &json!("CALLRESULT")), "{answer}");
    assert_eq!((&answer["action"], &answer["unanswered"]), (&json!("Heartbeat"), &json!({"1": "Heartbeat"})));
    assert_eq!(answer["message"]["topic"], "ocpp/cs/CP1");
    assert_eq!(answer["sent"], json!([r#"[3,"1",{"currentTime":"now"}]"#]));

    // An exchange that a back end begins. The answer was not sent again as a frame of its own.
    let back_end = gateway.back_end().await;
    back_end.publish("ocpp/cs/CP1", call_object("7", "Reset", "{}")).await;
    charge_point.text().await;
    let reset = tap.expect("message").await;
    assert_eq!((&reset["direction"], &reset["action"]), (&json!("downlink"), &json!("Reset")));
    charge_point.send(r#"[3,"7",{"status":"Accepted"}]"#).await;
    let answer = tap.expect("message").await;
    assert_eq!((&answer["exchange"], &answer["action"]), (&reset["exchange"], &json!("Reset")));
    assert_ne!(answer["exchange"], call["exchange"]);
    charge_point.close().await;
    assert_eq!(tap.expect("disconnected").await["reason"], "gone");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_transforms_do_is_shown_on_request() {
    let heartbeat = "[[transforms]]\nname = \"heartbeat\"\ncomponent = \"builtin:local-heartbeat\"\n";
    let gateway = Running::start(heartbeat).await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let mut bare = Tap::start(&gateway, "").await;
    let mut tap = Tap::start(&gateway, "?payload=true&trace=true").await;
    exchange(&gateway, &mut charge_point, "CP1").await;
    let call = tap.expect("message").await;
    let steps = call["steps"].as_array().expect("steps");
    let hooks: Vec<_> = steps.iter().map(|step| (&step["transform"], &step["hook"])).collect();
    assert_eq!(hooks, [(&json!("heartbeat"), &json!("uplink")), (&json!("standard"), &json!("mapping"))]);
    assert_eq!(steps[0]["actions"], json!([{"action": "pass"}]));
    assert_eq!(tap.expect("message").await["steps"][0]["hook"], "mapping");
    // The second one is answered by the transform, and goes nowhere.
    charge_point.send(r#"[2,"2","Heartbeat",{}]"#).await;
    charge_point.text().await;
    let own = tap.expect("message").await;
    assert_eq!((&own["answer"]["action"], &own["published"]), (&json!("reply"), &Value::Null), "{own}");

    for _ in 0..2 {
        let message = bare.expect("message").await;
        let topics = [&message["published"][0], &message["message"]].map(|message| message["topic"].as_str());
        assert!(topics.iter().any(Option::is_some), "{message}");
        let text = message.to_string();
        assert!(!["frame", "payload", "sent", "steps", "currentTime"].iter().any(|it| text.contains(it)), "{text}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_pass_no_transform_are_shown_by_themselves() {
    let gateway = Running::start("[ocpp]\ncall_timeout = \"1s\"\n").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let mut tap = Tap::start(&gateway, "?payload=true").await;
    // An operator's CALL and its answer.
    let answering = async {
        let text = charge_point.text().await;
        let id = text.split('"').nth(1).expect("an id").to_owned();
        charge_point.send(&format!(r#"[3,"{id}",{{}}]"#)).await;
    };
    let page = "/api/v1/charge-points/CP1/calls";
    let (answer, ()) = tokio::join!(ask(&gateway, "POST", page, &[JSON], r#"{"action":"ClearCache"}"#), answering);
    assert_eq!(answer.status, 200);
    let call = tap.expect("sent").await;
    assert_eq!((&call["action"], &call["direction"]), (&json!("ClearCache"), &json!("downlink")));
    let answer = tap.expect("received").await;
    assert_eq!((&answer["exchange"], &answer["type"]), (&call["exchange"], &json!("CALLRESULT")));
    assert!(call["exchange"].is_string() && answer["frame"].is_string());
    assert_eq!(answer["action"], "ClearCache", "an answer has the action of its CALL");

    // A text that is no frame, the answer to it, and why.
    charge_point.send(r#"[2,"2","Heartbeat",[]]"#).await;
    charge_point.text().await;
    assert_eq!(tap.expect("received").await["frame"], r#"[2,"2","Heartbeat",[]]"#);
    assert_eq!(tap.expect("incident").await["cause"], "bad_frame");
    assert_eq!(tap.expect("sent").await["type"], "CALLERROR");

    // The gateway's own answer to a CALL that no back end answers.
    let _back_end = gateway.back_end().await;
    charge_point.send(HEARTBEAT).await;
    let unanswered = tap.expect("message").await;
    assert!(charge_point.text().await.starts_with(r#"[4,"1","#));
    assert_eq!(tap.expect("incident").await["cause"], "timed_out");
    let error = tap.expect("sent").await;
    assert_eq!((&error["type"], &error["exchange"]), (&json!("CALLERROR"), &unanswered["exchange"]));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn call_that_has_waited_is_shown_when_it_is_sent() {
    let gateway = Running::start("").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let mut tap = Tap::start(&gateway, "?direction=downlink").await;
    let back_end = gateway.back_end().await;
    for id in ["a", "b"] {
        back_end.publish("ocpp/cs/CP1", call_object(id, "Reset", "{}")).await;
    }
    let (first, second) = (tap.expect("message").await, tap.expect("message").await);
    assert_eq!((&first["message_id"], &second["message_id"]), (&json!("a"), &json!("b")));
    charge_point.text().await;
    charge_point.send(r#"[3,"a",{}]"#).await;
    charge_point.text().await;
    let sent = tap.expect("sent").await;
    assert_eq!((&sent["exchange"], &sent["message_id"]), (&second["exchange"], &json!("b")));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn report_to_back_ends_is_shown_with_the_exchange_of_its_call() {
    let gateway = Running::start("").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let mut tap = Tap::start(&gateway, "").await;
    let back_end = gateway.back_end().await;
    back_end.publish("ocpp/cs/CP1", call_object("7", "Reset", "{}")).await;
    charge_point.text().await;
    let call = tap.expect("message").await;
    charge_point.close().await;
    tap.expect("disconnected").await;
    let mut line = tap.next().await;
    while line["event"] == "incident" {
        line = tap.next().await;
    }
    assert_eq!((&line["origin"], &line["type"]), (&json!("gateway"), &json!("CALLERROR")), "{line}");
    assert_eq!((&line["exchange"], &line["published"][0]["topic"]), (&call["exchange"], &json!("ocpp/cp/CP1/Reply")));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_condition_selects_messages() {
    let gateway = Running::start("").await;
    let queries = [
        ("?charge_point=A*", 4),
        ("?charge_point=*2", 4),
        ("?action=Heartbeat", 4),
        ("?type=CALLRESULT", 4),
        ("?direction=downlink", 4),
        ("?topic=ocpp/cp/%2B", 2),
        ("?topic=ocpp/cp/%23", 4),
        ("?topic=ocpp/cs/A1&type=CALL", 1),
        ("?charge_point=B2&action=Reset&direction=uplink", 1),
        ("?charge_point=C*", 0),
    ];
    let mut charge_points = [("A1", gateway.charge_point("A1").await), ("B2", gateway.charge_point("B2").await)];
    let mut taps = Vec::new();
    for (query, _) in queries {
        taps.push(Tap::start(&gateway, query).await);
    }
    let back_end = gateway.back_end().await;
    for (id, charge_point) in &mut charge_points {
        exchange(&gateway, charge_point, id).await;
        back_end.publish(&format!("ocpp/cs/{id}"), call_object("7", "Reset", "{}")).await;
        charge_point.text().await;
        charge_point.send(r#"[3,"7",{}]"#).await;
    }
    gateway.until(r#"ocpp_gateway_calls_total{direction="downlink",action="Reset",outcome="result"}"#, 2.0).await;
    for ((query, expected), mut tap) in queries.into_iter().zip(taps) {
        for _ in 0..expected {
            tap.expect("message").await;
        }
        let more = timeout(std::time::Duration::from_millis(20), tap.next()).await;
        assert!(more.is_err(), "{query}: {more:?}");
    }
    for (query, text) in [
        ("?type=call", "CALLRESULT"),
        ("?direction=up", "uplink"),
        ("?topic=a/%23/b", "topic filter"),
        ("?payload=maybe", "payload: "),
        ("?trace=true", "payload=true"),
        ("?colour=red", "charge_point"),
    ] {
        let problem = get(&gateway, &format!("/api/v1/messages{query}")).await.problem(400);
        assert!(problem.contains(text), "{query}: {problem}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_handshakes_are_shown_and_passwords_never() {
    let folder = folder();
    let users = folder.path().join("users");
    std::fs::write(&users, entry("CP1", b"right-password")).expect("written");
    let gateway = Running::start(&auth(&users)).await;
    let mut tap = Tap::start(&gateway, "?payload=true&trace=true").await;
    let connect = async |password: &[u8]| {
        let stream = TcpStream::connect(gateway.ocpp()).await.expect("connected");
        let authorization = basic("CP1", password);
        ChargePoint::over(stream, "/ocpp/CP1", &["ocpp1.6"], &[("authorization", &authorization)]).await
    };
    assert_eq!(connect(b"wrong-password").await.err().expect("refused").status, 401);
    let refused = tap.expect("refused").await;
    assert_eq!((&refused["identity"], &refused["reason"]), (&json!("CP1"), &json!("unauthorized")));
    let mut seen = refused.to_string();
    let mut charge_point = connect(b"right-password").await.expect("accepted");
    gateway.until_subscribed().await;
    seen += &tap.expect("connected").await.to_string();

    let back_end = gateway.back_end().await;
    let payload = r#"{"key":"AuthorizationKey","value":"next-password"}"#;
    back_end.publish("ocpp/cs/CP1", call_object("7", "ChangeConfiguration", payload)).await;
    assert!(charge_point.text().await.contains("next-password"), "the charge point gets it");
    let change = tap.expect("message").await;
    assert!(change["sent"][0].as_str().is_some_and(|frame| frame.contains(r#""value":"***""#)), "{change}");
    seen += &change.to_string();
    let page = "/api/v1/charge-points/CP1/calls";
    let call = json!({"action": "ChangeConfiguration",
                      "payload": {"key": "AuthorizationKey", "value": "next-password"}});
    let answering = async {
        charge_point.send(r#"[3,"7",{"status":"Accepted"}]"#).await;
        let text = charge_point.text().await;
        let id = text.split('"').nth(1).expect("an id").to_owned();
        charge_point.send(&format!(r#"[3,"{id}",{{}}]"#)).await;
    };
    tokio::join!(ask(&gateway, "POST", page, &[JSON], call.to_string()), answering);
    loop {
        let line = tap.next().await;
        seen += &line.to_string();
        if line["event"] == "sent" {
            break;
        }
    }
    assert!(!seen.contains("-password"), "{seen}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_can_be_left_out_by_configuration() {
    let gateway = Running::start("[admin]\ntap_payloads = false\n").await;
    for query in ["?payload=true", "?payload=true&trace=true"] {
        let problem = get(&gateway, &format!("/api/v1/messages{query}")).await.problem(403);
        assert!(problem.contains("admin.tap_payloads"), "{problem}");
    }
    let mut charge_point = gateway.charge_point("CP1").await;
    let mut tap = Tap::start(&gateway, "").await;
    exchange(&gateway, &mut charge_point, "CP1").await;
    assert_eq!(tap.expect("message").await.get("frame"), None);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_are_limited_and_one_that_never_reads_delays_no_message() {
    let gateway = Running::start("").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let mut watchers = Vec::new();
    for _ in 0..32 {
        watchers.push(Tap::start(&gateway, "?payload=true").await);
    }
    let problem = get(&gateway, "/api/v1/messages").await.problem(503);
    assert!(problem.contains("too many watchers"), "{problem}");
    watchers.truncate(1);
    // More than sockets and the queue hold.
    let mut back_end = gateway.back_end().await;
    let large = format!(r#"[2,"1","DataTransfer",{{"data":"{}"}}]"#, "x".repeat(60_000));
    for _ in 0..300 {
        charge_point.send(&large).await;
        back_end.message().await;
        back_end.publish("ocpp/cs/CP1", result_object("1", "{}")).await;
        assert_eq!(charge_point.text().await, r#"[3,"1",{}]"#);
    }
    let mut watcher = watchers.pop().expect("a watcher");
    let mut shown = 0;
    let missed = loop {
        let line = timeout(TIMEOUT, watcher.next()).await.expect("in time");
        match line["event"].as_str() {
            Some("missed") => break line["missed"].as_u64().expect("a number"),
            _ => shown += 1,
        }
    };
    assert!(missed > 0 && shown > 50, "{missed} missed after {shown}");
    // Room for others again, as soon as the gateway has noticed.
    drop(watcher);
    let again = async {
        while get(&gateway, "/api/v1/messages?trace=true").await.status == 503 {
            crate::pause().await;
        }
    };
    timeout(TIMEOUT, again).await.expect("room");
    gateway.stop().await;
}
