//! Which version runs, and which are kept, whatever happens meanwhile.

use super::{Site, accepted, another, names, put, send, shown};
use crate::admin::{ask, get};
use crate::{Running, configuration};
use data_encoding::BASE64;
use ocpp_gateway_testkit::signing::SigningKey;
use serde_json::{Value, json};
use std::fs;

const MINE: &str = "/api/v1/transforms/mine";

async fn roll_back(gateway: &Running, query: &str) -> Value {
    accepted(ask(gateway, "POST", &format!("{MINE}/rollback{query}"), &[], "").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn version_to_return_to_is_kept_although_ten_are_newer() {
    let site = Site::new();
    let gateway = site.start().await;
    let good = put(&gateway, MINE, another(1)).await["sha256"].clone();
    for number in 2..14 {
        put(&gateway, MINE, another(number)).await;
        let back = roll_back(&gateway, "").await;
        assert_eq!((&back["sha256"], &back["upload"]["number"], &back["kept"]), (&good, &json!(1), &json!(true)));
    }
    gateway.stop().await;
    let gateway = site.start().await;
    assert_eq!(shown(&gateway, "mine").await["sha256"], good);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rollback_of_one_transform_outlasts_a_change_of_another() {
    let site = Site::new();
    let gateway = site.start().await;
    let heartbeat = |every: u32| json!({"forward_every_s": every});
    let added = json!({"name": "heartbeat", "component": "builtin:local-heartbeat", "config": heartbeat(60)});
    accepted(send(&gateway, "POST", "/api/v1/transforms", added).await);
    let first = put(&gateway, MINE, another(1)).await["sha256"].clone();
    put(&gateway, MINE, another(2)).await;
    // At the same time, in each order that comes up.
    for every in 0..10 {
        let config = send(&gateway, "PUT", "/api/v1/transforms/heartbeat/config", heartbeat(100 + every));
        let (config, back) = tokio::join!(config, roll_back(&gateway, ""));
        accepted(config);
        let runs = shown(&gateway, "mine").await;
        assert_eq!((&runs["sha256"], &runs["upload"]["sha256"]), (&back["sha256"], &back["sha256"]));
    }
    assert_eq!(shown(&gateway, "heartbeat").await["settings"]["config"], heartbeat(109));
    roll_back(&gateway, "?version=1").await;
    gateway.stop().await;
    let gateway = site.start().await;
    assert_eq!(shown(&gateway, "mine").await["sha256"], first);
    assert_eq!(shown(&gateway, "heartbeat").await["settings"]["config"], heartbeat(109));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_upload_leaves_the_signature_of_what_runs() {
    let site = Site::new();
    let (key, other) = (SigningKey::new(1), SigningKey::new(2));
    fs::write(crate::trust::signature_file(&site.component()), key.sign(ocpp_gateway_pipeline::STANDARD))
        .expect("written");
    let toml = format!("{}{}", crate::trust::trusting(&[&key]), site.toml());
    let gateway = Running::start(&toml).await;
    let header = |key: &SigningKey| BASE64.encode(key.sign(another(1)).as_bytes());
    let (right, wrong) = (header(&key), header(&other));
    let right = [("Minisign-Signature", right.as_str())];
    let uploaded = accepted(ask(&gateway, "PUT", MINE, &right, another(1)).await)["sha256"].clone();
    for query in ["", "?dry_run=true"] {
        let wrong = [("Minisign-Signature", wrong.as_str())];
        let refused = ask(&gateway, "PUT", &format!("{MINE}{query}"), &wrong, another(1)).await.problem(422);
        assert!(refused.contains(&other.id()) && refused.contains(&key.id()), "{refused}");
    }
    gateway.stop().await;
    let gateway = Running::start(&toml).await;
    assert_eq!(shown(&gateway, "mine").await["sha256"], uploaded);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_not_sent_stay() {
    let site = Site::new();
    let gateway = site.start().await;
    let added = json!({"name": "heartbeat", "component": "builtin:local-heartbeat", "on_error": "bypass",
                       "match": {"charge_points": ["A*"]}, "config": {"forward_every_s": 60}});
    accepted(send(&gateway, "POST", "/api/v1/transforms", added).await);
    let path = "/api/v1/transforms/heartbeat";
    accepted(send(&gateway, "PUT", path, json!({"limits": {"time": "1s"}})).await);
    let settings = shown(&gateway, "heartbeat").await["settings"].clone();
    assert_eq!(settings["match"]["charge_points"], json!(["A*"]));
    assert_eq!((&settings["on_error"], &settings["limits"]["time"]), (&json!("bypass"), &json!("1s")));
    accepted(send(&gateway, "PUT", path, json!({"on_error": null, "match": null})).await);
    let settings = shown(&gateway, "heartbeat").await["settings"].clone();
    assert_eq!((&settings["on_error"], &settings["match"]["charge_points"]), (&json!("reject"), &json!([])));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn added_transforms_stand_behind_those_that_are_there() {
    let site = Site::new();
    let gateway = site.start().await;
    for name in ["z", "b", "a"] {
        let added = json!({"name": name, "component": "builtin:local-heartbeat"});
        accepted(send(&gateway, "POST", "/api/v1/transforms", added).await);
    }
    assert_eq!(names(&gateway).await, ["mine", "z", "b", "a"]);
    let answer = accepted(send(&gateway, "PUT", "/api/v1/transforms/order", json!([])).await);
    assert_eq!((&answer["changed"], &answer["changes"]), (&json!(true), &json!([])));
    assert_eq!(names(&gateway).await, ["mine", "a", "b", "z"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_for_a_drop_in_runs_in_place_of_its_files() {
    let site = Site::new();
    let drop_ins = site.directory.path().join("transforms.d");
    fs::create_dir(&drop_ins).expect("a directory");
    let file = drop_ins.join("10-heartbeat.toml");
    fs::write(&file, "component = \"builtin:local-heartbeat\"\non_error = \"bypass\"").expect("written");
    let toml = format!("{}[drop_in]\ndirectory = {drop_ins:?}\n", site.toml());
    let gateway = Running::start(&toml).await;
    let path = "/api/v1/transforms/heartbeat/config";
    accepted(send(&gateway, "PUT", path, json!({"forward_every_s": 60})).await);
    let shown_config = async || shown(&gateway, "heartbeat").await["settings"]["config"]["forward_every_s"].clone();
    assert_eq!(shown_config().await, 60);
    assert_eq!(shown(&gateway, "heartbeat").await["origin"], "drop-in");

    // Its files get a fault: they are not taken for missing.
    fs::write(&file, "component = \"builtin:local-heartbeat\"\nlimts = 1").expect("written");
    let is_faulty = async || !get(&gateway, "/api/v1/drop-ins").await.json()["drop_ins"][0]["fault"].is_null();
    let until = async |faulty: bool| {
        let reached = async {
            while is_faulty().await != faulty {
                crate::pause().await;
            }
        };
        tokio::time::timeout(ocpp_gateway_testkit::TIMEOUT, reached).await.expect("a fault, or its end");
    };
    until(true).await;
    let refused = send(&gateway, "PUT", path, json!({"forward_every_s": 90})).await.problem(409);
    assert!(refused.contains("limts"), "{refused}");
    ask(&gateway, "DELETE", "/api/v1/transforms/heartbeat/upload", &[], "").await.problem(409);
    fs::write(&file, "component = \"builtin:local-heartbeat\"\n[config]\nforward_every_s = 30").expect("written");
    until(false).await;
    assert_eq!(shown_config().await, 60);
    accepted(ask(&gateway, "DELETE", "/api/v1/transforms/heartbeat/upload", &[], "").await);
    assert_eq!(shown_config().await, 30);
    gateway.stop().await;
    let gateway = Running::start(&toml).await;
    assert_eq!(shown(&gateway, "heartbeat").await["settings"]["config"]["forward_every_s"], 30);
    // Without its files, neither runs.
    fs::remove_file(&file).expect("removed");
    gateway.hot_swap.reload(configuration(&toml));
    assert_eq!(names(&gateway).await, ["mine"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn start_with_an_upload_that_fits_no_more_says_how_to_start_without() {
    let site = Site::new();
    let gateway = site.start().await;
    accepted(send(&gateway, "PUT", &format!("{MINE}/config"), json!({"mountpoint": "site/"})).await);
    gateway.stop().await;
    let toml = site.toml().replace(&format!("{:?}", site.component()), "\"builtin:local-heartbeat\"");
    let error =
        ocpp_gateway::app::Gateway::start(&configuration(&toml), None).await.err().expect("refused").to_string();
    assert!(error.contains("mountpoint") && error.contains("transforms.json"), "{error}");
    fs::rename(site.store().join("transforms.json"), site.directory.path().join("away")).expect("moved");
    let gateway = Running::start(&toml).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_others_in_the_directory_stay() {
    let site = Site::new();
    let code = site.store().join("code");
    fs::create_dir_all(&code).expect("a directory");
    fs::write(code.join("notes.txt"), "of another program").expect("written");
    fs::write(code.join(format!("{}.wasm", "0".repeat(64))), "of a version that is gone").expect("written");
    let gateway = site.start().await;
    put(&gateway, MINE, another(1)).await;
    gateway.stop().await;
    let mut files: Vec<_> =
        fs::read_dir(&code).expect("a directory").map(|it| it.expect("a file").file_name()).collect();
    files.sort();
    assert!(files.len() == 2 && files.contains(&"notes.txt".into()), "{files:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_can_be_pinned() {
    let site = Site::new();
    let gateway = site.start().await;
    let runs = shown(&gateway, "mine").await["sha256"].clone();
    let wrong = send(&gateway, "PUT", MINE, json!({"sha256": "abc"})).await.problem(422);
    assert!(wrong.contains("64 hex digits"), "{wrong}");
    send(&gateway, "PUT", MINE, json!({"sha256": "0".repeat(64)})).await.problem(422);
    for is_dry in [true, false] {
        let path = format!("{MINE}{}", if is_dry { "?dry_run=true" } else { "" });
        let pinned = accepted(send(&gateway, "PUT", &path, json!({"sha256": runs})).await);
        assert_eq!((&pinned["changed"], &pinned["changes"]), (&json!(true), &json!([])));
    }
    let details = shown(&gateway, "mine").await;
    assert_eq!((&details["settings"]["sha256"], &details["upload"]["sha256"]), (&runs, &runs));
    let again = accepted(send(&gateway, "PUT", MINE, json!({"sha256": runs})).await);
    assert_eq!(again["changed"], false);
    // The file gets another version, which is refused.
    fs::write(site.component(), another(2)).expect("written");
    gateway.hot_swap.reload(configuration(&site.toml()));
    assert_eq!(shown(&gateway, "mine").await["sha256"], runs);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rollback_that_a_restart_undoes_says_so() {
    let site = Site::new();
    let gateway = site.start().await;
    accepted(send(&gateway, "PUT", &format!("{MINE}/config"), json!({"mountpoint": "site/"})).await);
    let before = shown(&gateway, "mine").await["sha256"].clone();
    // The component is that of the file, which changes.
    fs::write(site.component(), another(2)).expect("written");
    gateway.hot_swap.reload(configuration(&site.toml()));
    let back = roll_back(&gateway, "").await;
    assert_eq!((&back["sha256"], &back["kept"]), (&before, &json!(false)));
    assert!(back["warnings"][0].as_str().is_some_and(|text| text.contains("after a restart")), "{back}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drop_in_takes_a_name_that_the_api_gives_up() {
    let site = Site::new();
    let drop_ins = site.directory.path().join("transforms.d");
    fs::create_dir(&drop_ins).expect("a directory");
    let gateway = Running::start(&format!("{}[drop_in]\ndirectory = {drop_ins:?}\n", site.toml())).await;
    let added = json!({"name": "x", "component": "builtin:local-heartbeat"});
    accepted(send(&gateway, "POST", "/api/v1/transforms", added.clone()).await);
    fs::write(drop_ins.join("10-x.toml"), "component = \"builtin:local-heartbeat\"").expect("written");
    let until = async |is_wanted: &dyn Fn(&Value) -> bool| {
        let reached = async {
            while !is_wanted(&get(&gateway, "/api/v1/drop-ins").await.json()["drop_ins"]) {
                crate::pause().await;
            }
        };
        tokio::time::timeout(ocpp_gateway_testkit::TIMEOUT, reached).await.expect("in time");
    };
    until(&|drop_ins| drop_ins[0]["fault"].as_str().is_some_and(|fault| fault.contains("the API has added"))).await;
    accepted(ask(&gateway, "DELETE", "/api/v1/transforms/x", &[], "").await);
    until(&|drop_ins| drop_ins[0]["fault"].is_null()).await;
    assert_eq!(shown(&gateway, "x").await["origin"], "drop-in");
    send(&gateway, "POST", "/api/v1/transforms", added).await.problem(409);
    gateway.stop().await;
}
