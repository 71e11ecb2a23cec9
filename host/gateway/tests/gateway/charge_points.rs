//! What the admin API shows of charge points: facts from their messages, filters, orders, and those that are away.

use crate::Running;
use crate::admin::{assert_described, get};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::charge_point::ChargePoint;
use serde_json::{Value, json};
use tokio::time::timeout;

const LIST: &str = "/api/v1/charge-points";

/// The page of this query.
async fn page(gateway: &Running, query: &str) -> Value {
    get(gateway, &format!("{LIST}?{query}")).await.json()
}

/// The identities on a page, and how many the filters select.
async fn ids(gateway: &Running, query: &str) -> (Vec<String>, u64) {
    let page = page(gateway, query).await;
    let rows = page["charge_points"].as_array().unwrap_or_else(|| panic!("{query}: {page}"));
    let ids = rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect();
    (ids, page["matching"].as_u64().expect("a number"))
}

/// Waits until the list has this charge point in this form. What a message tells is known a moment after the back end
/// has it.
async fn row_until(gateway: &Running, id: &str, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let found = async {
        loop {
            let row = page(gateway, &format!("state=all&id={id}")).await["charge_points"][0].clone();
            if condition(&row) {
                return row;
            }
            crate::pause().await;
        }
    };
    match timeout(TIMEOUT, found).await {
        Ok(row) => row,
        Err(_) => panic!("not {what} in time: {}", page(gateway, &format!("state=all&id={id}")).await),
    }
}

async fn boot(charge_point: &mut ChargePoint, vendor: &str, model: &str) {
    let payload = json!({"chargePointVendor": vendor, "chargePointModel": model, "firmwareVersion": "1.4",
        "chargePointSerialNumber": "SN-1"});
    charge_point.send(&json!([2, format!("boot {model}"), "BootNotification", payload]).to_string()).await;
}

async fn status(charge_point: &mut ChargePoint, connector: u32, status: &str) {
    let payload = json!({"connectorId": connector, "status": status, "errorCode": "NoError"});
    let id = format!("status {connector} {status}");
    charge_point.send(&json!([2, id, "StatusNotification", payload]).to_string()).await;
}

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|time| humantime::parse_rfc3339(time).is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_are_shown_and_outlast_the_connection() {
    let gateway = Running::start("").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let row = page(&gateway, "").await["charge_points"][0].clone();
    for unknown in ["vendor", "model", "firmware", "serial", "last_message", "last_heartbeat", "disconnected_at"] {
        assert_eq!(row[unknown], Value::Null, "{unknown}: {row}");
    }
    assert_eq!((&row["connectors"], &row["connected"]), (&json!([]), &json!(true)));
    boot(&mut charge_point, "ACME", "Willow").await;
    status(&mut charge_point, 0, "Available").await;
    status(&mut charge_point, 1, "Charging").await;
    charge_point.send(r#"[2,"h","Heartbeat",{}]"#).await;
    let row = row_until(&gateway, "CP1", "alive", |row| is_time(&row["last_heartbeat"])).await;
    let boot_facts = ["vendor", "model", "firmware", "serial"].map(|name| row[name].as_str());
    assert_eq!(boot_facts, [Some("ACME"), Some("Willow"), Some("1.4"), Some("SN-1")]);
    let connector = &row["connectors"][1];
    let shown = [&connector["evse"], &connector["connector"], &connector["status"], &connector["error_code"]];
    assert_eq!(shown, [&Value::Null, &json!(1), &json!("Charging"), &json!("NoError")]);
    assert!(is_time(&connector["at"]) && is_time(&row["last_message"]), "{row}");
    let row = row_until(&gateway, "CP1", "waiting", |row| row["open_calls"]["from_charge_point"] == 4).await;
    assert_eq!(row["open_calls"], json!({"from_charge_point": 4, "to_charge_point": 0}));

    charge_point.close().await;
    let away = row_until(&gateway, "CP1", "away", |row| row["connected"] == false).await;
    assert_eq!((&away["disconnect_reason"], &away["mailbox"]), (&json!("gone"), &json!(0)));
    assert!(is_time(&away["disconnected_at"]), "{away}");
    assert_eq!(away["open_calls"], json!({"from_charge_point": 0, "to_charge_point": 0}));
    for same in ["vendor", "connectors", "last_message", "version", "address", "connected_since"] {
        assert_eq!(away[same], row[same], "{same}");
    }
    get(&gateway, &format!("{LIST}/CP1")).await.problem(404);
    assert_eq!(page(&gateway, "").await["total"], 0);

    let _again = gateway.charge_point("CP1").await;
    let row = get(&gateway, &format!("{LIST}/CP1")).await.json();
    assert_eq!((&row["connected"], &row["disconnect_reason"]), (&json!(true), &json!("gone")));
    assert_eq!((&row["vendor"], &row["connectors"]), (&away["vendor"], &away["connectors"]));
    assert_eq!(ids(&gateway, "state=away").await, (vec![], 0));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_refused_tell_nothing() {
    let gateway = Running::start("[validation]\nmode = \"both\"").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    let wrong = json!({"chargePointVendor": "ACME", "chargePointModel": "Willow", "colour": "red"});
    charge_point.send(&json!([2, "1", "BootNotification", wrong]).to_string()).await;
    assert!(charge_point.text().await.starts_with(r#"[4,"1""#));
    boot(&mut charge_point, "Other", "Birch").await;
    let row = row_until(&gateway, "CP1", "known", |row| row["vendor"] != Value::Null).await;
    assert_eq!((&row["vendor"], &row["model"]), (&json!("Other"), &json!("Birch")));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeat_that_a_transform_answers_counts() {
    let chain = "[[transforms]]\nname = \"heartbeats\"\ncomponent = \"builtin:local-heartbeat\"\n\
                 config = { forward_every_s = 0 }\n";
    let gateway = Running::start(chain).await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"h","Heartbeat",{}]"#).await;
    assert!(charge_point.text().await.starts_with(r#"[3,"h""#), "answered in the gateway");
    row_until(&gateway, "CP1", "alive", |row| is_time(&row["last_heartbeat"])).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_of_a_later_version_names_its_evse_and_another_version_forgets_connectors() {
    let gateway = Running::start("").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    status(&mut charge_point, 1, "Faulted").await;
    row_until(&gateway, "CP1", "known", |row| row["connectors"][0]["status"] == "Faulted").await;
    let mut newer = gateway.charge_point_of("CP1", "ocpp2.0.1").await;
    let row = get(&gateway, &format!("{LIST}/CP1")).await.json();
    assert_eq!((&row["connectors"], &row["disconnect_reason"]), (&json!([]), &json!("replaced")));
    let payload =
        json!({"timestamp": "2020-01-01T00:00:00Z", "connectorStatus": "Occupied", "evseId": 1, "connectorId": 2});
    newer.send(&json!([2, "1", "StatusNotification", payload]).to_string()).await;
    let station = json!({"vendorName": "ACME", "model": "W2", "serialNumber": "S", "firmwareVersion": "2"});
    let payload = json!({"reason": "PowerUp", "chargingStation": station});
    newer.send(&json!([2, "2", "BootNotification", payload]).to_string()).await;
    let row = row_until(&gateway, "CP1", "known", |row| row["model"] == "W2").await;
    let connector = &row["connectors"][0];
    let shown = [&connector["evse"], &connector["connector"], &connector["status"], &connector["error_code"]];
    assert_eq!(shown, [&json!(1), &json!(2), &json!("Occupied"), &Value::Null]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_select_without_regard_to_case() {
    let gateway = Running::start("").await;
    let mut first = gateway.charge_point("Berlin-1").await;
    let mut second = gateway.charge_point("Berlin-2").await;
    let _third = gateway.charge_point_of("Paris-1", "ocpp2.1").await;
    boot(&mut first, "ACME", "Willow 22").await;
    boot(&mut second, "Other", "Birch").await;
    status(&mut second, 1, "Faulted").await;
    row_until(&gateway, "Berlin-1", "known", |row| row["vendor"] == "ACME").await;
    row_until(&gateway, "Berlin-2", "known", |row| row["connectors"][0]["status"] == "Faulted").await;
    for (query, expected) in [
        ("search=bERLIN", &["Berlin-1", "Berlin-2"][..]),
        ("search=willow", &["Berlin-1"]),
        ("search=ACM", &["Berlin-1"]),
        ("search=127.0.0.1", &["Berlin-1", "Berlin-2", "Paris-1"]),
        ("search=10.9.8.7", &[]),
        ("search=", &["Berlin-1", "Berlin-2", "Paris-1"]),
        ("vendor=acme", &["Berlin-1"]),
        ("vendor=acm", &[]),
        ("model=willow%2022&vendor=ACME", &["Berlin-1"]),
        ("model=birch&vendor=ACME", &[]),
        ("status=faulted", &["Berlin-2"]),
        ("status=faulted&search=berlin-2", &["Berlin-2"]),
        ("version=ocpp2.1", &["Paris-1"]),
        ("id=Paris-1", &["Paris-1"]),
        ("id=paris-1", &[]),
        ("id=Paris-1&version=ocpp1.6", &[]),
    ] {
        let (selected, matching) = ids(&gateway, query).await;
        assert_eq!(
            (selected, matching),
            (expected.iter().map(|it| (*it).to_owned()).collect(), expected.len() as u64),
            "{query}"
        );
    }
    let all = page(&gateway, "").await;
    let address = all["charge_points"][0]["address"].as_str().expect("an address");
    let (_, port) = address.rsplit_once(':').expect("a port");
    assert_eq!(ids(&gateway, &format!("search={port}")).await.1, 0, "ports look like identities");
    let page = page(&gateway, "search=berlin&limit=1").await;
    let counts = [&page["total"], &page["matching"], &page["next"]];
    assert_eq!(counts, [&json!(3), &json!(2), &json!("Berlin-1")]);
    assert_eq!(ids(&gateway, "search=berlin&limit=1&after=Berlin-1").await, (vec!["Berlin-2".into()], 2));

    let document = get(&gateway, "/api/openapi.json").await.json();
    for (path, target) in [(LIST, "?state=all".to_owned()), ("/api/v1/charge-points/{id}", "/Berlin-2".into())] {
        let answer = get(&gateway, &format!("{LIST}{target}")).await;
        assert_eq!(answer.status, 200);
        assert_described(&document, "get", path, &answer);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn list_is_sorted_as_asked_for_and_paged_by_offset() {
    let gateway = Running::start("").await;
    let mut third = gateway.charge_point("CP3").await;
    let _first = gateway.charge_point("CP1").await;
    let mut second = gateway.charge_point("CP2").await;
    third.send(r#"[2,"1","Heartbeat",{}]"#).await;
    row_until(&gateway, "CP3", "open", |row| row["open_calls"]["from_charge_point"] == 1).await;
    second.send(r#"[2,"1","Heartbeat",{}]"#).await;
    second.send(r#"[2,"2","Heartbeat",{}]"#).await;
    row_until(&gateway, "CP2", "open", |row| row["open_calls"]["from_charge_point"] == 2).await;
    for (query, expected) in [
        ("sort=id&order=desc", ["CP3", "CP2", "CP1"]),
        ("sort=id", ["CP1", "CP2", "CP3"]),
        ("sort=connected_since", ["CP3", "CP1", "CP2"]),
        ("sort=connected_since&order=desc", ["CP2", "CP1", "CP3"]),
        // The one that has sent nothing is last.
        ("sort=last_message", ["CP3", "CP2", "CP1"]),
        ("sort=last_message&order=desc", ["CP2", "CP3", "CP1"]),
        ("sort=open_calls", ["CP1", "CP3", "CP2"]),
        ("sort=open_calls&order=desc", ["CP2", "CP3", "CP1"]),
        ("sort=mailbox", ["CP1", "CP2", "CP3"]),
        ("sort=id&order=desc&search=cp", ["CP3", "CP2", "CP1"]),
    ] {
        assert_eq!(ids(&gateway, query).await.0, expected, "{query}");
        for offset in 0..4 {
            let (part, matching) = ids(&gateway, &format!("{query}&limit=1&offset={offset}")).await;
            let expected: Vec<&str> = expected.get(offset).copied().into_iter().collect();
            assert_eq!((part, matching), (expected.into_iter().map(str::to_owned).collect(), 3), "{query} {offset}");
        }
    }
    assert_eq!(page(&gateway, "sort=id&order=desc&limit=1").await["next"], Value::Null);
    for wrong in [
        "after=CP1&order=desc",
        "after=CP1&sort=mailbox",
        "after=CP1&offset=1",
        "sort=name",
        "order=up",
        "state=gone",
        "version=1.6",
        "offset=-1",
    ] {
        get(&gateway, &format!("{LIST}?{wrong}")).await.problem(400);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charge_points_that_are_away_are_kept_up_to_the_limit() {
    let gateway = Running::start("[ocpp]\nmax_connections = 2").await;
    for id in ["CP1", "CP2", "CP3"] {
        gateway.charge_point(id).await.close().await;
        row_until(&gateway, id, "away", |row| row["connected"] == false).await;
    }
    assert_eq!(ids(&gateway, "state=away").await, (vec!["CP2".into(), "CP3".into()], 2));
    let _again = gateway.charge_point("CP2").await;
    assert_eq!(ids(&gateway, "state=all").await, (vec!["CP2".into(), "CP3".into()], 2));
    let page = page(&gateway, "state=all").await;
    assert_eq!((&page["total"], &page["charge_points"][1]["connected"]), (&json!(1), &json!(false)));
    gateway.stop().await;
}
