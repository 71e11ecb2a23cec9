//! `ocpp-gateway ctl`: the program against a running gateway.

use crate::Running;
use crate::log::FREE_PORTS;
use crate::secrets::ConfiguredProgram;
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::charge_point::ChargePoint;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use tokio::task::{block_in_place, spawn_blocking};

const TOKEN: &str = "a-token-for-tests-only";

pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
    command.args(arguments).stdin(Stdio::null());
    for variable in ["OCPP_GATEWAY_URL", "OCPP_GATEWAY_TOKEN", "OCPP_GATEWAY_TOKEN_FILE", "OCPP_GATEWAY_CA"] {
        command.env_remove(variable);
    }
    command
}

fn ctl_command(admin: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = program(&["ctl"]);
    command.args(arguments).env("OCPP_GATEWAY_URL", format!("http://{admin}"));
    command
}

fn ctl(gateway: &Running, arguments: &[&str]) -> Output {
    block_in_place(|| ctl_command(gateway.addresses.admin, arguments).output()).expect("the program runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// The standard output of a command that succeeds.
#[track_caller]
pub(crate) fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    stdout(output)
}

/// The standard error of a command that fails.
#[track_caller]
pub(crate) fn failed(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").expect("a head").1
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_readiness_charge_points_and_transforms() {
    let gateway = Running::start("").await;
    let _charge_point = gateway.charge_point("CP1").await;
    let text = printed(&ctl(&gateway, &["status"]));
    assert!(text.starts_with(&format!("gateway        ready, http://{}\n", gateway.addresses.admin)), "{text}");
    assert!(text.contains("charge points  1\n"), "{text}");
    let standard = text.lines().find(|line| line.starts_with("standard ")).expect("a line");
    assert!(standard.contains("builtin:standard") && standard.ends_with(" ok"), "{text}");
    let status: Value = serde_json::from_str(&printed(&ctl(&gateway, &["status", "--json"]))).expect("JSON");
    assert_eq!((&status["readiness"]["ready"], &status["charge_points"]), (&json!(true), &json!(1)));
    assert_eq!(status["transforms"][0]["name"], "standard");
    assert_eq!(status["problems"], json!({"problems": []}));

    // A failed upload marks the transform, and says why.
    gateway.request("PUT", "/api/v1/transforms/standard", b"no component").await;
    let text = printed(&ctl(&gateway, &["transforms", "list"]));
    assert!(text.contains("! the latest change failed\n") && text.contains("not WebAssembly"), "{text}");
    let text = printed(&ctl(&gateway, &["status"]));
    assert!(text.contains("\nwarning        The latest change of transform standard failed"), "{text}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_fails_while_the_gateway_is_not_ready() {
    let unused = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let gateway = Running::start_unready(&format!("[mqtt]\nurl = \"mqtt://{unused}\"")).await;
    let output = ctl(&gateway, &["status"]);
    assert_eq!(failed(&output, 1), "");
    let text = stdout(&output);
    assert!(text.contains("gateway        not ready, "), "{text}");
    assert!(text.contains("\nerror          The MQTT broker cannot be reached ("), "{text}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charge_points_are_listed_shown_and_disconnected() {
    let gateway = Running::start("").await;
    assert_eq!(printed(&ctl(&gateway, &["charge-points"])), "No charge point is connected.\n");
    let mut first = gateway.charge_point("CP1").await;
    let _second = gateway.charge_point_of("CP%202", "ocpp2.1").await;
    let text = printed(&ctl(&gateway, &["charge-points"]));
    let ids: Vec<_> = text.lines().map(|line| line.split("  ").next().unwrap_or_default()).collect();
    assert_eq!(ids, ["ID", "CP 2", "CP1"], "{text}");
    let page = gateway.admin("/api/v1/charge-points?limit=1000").await;
    assert_eq!(printed(&ctl(&gateway, &["charge-points", "--json"])), body(&page));

    first.send(r#"[2,"1","Heartbeat",{}]"#).await;
    gateway.until(r#"ocpp_gateway_messages_total{direction="uplink",type="CALL"}"#, 1.0).await;
    let text = printed(&ctl(&gateway, &["charge-points", "CP1"]));
    assert!(text.contains("version          ocpp1.6\n") && text.contains("CALLs from it    Heartbeat\n"), "{text}");
    let text = failed(&ctl(&gateway, &["charge-points", "CP3"]), 1);
    assert_eq!(text, "ocpp-gateway: \"CP3\" is not connected (404 Not Found)\n");

    // An unknown one does not keep the next one connected.
    let text = failed(&ctl(&gateway, &["kick", "CP3", "CP1"]), 1);
    assert!(text.contains("\"CP3\" is not connected"), "{text}");
    assert_eq!(first.closed().await, Some((1008, "disconnected by an operator".to_owned())));
    assert_eq!(printed(&ctl(&gateway, &["kick", "CP 2"])), "");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn result_of_a_call_is_printed_and_a_callerror_is_a_failure() {
    let gateway = Running::start("").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let call = |arguments: &[&str], input: &'static str| {
        let mut command = ctl_command(gateway.addresses.admin, &[&["call", "CP1"], arguments].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        spawn_blocking(move || {
            let mut child = command.spawn().expect("the program runs");
            child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
            child.wait_with_output().expect("ended")
        })
    };
    let answer = async |charge_point: &mut ChargePoint, answer: &str| {
        let text = charge_point.text().await;
        let id = text.split('"').nth(1).expect("an id").to_owned();
        charge_point.send(&answer.replace("ID", &id)).await;
        text.replace(&id, "ID")
    };
    let running = call(&["Reset", "-"], " {\"type\": \"Soft\"}\n");
    let sent = answer(&mut charge_point, r#"[3,"ID",{"status": "Accepted", "n": 1.50}]"#).await;
    assert_eq!(sent, r#"[2,"ID","Reset",{"type": "Soft"}]"#);
    assert_eq!(printed(&running.await.expect("no panic")), "{\"status\": \"Accepted\", \"n\": 1.50}\n");

    let running = call(&["ClearCache", "--json"], "");
    assert_eq!(answer(&mut charge_point, r#"[3,"ID",{}]"#).await, r#"[2,"ID","ClearCache",{}]"#);
    let result: Value = serde_json::from_str(&printed(&running.await.expect("no panic"))).expect("JSON");
    assert!(result["message_id"].is_string() && result["result"] == json!({}), "{result}");

    let running = call(&["ClearCache", "{}"], "");
    answer(&mut charge_point, r#"[4,"ID","NotSupported","no \u001b[31mcache",{"a":1}]"#).await;
    let text = failed(&running.await.expect("no panic"), 1);
    for line in ["code: NotSupported\n", "description: no \\u{1b}[31mcache\n", "details: {\"a\":1}\n"] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    assert!(failed(&ctl(&gateway, &["call", "CP1", "Reset", "{"]), 2).contains("PAYLOAD is not JSON"));
    let output = ctl(&gateway, &["call", "CP2", "Reset", "--json"]);
    assert!(failed(&output, 1).contains("not connected"));
    assert_eq!(serde_json::from_str::<Value>(&stdout(&output)).expect("JSON")["status"], 404);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn component_is_uploaded_and_a_refusal_is_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Running::start(&format!("[storage]\ndirectory = {:?}", folder.path().join("store"))).await;
    let (component, broken) = (folder.path().join("a.wasm"), folder.path().join("broken.wasm"));
    let another = ocpp_gateway_testkit::component::another_version(ocpp_gateway_pipeline::STANDARD, 1);
    std::fs::write(&component, another).expect("written");
    std::fs::write(&broken, "no component").expect("written");
    let (component, broken) = (component.display().to_string(), broken.display().to_string());
    let text = printed(&ctl(&gateway, &["transforms", "put", "standard", &component]));
    assert!(text.starts_with("standard: ") && text.contains("sha256 "), "{text}");
    let text = failed(&ctl(&gateway, &["transforms", "put", "standard", &broken]), 1);
    assert!(text.contains("not WebAssembly") && text.contains("(422 "), "{text}");
    let text = failed(&ctl(&gateway, &["transforms", "put", "mine", &component]), 1);
    assert!(text.contains("(404 ") && text.contains("ctl transforms add mine"), "{text}");
    let empty = folder.path().join("empty.json");
    std::fs::write(&empty, "").expect("written");
    let text = failed(&ctl(&gateway, &["transforms", "config", "standard", &empty.display().to_string()]), 2);
    assert!(text.contains("is empty"), "{text}");
    let text = failed(&ctl(&gateway, &["transforms", "put", "standard", "/nowhere/at/all.wasm"]), 1);
    assert!(text.contains("/nowhere/at/all.wasm: No such file"), "{text}");
    let again = ctl(&gateway, &["transforms", "put", "standard", &component]);
    assert!(again.status.success() && again.stdout.starts_with(b"Nothing changes."), "{again:?}");
    let text = printed(&ctl(&gateway, &["transforms", "rollback", "standard"]));
    assert!(text.starts_with("standard: replaced: builtin:standard"), "{text}");
    let text = failed(&ctl(&gateway, &["transforms", "rollback", "standard", "--version", "7"]), 1);
    assert!(text.contains("(409 Conflict)"), "{text}");
    failed(&ctl(&gateway, &["transforms", "put", "standard"]), 2);
    failed(&ctl(&gateway, &["transforms", "put", "standard", &component, "--component", "builtin:jq"]), 2);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn message_is_tried_with_and_without_a_candidate() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Running::start("").await;
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let message = file("status.json", r#"[2,"1","StatusNotification",{"info":""}]"#);
    let settings = file("settings.toml", "limits.time = \"1s\"");
    let program = file("quirk.jq", "def uplink: .payload.info = \"x\";");
    let text = printed(&ctl(&gateway, &["try", &message, "--charge-point", "CP1"]));
    assert!(text.starts_with("1. standard, mapping, ") && text.contains("published  ocpp/cp/CP1  {"), "{text}");
    let with = ["try", &message, &program, "--settings", &settings, "--charge-point", "CP1", "--name", "quirk"];
    let text = printed(&ctl(&gateway, &with));
    assert!(text.starts_with("1. quirk, uplink, ") && text.contains(r#"{"info":"x"}]"#), "{text}");
    failed(&ctl(&gateway, &["try", &message]), 2);
    let text = failed(&ctl(&gateway, &["try", &file("none", "[2"), "--charge-point", "CP1"]), 1);
    assert!(text.contains("frame: "), "{text}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_printed_one_a_line() {
    let gateway = Running::start("").await;
    let watch = |arguments: &[&str]| {
        let mut child =
            ctl_command(gateway.addresses.admin, arguments).stdout(Stdio::piped()).spawn().expect("it runs");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        (child, lines)
    };
    let (mut text, texts) = watch(&["events"]);
    let (mut json, jsons) = watch(&["events", "--json"]);
    // Each connection is an event until both watch.
    let mut seen = (None, None);
    while seen.0.is_none() || seen.1.is_none() {
        gateway.charge_point("CP1").await.close().await;
        seen = (seen.0.or_else(|| texts.try_recv().ok()), seen.1.or_else(|| jsons.try_recv().ok()));
    }
    let (line, object) = (seen.0.expect("a line"), seen.1.expect("a line"));
    assert!(line.contains(" connected CP1 address=127.0.0.1:") || line.contains(" disconnected CP1 "), "{line}");
    let object: Value = serde_json::from_str(&object).expect("JSON");
    assert!(object["charge_point"] == "CP1" && object["event"].is_string(), "{object}");

    // The stream ends with the gateway: that is a failure.
    gateway.stop().await;
    while !block_in_place(|| texts.recv_timeout(TIMEOUT))
        .is_err_and(|error| error == mpsc::RecvTimeoutError::Disconnected)
    {}
    assert_eq!(block_in_place(|| text.wait()).expect("ended").code(), Some(1));
    assert_eq!(block_in_place(|| json.wait()).expect("ended").code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn token_comes_from_a_file_or_a_variable() {
    let gateway = Running::start(&format!("[admin]\ntoken = \"{TOKEN}\"")).await;
    let admin = gateway.addresses.admin;
    let folder = tempfile::tempdir().expect("a folder");
    let [right, wrong] = [("right", TOKEN), ("wrong", "another-token-for-tests")].map(|(name, token)| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{token}\n")).expect("written");
        path.display().to_string()
    });
    let list = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = ctl_command(admin, &[&["charge-points"], arguments].concat());
        command.envs(variables.iter().copied());
        block_in_place(|| command.output()).expect("the program runs")
    };
    let text = failed(&list(&[], &[]), 1);
    assert!(text.contains("a token is needed") && text.contains("OCPP_GATEWAY_TOKEN_FILE"), "{text}");
    printed(&list(&[], &[("OCPP_GATEWAY_TOKEN", TOKEN)]));
    printed(&list(&[], &[("OCPP_GATEWAY_TOKEN_FILE", &right)]));
    printed(&list(&["--token-file", &right], &[("OCPP_GATEWAY_TOKEN_FILE", &wrong), ("OCPP_GATEWAY_TOKEN", "x")]));
    assert!(failed(&list(&["--token-file", &wrong], &[("OCPP_GATEWAY_TOKEN", TOKEN)]), 1).contains("wrong token"));
    assert!(failed(&list(&["--token-file", "/nowhere"], &[]), 1).contains("the token file /nowhere: No such file"));
    assert!(failed(&list(&[], &[("OCPP_GATEWAY_TOKEN", "a\nb")]), 1).contains("the token has characters"));
    gateway.stop().await;
}

#[test]
fn gateway_that_cannot_be_reached_is_a_failure() {
    let unused = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let text = failed(&ctl_command(unused, &["status"]).output().expect("the program runs"), 1);
    assert!(
        text.contains(&format!("no gateway answers at http://{unused}: ")) && text.contains("OCPP_GATEWAY_URL"),
        "{text}"
    );
    let https = format!("https://{unused}");
    for (url, reason) in [
        ("ftp://localhost", "no URL"),
        ("localhost:8080", "no URL"),
        ("", "no URL"),
        (&*https, "no gateway answers at https://"),
    ] {
        let output = program(&["ctl", "--url", url, "status"]).output().expect("the program runs");
        assert!(failed(&output, 1).contains(reason), "{url}: {output:?}");
    }
    assert_eq!(program(&["ctl", "no-such-command"]).output().expect("the program runs").status.code(), Some(2));
}

#[test]
fn completions_know_the_commands_of_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&program(&["completions", shell]).output().expect("the program runs"));
        assert!(script.contains("charge-points") && script.contains("token-file"), "{shell}: {script}");
    }
    assert_eq!(program(&["completions", "sh"]).output().expect("the program runs").status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_its_reader_does_not_want_is_no_error() {
    let gateway = Running::start("").await;
    for mut command in [program(&["completions", "bash"]), ctl_command(gateway.addresses.admin, &["status"])] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = block_in_place(|| command.stdout(writer).stderr(Stdio::piped()).spawn()?.wait_with_output());
        let output = output.expect("the program runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn level_of_the_log_is_shown_and_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.toml");
    std::fs::write(&config, FREE_PORTS).expect("written");
    let gateway = ConfiguredProgram::start(&config, folder.path().join("log"), "info", "ws://");
    gateway.wait_until_ready().await;
    let level = |filter: &[&str]| {
        let mut command = ctl_command(gateway.admin, &[&["log-level"], filter].concat());
        block_in_place(|| command.output()).expect("the program runs")
    };
    assert_eq!(printed(&level(&[])), "info\n");
    let mut charge_point = ChargePoint::ocpp16(gateway.ocpp, "CP1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    gateway.log_with("CP1").await;
    assert!(!gateway.log_with("CP1").await.contains("DEBUG"));

    assert_eq!(printed(&level(&["debug"])), "debug\n");
    charge_point.send(r#"[2,"2","Heartbeat",{}]"#).await;
    let log = gateway.log_with("DEBUG").await;
    assert!(log.contains("the log level is changed by the admin API before=info now=debug"), "{log}");
    let is_foreign = |line: &&str| line.contains("DEBUG") && !line.contains("DEBUG ocpp_gateway");
    assert_eq!(log.lines().find(is_foreign), None, "the level is not for libraries");

    for wrong in ["verbose", "ocpp_gateway=loud", ""] {
        let text = failed(&level(&[wrong]), 1);
        assert!(text.contains("(400 Bad Request)"), "{wrong}: {text}");
    }
    assert_eq!(printed(&level(&["--json"])), "{\n  \"filter\": \"debug\"\n}\n");
    gateway.stop();
}
