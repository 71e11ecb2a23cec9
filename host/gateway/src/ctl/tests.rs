//! The requests of each command, and what it prints of the answers.

mod trial;

use super::args::CtlArgs;
use super::error::CtlError;
use super::output::Output;
use super::run::carry_out;
use super::test_gateway::{Reply, TestGateway};
use clap::Parser;
use serde_json::{Value, json};
use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use tempfile::TempDir;

#[derive(Debug, Parser)]
struct CommandLine {
    #[command(flatten)]
    args: CtlArgs,
}

/// What a command did.
struct Carried {
    requests: Vec<String>,
    result: Result<(), CtlError>,
    output: String,
}

impl Carried {
    /// The only request: its first line, its head in lower case, and its body.
    fn request(&self) -> (&str, String, &str) {
        let [request] = &self.requests[..] else { panic!("{:?}", self.requests) };
        let (head, body) = request.split_once("\r\n\r\n").expect("a head");
        let line = head.lines().next().expect("a line");
        (line.strip_suffix(" HTTP/1.1").expect("HTTP"), head.to_lowercase(), body)
    }

    fn error(&self) -> String {
        self.result.as_ref().expect_err("refused").to_string()
    }
}

fn carried(arguments: &[&str], replies: &[Reply]) -> Carried {
    let gateway = TestGateway::start(replies);
    let line = ["ctl", "--url", &gateway.url].into_iter().chain(arguments.iter().copied());
    let CommandLine { args } = CommandLine::try_parse_from(line).expect("a command line");
    let mut output = Vec::new();
    let result = carry_out(&args, &mut Output::new(&mut output, args.json));
    Carried { requests: gateway.requests(), result, output: String::from_utf8(output).expect("text") }
}

const CHANGED: &str = r#"{"dry_run": false, "changed": false, "changes": [], "kept": true, "warnings": []}"#;

/// The request of a change.
fn change(arguments: &[&str]) -> (String, String, String) {
    let carried = carried(arguments, &[Reply::json(200, CHANGED)]);
    carried.result.as_ref().expect("changed");
    assert_eq!(carried.output, "Nothing changes.\n");
    let (line, head, body) = carried.request();
    (line.to_owned(), head, body.to_owned())
}

/// Files of a transform.
fn files(files: &[(&str, &str)]) -> (TempDir, impl Fn(&str) -> String) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("written");
    }
    let path = folder.path().to_owned();
    (folder, move |name: &str| path.join(name).display().to_string())
}

#[test]
fn list_is_read_from_as_many_pages_as_it_has() {
    let charge_point =
        |id: &str| json!({"id": id, "version": "ocpp1.6", "address": "a", "connected_since": "s", "mailbox": 0});
    let page = |ids: &[&str], next: Value| {
        let charge_points: Vec<_> = ids.iter().map(|id| charge_point(id)).collect();
        Reply::json(200, &json!({"charge_points": charge_points, "total": 3, "next": next}).to_string())
    };
    let pages = [page(&["CP 1", "CP2"], "CP2".into()), page(&["CP3"], Value::Null)];
    let all = carried(&["charge-points", "--json"], &pages);
    assert!(all.requests[0].starts_with("GET /api/v1/charge-points?limit=1000 "), "{:?}", all.requests);
    assert!(all.requests[1].starts_with("GET /api/v1/charge-points?limit=1000&after=CP2 "), "{:?}", all.requests);
    let list: Value = serde_json::from_str(&all.output).expect("JSON");
    let ids: Vec<_> = list["charge_points"].as_array().into_iter().flatten().map(|it| it["id"].clone()).collect();
    assert_eq!(
        (ids, &list["total"], &list["next"]),
        (vec!["CP 1".into(), "CP2".into(), "CP3".into()], &json!(3), &Value::Null)
    );

    let two = carried(&["charge-points", "--limit", "2"], &pages[..1]);
    assert!(two.requests[0].starts_with("GET /api/v1/charge-points?limit=2 "), "{:?}", two.requests);
    let lines: Vec<_> = two.output.lines().collect();
    assert!(
        lines.len() == 4 && lines[1].starts_with("CP 1  ocpp1.6") && lines[3] == "2 of 3 charge points",
        "{lines:?}"
    );
}

#[test]
fn list_shows_vendor_model_and_status_and_can_be_of_those_that_are_away() {
    let connectors = json!([{"evse": null, "connector": 0, "status": "Available", "error_code": "NoError", "at": "t"},
        {"evse": 1, "connector": 2, "status": "Faulted", "error_code": "GroundFailure", "at": "t"}]);
    let row = json!({"id": "CP1", "connected": false, "version": "ocpp1.6", "address": "a", "connected_since": "s",
        "disconnected_at": "d", "disconnect_reason": "silent", "last_message": "l", "last_heartbeat": null,
        "vendor": "ACME", "model": null, "firmware": null, "serial": null, "connectors": connectors,
        "open_calls": {"from_charge_point": 0, "to_charge_point": 0}, "mailbox": 7});
    let page = json!({"charge_points": [row], "total": 9, "matching": 3, "next": "CP1"}).to_string();
    let listed = |arguments: &[&str]| carried(&[&["charge-points"], arguments].concat(), &[Reply::json(200, &page)]);
    let cells = |carried: &Carried| {
        let line = carried.output.lines().nth(1).expect("a row");
        line.split("  ").map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    };

    let connected = listed(&["--limit", "1", "--search", "a cme"]);
    assert!(
        connected.requests[0].starts_with("GET /api/v1/charge-points?limit=1&search=a%20cme "),
        "{:?}",
        connected.requests
    );
    let status = "0 Available, 1.2 Faulted (GroundFailure)";
    assert_eq!(cells(&connected), ["CP1", "ocpp1.6", "a", "s", "l", "ACME", "-", status, "7"]);
    assert!(connected.output.ends_with("1 of 3 charge points\n"), "{}", connected.output);

    let away = listed(&["--limit", "1", "--away"]);
    assert!(away.requests[0].starts_with("GET /api/v1/charge-points?limit=1&state=away "), "{:?}", away.requests);
    assert_eq!(cells(&away), ["CP1", "ocpp1.6", "a", "d", "l", "ACME", "-", status, "silent"]);
}

#[test]
fn changes_of_transforms_have_their_pages() {
    for (arguments, line) in [
        (&["rollback", "a b"][..], "POST /api/v1/transforms/a%20b/rollback"),
        (
            &["rollback", "a", "--version", "3", "--dry-run"],
            "POST /api/v1/transforms/a/rollback?version=3&dry_run=true",
        ),
        (&["revert", "a"], "DELETE /api/v1/transforms/a/upload"),
        (&["fetch", "a", "--dry-run"], "POST /api/v1/transforms/a/fetch?dry_run=true"),
        (&["rm", "a/b", "--dry-run"], "DELETE /api/v1/transforms/a%2Fb?dry_run=true"),
    ] {
        let (requested, _, body) = change(&[&["transforms"], arguments].concat());
        assert_eq!((&*requested, &*body), (line, ""));
    }
    let (line, head, body) = change(&["transforms", "order", "b", "a"]);
    assert_eq!((&*line, &*body), ("PUT /api/v1/transforms/order", r#"["b","a"]"#));
    assert!(head.contains("content-type: application/json"), "{head}");
    let (_folder, path) = files(&[("a.toml", "mountpoint = \"x/\"")]);
    let (line, _, body) = change(&["transforms", "config", "a", &path("a.toml"), "--dry-run"]);
    assert_eq!((&*line, &*body), ("PUT /api/v1/transforms/a/config?dry_run=true", r#"{"mountpoint":"x/"}"#));
}

#[test]
fn component_is_sent_alone_or_with_its_settings() {
    let (_folder, path) = files(&[
        ("a.wasm", "\0asm"),
        ("a.toml", "x = 1"),
        ("settings.toml", "on_error = \"bypass\"\nmatch = { actions = [\"Reset\"] }"),
        ("a.minisig", "signed\n"),
    ]);
    let component = path("a.wasm");
    let put = ["transforms", "put", "a", &component];
    let (line, head, body) = change(&[&put[..], &["--allow-fewer-hooks", "--signature", &path("a.minisig")]].concat());
    assert_eq!((&*line, &*body), ("PUT /api/v1/transforms/a?allow_fewer_hooks=true", "\0asm"));
    assert!(head.contains("content-type: application/wasm"), "{head}");
    assert!(head.contains("minisign-signature: c2lnbmvkcg=="), "the head is in lower case: {head}");

    let (line, head, body) = change(&[&put[..], &["--config", &path("a.toml")]].concat());
    assert_eq!(line, "PUT /api/v1/transforms/a");
    let (_, boundary) = head.split_once("content-type: multipart/form-data; boundary=").expect("a form");
    let boundary = boundary.lines().next().expect("a boundary");
    let parts: Vec<_> = body.split(&format!("--{boundary}")).collect();
    let ["", settings, component_part, "--\r\n"] = parts[..] else { panic!("{parts:?}") };
    assert!(
        settings.contains("name=\"settings\"\r\n") && settings.ends_with("\r\n\r\n{\"config\":{\"x\":1}}\r\n"),
        "{settings}"
    );
    assert!(
        component_part.contains("name=\"component\"\r\n") && component_part.ends_with("\r\n\r\n\0asm\r\n"),
        "{component_part:?}"
    );

    let settings = ["--settings", &path("settings.toml"), "--match-charge-points", "A*,B", "--before", "b"];
    let (line, _, body) =
        change(&[&["transforms", "add", "a", "--component", "builtin:redact"], &settings[..]].concat());
    assert_eq!(line, "POST /api/v1/transforms");
    let expected = json!({"name": "a", "component": "builtin:redact", "before": "b", "on_error": "bypass",
        "match": {"actions": ["Reset"], "charge_points": ["A*", "B"]}});
    assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON"), expected);
}

#[test]
fn program_is_sent_as_a_setting() {
    let (_folder, path) = files(&[
        ("a.jq", "def uplink: .;"),
        ("a.toml", "x = 1"),
        ("b.toml", "program = \"\""),
        ("a.minisig", "signed\n"),
    ]);
    let program = path("a.jq");
    let put = ["transforms", "put", "a", &program];
    let (_, head, body) = change(&[&put[..], &["--config", &path("a.toml")]].concat());
    let expected = json!({"component": "builtin:jq", "config": {"program": "def uplink: .;", "x": 1}});
    assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON"), expected);
    assert!(head.contains("content-type: application/json"), "{head}");
    assert!(!head.contains("minisign-signature"), "{head}");
    let (_, head, _) = change(&[&put[..], &["--signature", &path("a.minisig")]].concat());
    assert!(head.contains("minisign-signature: c2lnbmvkcg=="), "the head is in lower case: {head}");
    let carried = carried(&[&put[..], &["--config", &path("b.toml")]].concat(), &[]);
    assert!(matches!(carried.result, Err(CtlError::Usage(_))), "{:?}", carried.result);
}

#[test]
fn put_of_an_unknown_transform_names_add() {
    let unknown = [Reply::problem(404, "there is no transform a")];
    let carried = carried(&["transforms", "put", "a", "--component", "builtin:jq"], &unknown);
    let error = carried.error();
    assert!(error.contains("there is no transform a (404") && error.contains("ctl transforms add a"), "{error}");
}

#[test]
fn transform_is_shown_with_its_versions() {
    let transform = json!({"name": "a", "component": "upload", "built_as": "mine", "version": "0.2", "sha256": "0123456789abcdef",
        "calls": 7, "failures": 1, "stopped": false, "stopped_charge_points": 0, "last_fault": null, "last_fault_at": null,
        "origin": "drop-in", "upload": {"number": 2, "at": "T", "from": "127.0.0.1", "token": null},
        "settings": {"on_error": "bypass"}, "versions": [
            {"number": 2, "running": true, "at": "T", "from": "127.0.0.1", "component": "upload", "sha256": "0123456789abcdef"},
            {"number": 1, "running": false, "component": "a.wasm", "sha256": "fedcba9876543210", "fault": "it fails"}]});
    let shown = carried(&["transforms", "show", "a"], &[Reply::json(200, &transform.to_string())]);
    shown.result.as_ref().expect("shown");
    for line in [
        "origin     drop-in",
        "version    mine 0.2, sha256 0123456789ab",
        "upload     number 2, at T, from 127.0.0.1",
        "  \"on_error\": \"bypass\"",
        "2 (runs)         T   127.0.0.1  -      upload     sha256 0123456789ab",
        "1 (rolled back)  -   -          -      a.wasm     sha256 fedcba987654",
        "1: rolled back: it fails",
    ] {
        assert!(shown.output.lines().any(|shown| shown == line), "{line:?} in\n{}", shown.output);
    }
}

#[test]
fn other_servers_are_no_gateway() {
    let page = Reply::new(200, "text/html", "<html>");
    let error = carried(&["transforms", "list"], &[page]).error();
    assert!(error.contains("/api/v1/transforms answers with something else"), "{error}");
    let error = carried(&["transforms", "list"], &[Reply::new(502, "text/html", "<html>")]).error();
    assert!(error.contains("502") && error.contains("<html>"), "{error}");
}

#[test]
fn redirect_is_not_followed() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    other.set_nonblocking(true).expect("set");
    let url = format!("http://{}/api/v1/transforms", other.local_addr().expect("an address"));
    let error = carried(&["transforms", "list"], &[Reply::redirect(&url)]).error();
    assert!(error.contains("307"), "{error}");
    let connection = other.accept();
    assert!(connection.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "{connection:?}");
}
