//! What the pages of transforms show beside versions and counts: hooks, conditions, lines of the log.

use crate::Running;
use crate::admin::get;
use crate::log::FREE_PORTS;
use crate::secrets::ConfiguredProgram;
use serde_json::{Value, json};

const TRANSFORMS: &str = "[[transforms]]\nname = \"mine\"\ncomponent = \"builtin:local-heartbeat\"\n\
                          match = { actions = [\"Heartbeat\"] }\n";

#[tokio::test(flavor = "multi_thread")]
async fn hooks_and_conditions_of_transforms_are_shown() {
    let gateway = Running::start(TRANSFORMS).await;
    let transforms = get(&gateway, "/api/v1/transforms").await.json();
    let [mine, standard] = &transforms.as_array().expect("a list")[..] else { panic!("{transforms}") };
    assert_eq!(mine["match"], json!({"actions": ["Heartbeat"]}));
    assert!(mine["hooks"].as_array().is_some_and(|hooks| hooks.contains(&json!("uplink"))), "{mine}");
    assert_eq!((&standard["match"], &standard["stopped_hooks"]), (&Value::Null, &json!([])));
    let hooks = standard["hooks"].as_array().expect("a list");
    for hook in ["subscriptions", "to-mqtt", "from-mqtt"] {
        assert_eq!(hooks.iter().filter(|name| *name == hook).count(), 1, "{standard}");
    }
    let one = get(&gateway, "/api/v1/transforms/mine").await.json();
    assert_eq!((&one["match"], &one["hooks"]), (&mine["match"], &mine["hooks"]));
    get(&gateway, "/api/v1/transforms/none/log").await.problem(404);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_the_log_that_name_a_transform_are_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.toml");
    std::fs::write(&config, FREE_PORTS.to_owned() + TRANSFORMS).expect("written");
    let program = ConfiguredProgram::start(&config, folder.path().join("log"), "info", "ws://");
    program.wait_until_ready().await;
    let page = program.page("/api/v1/transforms/mine/log").await;
    let page: Value = serde_json::from_str(page.split_once("\r\n\r\n").expect("a head").1).expect("JSON");
    let lines = page["lines"].as_array().expect("lines");
    let loaded = lines.iter().find(|line| line["text"].as_str().is_some_and(|text| text.starts_with("loaded ")));
    let loaded = loaded.unwrap_or_else(|| panic!("{page}"));
    assert_eq!((&loaded["level"], &loaded["charge_point"]), (&json!("info"), &Value::Null));
    assert!(loaded["text"].as_str().is_some_and(|text| text.contains("component=builtin:local-heartbeat")), "{loaded}");
    assert!(lines.iter().all(|line| !line["text"].as_str().unwrap_or_default().contains("standard")), "{page}");
    let log = program.stop();
    assert!(log.contains("loaded transform=\"mine\""), "{log}");
}
