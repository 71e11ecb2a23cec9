//! Metrics and shutdown.

use crate::{Running, call_object, exchange_raw, result_object};
use ocpp_gateway_testkit::back_end::BackEnd;

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_messages_and_calls() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    back_end.publish("ocpp/cs/CP1", result_object("1", "{}")).await;
    charge_point.text().await;
    for (name, value) in [
        ("ocpp_gateway_connections", 1.0),
        (r#"ocpp_gateway_messages_total{direction="uplink",type="CALL"}"#, 1.0),
        (r#"ocpp_gateway_messages_total{direction="downlink",type="CALLRESULT"}"#, 1.0),
        (r#"ocpp_gateway_calls_total{direction="uplink",action="Heartbeat",outcome="result"}"#, 1.0),
        (r#"ocpp_gateway_message_duration_seconds_count{direction="uplink"}"#, 1.0),
        (r#"ocpp_gateway_message_duration_seconds_count{direction="downlink"}"#, 1.0),
        (r#"ocpp_gateway_answer_duration_seconds_count{direction="uplink"}"#, 1.0),
        (r#"ocpp_gateway_mqtt_connected{connection="publisher"}"#, 1.0),
        ("ocpp_gateway_mqtt_published_total", 1.0),
        ("ocpp_gateway_mqtt_received_total", 1.0),
        ("ocpp_gateway_mqtt_subscriptions", 1.0),
        (r#"ocpp_gateway_transform_calls_total{transform="standard"}"#, 3.0),
        (r#"ocpp_gateway_transform_failures_total{transform="standard"}"#, 0.0),
    ] {
        assert_eq!(gateway.metric(name).await, value, "{name}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn call_and_answer_pass_over_mqtt_5() {
    let gateway = Running::start("[mqtt]\nversion = 5\n[mqtt.embedded]\nlisten = \"127.0.0.1:0\"").await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/CP1").await;
    back_end.publish("ocpp/cs/CP1", result_object("1", "{}")).await;
    assert_eq!(charge_point.text().await, r#"[3,"1",{}]"#);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_waits_for_open_calls_and_sends_close_frames() {
    let gateway = Running::start("[shutdown]\ngrace = \"1min\"").await;
    let mut back_end = gateway.back_end().await;
    let mut busy = gateway.charge_point("BUSY").await;
    let mut quiet = gateway.charge_point("QUIET").await;
    back_end.publish("ocpp/cs/BUSY", call_object("1", "Reset", "{}")).await;
    busy.text().await;

    let stopping = tokio::spawn(gateway.stop());
    assert_eq!(quiet.closed().await.expect("a reason").0, 1001);
    assert!(!stopping.is_finished());
    busy.send(r#"[3,"1",{"status":"Accepted"}]"#).await;
    assert_eq!(back_end.expect_on("ocpp/cp/BUSY/Reply").await, result_object("1", r#"{"status":"Accepted"}"#));
    assert_eq!(busy.closed().await.expect("a reason").0, 1001);
    stopping.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_waits_at_most_the_grace_time() {
    let gateway = Running::start("[shutdown]\ngrace = \"200ms\"").await;
    let mut back_end: BackEnd = gateway.back_end().await;
    let mut busy = gateway.charge_point("BUSY").await;
    back_end.publish("ocpp/cs/BUSY", call_object("1", "Reset", "{}")).await;
    busy.text().await;
    let stopping = tokio::spawn(gateway.stop());
    let report = back_end.expect_on("ocpp/cp/BUSY/Reply").await;
    assert!(report.contains(r#""UniqueId":"1","ErrorCode":"InternalError""#), "{report}");
    assert_eq!(busy.closed().await.expect("a reason").0, 1001);
    stopping.await.expect("no panic");
}

/// Dashboards and alerts use these names. A counter labelled by reason or outcome appears with its first event.
#[tokio::test(flavor = "multi_thread")]
async fn metric_names_are_stable() {
    let gateway = Running::start("").await;
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\
                   Connection: close\r\n\r\n";
    let page = exchange_raw(gateway.addresses.admin, request.as_bytes()).await;
    assert!(page.contains("content-type: application/openmetrics-text; version=1.0.0"), "{page}");
    assert!(page.ends_with("# EOF\n"), "{page}");
    let mut names: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ocpp_gateway_")).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "answer_duration_seconds histogram",
            "build info",
            "calls counter",
            "connected counter",
            "connections gauge",
            "echoes counter",
            "incidents counter",
            "limited counter",
            "listener_accepted counter",
            "listener_connections gauge",
            "listener_refused counter",
            "message_duration_seconds histogram",
            "messages counter",
            "mqtt_acknowledged counter",
            "mqtt_backlog gauge",
            "mqtt_connected gauge",
            "mqtt_connects counter",
            "mqtt_failures counter",
            "mqtt_in_flight gauge",
            "mqtt_lost counter",
            "mqtt_no_subscriber counter",
            "mqtt_not_retained counter",
            "mqtt_oversized counter",
            "mqtt_published counter",
            "mqtt_received counter",
            "mqtt_resent counter",
            "mqtt_subscriptions gauge",
            "mqtt_unconfirmed counter",
            "mqtt_unrouted counter",
            "mqtt_writes counter",
            "queue_memory_bytes gauge",
            "resident_memory_bytes gauge",
            "subscribed gauge",
            "transform info",
            "transform_calls counter",
            "transform_failures counter",
            "transform_instances gauge",
            "transform_log_lines_suppressed counter",
            "transform_readings_refused counter",
            "transform_refusals counter",
            "transform_reported counter",
            "transform_reported_sum counter",
            "transform_stopped gauge",
            "transform_stopped_charge_points gauge",
            "transform_timed_calls counter",
            "transform_timed_seconds counter",
            "trial_calls counter",
            "trial_charge_points gauge",
        ]
    );
    for name in names {
        let (name, kind) = name.split_once(' ').expect("a name and a type");
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let is_documented = include_str!("../../../../docs/metrics.md").contains(&format!("`{name}{suffix}`"));
        assert!(is_documented, "{name}{suffix} is not in docs/metrics.md");
    }
    let text = gateway.admin("/metrics").await;
    assert!(text.contains("content-type: text/plain; version=0.0.4") && !text.contains("# EOF"), "{text}");
    for line in [
        "# TYPE ocpp_gateway_connected_total counter",
        "# TYPE process_cpu_seconds_total counter",
        "# TYPE process_resident_memory_bytes gauge",
        "# TYPE process_virtual_memory_bytes gauge",
        "# TYPE process_open_fds gauge",
        "# TYPE process_max_fds gauge",
        "# TYPE process_start_time_seconds gauge",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
    }
    let version = concat!("ocpp_gateway_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"");
    let transform = text.lines().find(|line| line.starts_with("ocpp_gateway_transform_info{transform=\"standard\""));
    let sha256 = transform.and_then(|line| line.split_once("sha256=\"")?.1.split('"').next()).unwrap_or_default();
    assert!(text.contains(version) && sha256.len() == 64, "{text}");
    gateway.stop().await;
}
