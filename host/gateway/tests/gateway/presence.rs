//! Events about connected charge points, and the status topic of the gateway.

use crate::{Running, configuration};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::back_end::BackEnd;
use std::process::{Child, Command, Stdio};

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_and_disconnections_are_published() {
    let events = "connected = \"ev/${cid}/on\"\ndisconnected = \"ev/${cid}/off/${gateway}\"\nretain = true";
    let gateway = Running::start(&format!("[mqtt]\nclient_id = \"gw\"\n[events]\n{events}")).await;
    let mut back_end = BackEnd::listen(gateway.broker(), "ev/#").await;
    let charge_point = gateway.charge_point_of("CP%201", "ocpp2.0.1").await;
    let (topic, text) = back_end.message().await;
    let (connected, kept) = (json(&text), text.clone());
    assert_eq!(topic, "ev/CP 1/on");
    assert_eq!((&connected["chargePoint"], &connected["version"]), (&"CP 1".into(), &"ocpp2.0.1".into()));
    assert!(connected["address"].as_str().expect("an address").starts_with("127.0.0.1:"), "{text}");
    let time = connected["time"].as_str().expect("a time");
    assert!(time.len() == "2026-01-01T00:00:00.000Z".len() && time.ends_with('Z'), "{text}");
    assert!(connected.get("reason").is_none(), "{text}");

    charge_point.close().await;
    let (topic, text) = back_end.message().await;
    let disconnected = json(&text);
    let name = disconnected["gateway"].as_str().expect("a name");
    assert!(name == "gw" && topic == "ev/CP 1/off/gw", "{topic} {text}");
    assert_eq!(disconnected["reason"], "gone");
    for same in ["chargePoint", "version", "address", "gateway", "connection"] {
        assert_eq!(connected[same], disconnected[same], "{same}");
    }
    // The event is retained, so later subscribers receive it.
    let mut later = BackEnd::listen(gateway.broker(), "ev/+/on").await;
    assert_eq!(later.expect_on("ev/CP 1/on").await, kept);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnected_event_gives_the_reason() {
    let events = "[events]\ndisconnected = \"ev/${cid}\"";
    let with_idle_timeout =
        Running::start(&format!("{events}\n[ocpp]\nidle_timeout = \"200ms\"\nping_interval = \"0s\"")).await;
    let mut back_end = BackEnd::listen(with_idle_timeout.broker(), "ev/#").await;
    let _silent = with_idle_timeout.charge_point("CP1").await;
    assert_eq!(json(&back_end.expect_on("ev/CP1").await)["reason"], "silent");
    with_idle_timeout.stop().await;
    let gateway = Running::start(events).await;
    let mut back_end = BackEnd::listen(gateway.broker(), "ev/#").await;
    let mut binary = gateway.charge_point("CP2").await;
    binary.send_binary(b"x").await;
    assert_eq!(json(&back_end.expect_on("ev/CP2").await)["reason"], "binary");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_published_without_event_topics() {
    let gateway = Running::start("").await;
    let mut back_end = BackEnd::listen(gateway.broker(), "#").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    // No event precedes this message.
    back_end.expect_on("ocpp/cp/CP1").await;
    assert!(configuration("").mqtt.status_topic.is_none());
    gateway.stop().await;
}

/// The program, with another gateway's broker. Killed when dropped.
struct GatewayProcess(Child);

impl GatewayProcess {
    fn start(broker: std::net::SocketAddr, directory: &std::path::Path) -> Self {
        let file = directory.join("gateway.toml");
        let toml = format!(
            "[ocpp]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[mqtt]\nurl = \"mqtt://{broker}\"\n\
             client_id = \"second\"\nstatus_topic = \"status\"\n"
        );
        std::fs::write(&file, toml).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
        command.arg("--config").arg(file).stdout(Stdio::null()).stderr(Stdio::null());
        GatewayProcess(command.spawn().expect("the program runs"))
    }

    fn terminate(&self) {
        let kill = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.0.id())).status();
        assert!(kill.expect("a shell").success());
    }
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_topic_shows_start_stop_and_crash_of_a_gateway() {
    let gateway = Running::start("").await;
    let directory = tempfile::tempdir().expect("a directory");
    let mut back_end = BackEnd::listen(gateway.broker(), "status").await;

    let mut program = GatewayProcess::start(gateway.broker(), directory.path());
    assert_eq!(back_end.expect_on("status").await, "online");
    // After an orderly stop the gateway publishes its status itself.
    program.terminate();
    assert_eq!(back_end.expect_on("status").await, "offline");
    let ended = tokio::task::spawn_blocking(move || program.0.wait().expect("ended"));
    assert!(tokio::time::timeout(TIMEOUT, ended).await.expect("in time").expect("no panic").success());

    let mut program = GatewayProcess::start(gateway.broker(), directory.path());
    assert_eq!(back_end.expect_on("status").await, "online");
    // After SIGKILL the broker publishes the will.
    program.0.kill().expect("killed");
    assert_eq!(back_end.expect_on("status").await, "offline");
    let mut later = BackEnd::listen(gateway.broker(), "status").await;
    assert_eq!(later.expect_on("status").await, "offline", "the status is retained");
    gateway.stop().await;
}
