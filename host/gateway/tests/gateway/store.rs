//! What is uploaded stays: over restarts, reloads and changes of the configured file. The API does what files do.

mod crash;
mod sources;
mod versions;

use crate::admin::{AdminResponse, JSON, ask, get};
use crate::{Running, configuration};
use ocpp_gateway_pipeline::STANDARD;
use ocpp_gateway_testkit::component::another_version;
use ocpp_gateway_testkit::guest;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

const LIMITS: &str = r#"{"time":"1s"}"#;

/// A directory with a component that the configuration names, and a store.
struct Site {
    directory: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Site { directory: tempfile::tempdir().expect("a directory") };
        fs::write(site.component(), STANDARD).expect("written");
        site
    }

    fn component(&self) -> PathBuf {
        self.directory.path().join("mine.wasm")
    }

    fn store(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    fn toml(&self) -> String {
        format!(
            "[storage]\ndirectory = {:?}\n[[transforms]]\nname = \"mine\"\ncomponent = {:?}\n",
            self.store(),
            self.component()
        )
    }

    async fn start(&self) -> Running {
        Running::start(&self.toml()).await
    }
}

fn another(number: u8) -> Vec<u8> {
    another_version(STANDARD, number)
}

async fn put(gateway: &Running, path: &str, body: impl AsRef<[u8]>) -> Value {
    accepted(ask(gateway, "PUT", path, &[], body).await)
}

async fn send(gateway: &Running, method: &str, path: &str, body: Value) -> AdminResponse {
    ask(gateway, method, path, &[JSON], body.to_string()).await
}

fn accepted(answer: AdminResponse) -> Value {
    assert!([200, 201].contains(&answer.status), "{}", answer.json());
    answer.json()
}

async fn shown(gateway: &Running, name: &str) -> Value {
    accepted(get(gateway, &format!("/api/v1/transforms/{name}")).await)
}

async fn names(gateway: &Running) -> Vec<String> {
    let list = get(gateway, "/api/v1/transforms").await.json();
    list.as_array().expect("a list").iter().map(|it| it["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_settings_and_history_survive_a_restart() {
    let site = Site::new();
    let gateway = site.start().await;
    let configured = shown(&gateway, "mine").await;
    assert_eq!((&configured["origin"], &configured["upload"]), (&json!("configuration"), &Value::Null));
    let first = put(&gateway, "/api/v1/transforms/mine", another(1)).await;
    assert_eq!((&first["kept"], &first["warnings"]), (&json!(true), &json!([])));
    let config = json!({"mountpoint": "site/"});
    let second = accepted(send(&gateway, "PUT", "/api/v1/transforms/mine/config", config).await);
    assert_eq!(second["sha256"], first["sha256"]);
    put(&gateway, "/api/v1/transforms/mine", another(3)).await;
    gateway.stop().await;

    let gateway = site.start().await;
    let details = shown(&gateway, "mine").await;
    assert_eq!(details["settings"]["config"]["mountpoint"], "site/");
    assert_eq!(details["upload"]["number"], 3);
    assert_eq!(details["upload"]["sha256"], details["sha256"]);
    let versions: Vec<_> = details["versions"].as_array().expect("a list").iter().collect();
    assert_eq!(versions.iter().map(|it| it["number"].as_u64()).collect::<Vec<_>>(), [Some(3), Some(2), Some(1)]);
    assert!(versions.iter().all(|it| it["from"].as_str().is_some_and(|from| from.starts_with("127.0.0.1:"))));
    assert!(versions.iter().all(|it| humantime::parse_rfc3339(it["at"].as_str().expect("a time")).is_ok()));

    // To any of them, and to the configuration.
    let back = accepted(ask(&gateway, "POST", "/api/v1/transforms/mine/rollback?version=1", &[], "").await);
    assert_eq!(back["sha256"], first["sha256"]);
    assert_eq!(shown(&gateway, "mine").await["settings"]["config"], json!({}));
    gateway.stop().await;
    let gateway = site.start().await;
    assert_eq!(shown(&gateway, "mine").await["upload"]["number"], 1);
    let back = accepted(ask(&gateway, "DELETE", "/api/v1/transforms/mine/upload", &[], "").await);
    assert_eq!((&back["sha256"], &back["upload"]), (&configured["sha256"], &Value::Null));
    ask(&gateway, "DELETE", "/api/v1/transforms/mine/upload", &[], "").await.problem(409);
    gateway.stop().await;
    let gateway = site.start().await;
    let details = shown(&gateway, "mine").await;
    assert_eq!((&details["sha256"], &details["upload"]), (&configured["sha256"], &Value::Null));
    assert_eq!(details["versions"].as_array().map(Vec::len), Some(3));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_stay_in_place_of_what_is_configured() {
    let site = Site::new();
    let gateway = site.start().await;
    let upload = put(&gateway, "/api/v1/transforms/mine", another(1)).await["sha256"].clone();
    // The configured file changes.
    fs::write(site.component(), another(2)).expect("written");
    let toml = format!("{}on_error = \"drop\"\n", site.toml());
    gateway.hot_swap.reload(configuration(&toml));
    let details = shown(&gateway, "mine").await;
    assert_eq!((&details["sha256"], &details["settings"]["on_error"]), (&upload, &json!("drop")));
    // An upload of what runs changes nothing.
    let again = put(&gateway, "/api/v1/transforms/mine", another(1)).await;
    assert_eq!((&again["changes"], &again["upload"]["number"]), (&json!([]), &json!(1)));
    assert!(again["warnings"][0].as_str().is_some_and(|text| text.contains("nothing has changed")), "{again}");
    let back = accepted(ask(&gateway, "DELETE", "/api/v1/transforms/mine/upload", &[], "").await);
    assert_ne!(back["sha256"], upload);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_without_a_directory_ends_with_the_process_and_says_so() {
    let gateway = Running::start("").await;
    let answer = put(&gateway, "/api/v1/transforms/standard", another(1)).await;
    assert_eq!((&answer["kept"], &answer["origin"]), (&json!(false), &json!("api")));
    assert!(answer["warnings"][0].as_str().is_some_and(|text| text.contains("storage.directory")), "{answer}");
    gateway.hot_swap.reload(configuration(""));
    assert_eq!(shown(&gateway, "standard").await["sha256"], answer["sha256"]);
    let back = accepted(ask(&gateway, "DELETE", "/api/v1/transforms/standard/upload", &[], "").await);
    assert_eq!((&back["origin"], &back["component"]), (&json!("default"), &json!("builtin:standard")));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn last_ten_versions_are_kept() {
    let site = Site::new();
    let gateway = site.start().await;
    for number in 0..13 {
        put(&gateway, "/api/v1/transforms/mine", another(number)).await;
    }
    let versions = shown(&gateway, "mine").await["versions"].clone();
    let numbers: Vec<_> = versions.as_array().expect("a list").iter().map(|it| it["number"].as_u64()).collect();
    assert_eq!(numbers, (4..14).rev().map(Some).collect::<Vec<_>>());
    let files = fs::read_dir(site.store().join("code")).expect("a directory").count();
    assert_eq!(files, 10);
    let unknown = ask(&gateway, "POST", "/api/v1/transforms/mine/rollback?version=3", &[], "").await.problem(409);
    assert!(unknown.contains("has no version 3"), "{unknown}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transform_is_added_ordered_and_removed() {
    let site = Site::new();
    let gateway = site.start().await;
    let redact = json!({"name": "redact", "component": "builtin:redact", "before": "mine",
                        "config": {"key": "0123456789abcdef0123456789abcdef"}});
    let tried = accepted(send(&gateway, "POST", "/api/v1/transforms?dry_run=true", redact.clone()).await);
    assert_eq!((&tried["dry_run"], &tried["changes"][0]["change"]), (&json!(true), &json!("added")));
    assert_eq!(names(&gateway).await, ["mine"]);
    let added = send(&gateway, "POST", "/api/v1/transforms", redact.clone()).await;
    assert_eq!((added.status, &added.json()["origin"]), (201, &json!("api")));
    assert_eq!(names(&gateway).await, ["redact", "mine"]);
    let details = shown(&gateway, "redact").await;
    assert_eq!(details["settings"]["config"]["key"], "(hidden)");
    send(&gateway, "POST", "/api/v1/transforms", redact).await.problem(409);

    // Multipart: settings and a component.
    let component = fs::read(guest::build("every_hook", env!("CARGO_TARGET_TMPDIR"))).expect("a component");
    let mut body = b"--x\r\nContent-Disposition: form-data; name=\"settings\"\r\n\r\n{\"name\":\"hooks\",".to_vec();
    body.extend_from_slice(
        format!("\"limits\":{LIMITS},\"config\":{{\"hook\":\"uplink\",\"does\":\"pass\"}}}}\r\n").as_bytes(),
    );
    body.extend_from_slice(b"--x\r\nContent-Disposition: form-data; name=\"component\"; filename=\"a\"\r\n\r\n");
    body.extend_from_slice(&component);
    body.extend_from_slice(b"\r\n--x--\r\n");
    let multipart = ("Content-Type", "multipart/form-data; boundary=x");
    accepted(ask(&gateway, "POST", "/api/v1/transforms", &[multipart], &body).await);
    assert_eq!(names(&gateway).await, ["redact", "mine", "hooks"]);

    let order = json!(["hooks", "mine", "redact"]);
    let tried = accepted(send(&gateway, "PUT", "/api/v1/transforms/order?dry_run=true", order.clone()).await);
    assert_eq!(tried["warnings"], json!([]));
    assert_eq!(names(&gateway).await, ["redact", "mine", "hooks"]);
    accepted(send(&gateway, "PUT", "/api/v1/transforms/order", order).await);
    for bad in [json!(["hooks", "mine"]), json!(["hooks", "mine", "redact", "redact"]), json!(["a", "mine", "redact"])]
    {
        let problem = send(&gateway, "PUT", "/api/v1/transforms/order", bad).await.problem(422);
        assert!(problem.contains("hooks, mine, redact"), "{problem}");
    }
    gateway.stop().await;
    let gateway = site.start().await;
    assert_eq!(names(&gateway).await, ["hooks", "mine", "redact"]);
    ask(&gateway, "DELETE", "/api/v1/transforms/mine", &[], "").await.problem(409);
    ask(&gateway, "DELETE", "/api/v1/transforms/hooks/upload", &[], "").await.problem(409);
    accepted(ask(&gateway, "DELETE", "/api/v1/transforms/hooks", &[], "").await);
    accepted(ask(&gateway, "DELETE", "/api/v1/transforms/redact", &[], "").await);
    assert_eq!(names(&gateway).await, ["mine"]);
    ask(&gateway, "DELETE", "/api/v1/transforms/redact", &[], "").await.problem(404);
    assert_eq!(fs::read_dir(site.store().join("code")).expect("a directory").count(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jq_program_is_sent_as_a_setting() {
    let site = Site::new();
    let gateway = site.start().await;
    let settings = |program: &str| json!({"component": "builtin:jq", "limits": {"time": "1s"}, "config": {"program": program, "strict": true}});
    let mut added = settings("def uplink: .payload.a = 1;");
    added["name"] = json!("quirk");
    // Settings of jq that do not exist are refused by the interpreter.
    let refused = send(&gateway, "POST", "/api/v1/transforms", added.clone()).await.problem(422);
    assert!(refused.contains("strict"), "{refused}");
    let program =
        |text: &str| json!({"component": "builtin:jq", "limits": {"time": "1s"}, "config": {"program": text}});
    let mut added = program("def uplink: .payload.a = 1;");
    added["name"] = json!("quirk");
    accepted(send(&gateway, "POST", "/api/v1/transforms", added).await);
    let first = shown(&gateway, "quirk").await;
    assert_eq!(first["settings"]["config"], json!({"program": "def uplink: .payload.a = 1;"}));
    let broken = send(&gateway, "PUT", "/api/v1/transforms/quirk", program("def uplink: if;")).await.problem(422);
    assert!(broken.contains("line 1"), "{broken}");
    let next = json!({"program": "def uplink: .payload.a = 2;"});
    accepted(send(&gateway, "PUT", "/api/v1/transforms/quirk/config", next.clone()).await);
    gateway.stop().await;
    let gateway = site.start().await;
    let second = shown(&gateway, "quirk").await;
    assert_eq!(second["settings"]["config"], next);
    assert_ne!(second["program_sha256"], first["program_sha256"]);
    assert_eq!(second["settings"]["limits"]["time"], "1s");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jq_program_beside_a_component_is_refused() {
    let site = Site::new();
    let gateway = site.start().await;
    let add = json!({"name": "quirk", "component": "builtin:jq", "limits": {"time": "1s"},
                     "config": {"program": "def uplink: .;"}});
    accepted(send(&gateway, "POST", "/api/v1/transforms", add).await);
    let multipart = async |method, path: &str, settings: Value, component: &[u8]| {
        let part =
            |name: &str| format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a\"\r\n\r\n");
        let head = format!("{}{settings}\r\n{}", part("settings"), part("component"));
        let body = [head.as_bytes(), component, b"\r\n--x--\r\n"].concat();
        let media_type = ("Content-Type", "multipart/form-data; boundary=x");
        ask(&gateway, method, path, &[media_type], &body).await.problem(422)
    };
    let program = "def uplink: empty;";
    let settings = json!({"config": {"program": program}});
    let text = multipart("PUT", "/api/v1/transforms/quirk", settings.clone(), program.as_bytes()).await;
    assert!(text.contains("send the jq program as config.program only"), "{text}");
    let both = multipart("PUT", "/api/v1/transforms/quirk", settings, STANDARD).await;
    assert!(both.contains("contradicts the component that is sent"), "{both}");
    let added = json!({"name": "other", "config": {"program": program}});
    let text = multipart("POST", "/api/v1/transforms", added, program.as_bytes()).await;
    assert!(text.contains("send the jq program as config.program only"), "{text}");
    let shown = shown(&gateway, "quirk").await;
    assert_eq!(shown["settings"]["config"], json!({"program": "def uplink: .;"}));
    assert_eq!(names(&gateway).await, ["mine", "quirk"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_with_a_fault_are_refused_and_change_nothing() {
    let site = Site::new();
    let gateway = site.start().await;
    let before = shown(&gateway, "mine").await;
    let add = |extra: Value| {
        let mut settings = json!({"name": "new", "component": "builtin:local-heartbeat"});
        settings.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        settings
    };
    for (settings, expected) in [
        (add(json!({"limts": {}})), "limts: unknown key; did you mean limits"),
        (add(json!({"samples": "/etc"})), "samples: only the configuration file"),
        (add(json!({"component": "/etc/passwd"})), "component: has to be builtin:NAME"),
        (add(json!({"component": "builtin:jq", "config": {"file": "/etc/passwd"}})), "config.file: a path"),
        (add(json!({"component": "builtin:redcat"})), "did you mean builtin:redact?"),
        (add(json!({"name": "order"})), "name of a page"),
        (add(json!({"name": "a/b"})), "name: has to have 1 to 64"),
        (add(json!({"before": "nothing"})), "before: no transform"),
        (add(json!({"config": {"a": null}})), "config: has a null or a number"),
        (add(json!({"config": {"key": "(hidden)"}})), "send the secret itself"),
        (add(json!({"config.key": "x"})), "config.key: unknown key"),
        (add(json!({"name": ".."})), "name: has to have 1 to 64"),
        (add(json!({"on_error": "explode"})), "on_error: "),
        (json!({"name": "new"}), "component: missing"),
        (json!({"component": "builtin:redact"}), "name: missing"),
    ] {
        let problem = send(&gateway, "POST", "/api/v1/transforms", settings.clone()).await.problem(422);
        assert!(problem.contains(expected), "{settings}: {problem}");
    }
    let refused = send(&gateway, "PUT", "/api/v1/transforms/mine", json!({"name": "other"})).await.problem(422);
    assert!(refused.contains("name"), "{refused}");
    ask(&gateway, "PUT", "/api/v1/transforms/mine", &[JSON], "[").await.problem(400);
    ask(&gateway, "PUT", "/api/v1/transforms/mine", &[("Minisign-Signature", "?")], "x").await.problem(400);
    ask(&gateway, "PUT", "/api/v1/transforms/nothing", &[], another(1)).await.problem(404);
    ask(&gateway, "POST", "/api/v1/transforms/mine/fetch", &[], "").await.problem(409);
    let after = shown(&gateway, "mine").await;
    assert_eq!((&before["sha256"], &before["versions"]), (&after["sha256"], &after["versions"]));
    assert_eq!(fs::read_dir(site.store().join("code")).expect("a directory").count(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn version_that_is_rolled_back_automatically_does_not_return_at_a_restart() {
    let site = Site::new();
    let gateway = site.start().await;
    let good = put(&gateway, "/api/v1/transforms/mine", another(1)).await["sha256"].clone();
    // By hand, as by itself: the version before runs on.
    let bad = put(&gateway, "/api/v1/transforms/mine", another(2)).await["sha256"].clone();
    let back = accepted(ask(&gateway, "POST", "/api/v1/transforms/mine/rollback", &[], "").await);
    assert_eq!((&back["sha256"], &back["upload"]["number"]), (&good, &json!(1)));
    gateway.stop().await;
    let gateway = site.start().await;
    assert_eq!(shown(&gateway, "mine").await["sha256"], good);
    // The process has not run the version before: it is loaded.
    let back = accepted(ask(&gateway, "POST", "/api/v1/transforms/mine/rollback", &[], "").await);
    assert_eq!(back["upload"], Value::Null);
    ask(&gateway, "POST", "/api/v1/transforms/mine/rollback?version=2", &[], "").await;
    assert_eq!(shown(&gateway, "mine").await["sha256"], bad);
    gateway.stop().await;
}
