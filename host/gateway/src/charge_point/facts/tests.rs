use super::*;
use std::borrow::Cow;

/// What is known after these CALLs: action and payload.
fn after(version: Version, calls: &[(&str, &str)]) -> Facts {
    let facts = Facts::default();
    for (action, payload) in calls {
        facts.record(version, action, payload, Instant::now());
    }
    facts
}

/// Vendor, model, firmware and serial number; `-` for what is not known.
fn boot(version: Version, payload: &str) -> String {
    after(version, &[("BootNotification", payload)]).with(|known| {
        let Some(boot) = &known.boot else { return "nothing".into() };
        let texts = [&boot.vendor, &boot.model, &boot.firmware, &boot.serial];
        texts.map(|text| text.as_deref().unwrap_or("-")).join("|")
    })
}

/// EVSE, connector, status and error code of each connector.
fn connectors(facts: &Facts) -> Vec<String> {
    let shown = |it: &Connector| {
        let evse = it.evse.map(|evse| format!("{evse}.")).unwrap_or_default();
        format!("{evse}{} {} {}", it.connector, it.status, it.error_code.as_deref().unwrap_or("-"))
    };
    facts.with(|known| known.connectors.iter().map(shown).collect())
}

fn status(version: Version, payload: &str) -> Vec<String> {
    connectors(&after(version, &[("StatusNotification", payload)]))
}

#[test]
fn boot_notification_tells_vendor_model_firmware_and_serial_number() {
    let old = r#"{"chargePointVendor":"ACME","chargePointModel":"Willow 22","chargePointSerialNumber":"SN-1",
        "chargeBoxSerialNumber":"BOX-1","firmwareVersion":"1.4.2","iccid":"","imsi":null,"meterType":"M"}"#;
    assert_eq!(boot(Version::V1_6, old), "ACME|Willow 22|1.4.2|SN-1");
    let minimal = r#"{"chargeBoxSerialNumber":"BOX-1","chargePointVendor":"ACME","chargePointModel":"W"}"#;
    assert_eq!(boot(Version::V1_6, minimal), "ACME|W|-|BOX-1");
    let new = r#"{"reason":"PowerUp","chargingStation":{"model":"W2","vendorName":"ACME","serialNumber":"SN-2",
        "firmwareVersion":"2.0","modem":{"iccid":"1"},"customData":{"vendorId":"x"}}}"#;
    assert_eq!(boot(Version::V2_0_1, new), "ACME|W2|2.0|SN-2");
    assert_eq!(boot(Version::V2_1, new), "ACME|W2|2.0|SN-2");
}

#[test]
fn what_a_boot_notification_lacks_or_has_in_another_form_is_not_known() {
    for (payload, shown) in [
        (r#"{"chargePointVendor":"  ACME ","chargePointModel":["W"],"firmwareVersion":{}}"#, "ACME|-|-|-"),
        (r#"{"chargePointVendor":"","chargePointModel":null,"chargePointSerialNumber":12345}"#, "-|-|-|12345"),
        (r#"{"chargePointVendor":"A\u0043\u004dE \"x\"","chargePointModel":true}"#, "ACME \"x\"|-|-|-"),
        ("{}", "nothing"),
        ("[]", "nothing"),
        ("", "nothing"),
        (r#"{"chargePointVendor":"A","chargePointVendor":"B"}"#, "nothing"),
        (r#"{"chargingStation":{"model":"W2"}}"#, "nothing"),
    ] {
        assert_eq!(boot(Version::V1_6, payload), shown, "{payload}");
    }
    for payload in [r#"{"chargingStation":"W2"}"#, r#"{"chargingStation":[[[[]]]]}"#, r#"{"chargePointVendor":"ACME"}"#]
    {
        assert_eq!(boot(Version::V2_0_1, payload), "nothing", "{payload}");
    }
}

#[test]
fn unreadable_boot_notification_leaves_what_was_known() {
    let first = r#"{"chargePointVendor":"ACME","chargePointModel":"W"}"#;
    let facts = after(Version::V1_6, &[("BootNotification", first), ("BootNotification", r#"{"chargePointVendor":7"#)]);
    assert_eq!(facts.with(|known| known.boot.as_ref().and_then(|boot| boot.vendor.clone())).as_deref(), Some("ACME"));
}

#[test]
fn huge_texts_are_cut_between_characters() {
    let long = "é".repeat(1 << 20);
    let payload = format!(r#"{{"chargePointVendor":"{long}","chargePointModel":"\u00e9{long}"}}"#);
    let shown = boot(Version::V1_6, &payload);
    assert_eq!(shown, format!("{0}|{0}|-|-", "é".repeat(32)));
    let payload = format!(r#"{{"connectorId":1,"status":"x{long}","errorCode":"{long}"}}"#);
    let kept = status(Version::V1_6, &payload);
    assert_eq!(kept, [format!("1 x{} {}", "é".repeat(31), "é".repeat(32))]);
}

#[test]
fn latest_status_of_each_connector_is_known() {
    let facts = after(
        Version::V1_6,
        &[
            ("StatusNotification", r#"{"connectorId":0,"status":"Available","errorCode":"NoError"}"#),
            ("StatusNotification", r#"{"connectorId":1,"status":"Preparing","errorCode":"NoError"}"#),
            ("StatusNotification", r#"{"connectorId":1,"status":"Faulted","errorCode":"GroundFailure","info":"x"}"#),
            ("StatusNotification", r#"{"connectorId":"2","status":"ACME-Sleeping"}"#),
        ],
    );
    assert_eq!(connectors(&facts), ["0 Available NoError", "1 Faulted GroundFailure", "2 ACME-Sleeping -"]);
    let is_borrowed = |it: &Connector| matches!(it.status, Cow::Borrowed(_));
    assert_eq!(facts.with(|it| it.connectors.iter().map(is_borrowed).collect::<Vec<_>>()), [true, true, false]);

    let payload = r#"{"timestamp":"2026-01-01T00:00:00Z","connectorStatus":"Occupied","evseId":1,"connectorId":2}"#;
    assert_eq!(status(Version::V2_0_1, payload), ["1.2 Occupied -"]);
    assert_eq!(status(Version::V2_1, payload), ["1.2 Occupied -"]);
}

#[test]
fn status_without_connector_or_status_is_ignored() {
    for payload in [
        r#"{"status":"Available"}"#,
        r#"{"connectorId":1}"#,
        r#"{"connectorId":-1,"status":"Available"}"#,
        r#"{"connectorId":1.5,"status":"Available"}"#,
        r#"{"connectorId":99999999999999999999,"status":"Available"}"#,
        r#"{"connectorId":{},"status":"Available"}"#,
        r#"{"connectorId":1,"status":["Available"]}"#,
        r#"{"connectorId":1,"connectorStatus":"Available"}"#,
        "not JSON",
    ] {
        assert_eq!(status(Version::V1_6, payload), [""; 0], "{payload}");
    }
    assert_eq!(status(Version::V2_0_1, r#"{"connectorId":1,"connectorStatus":"Available"}"#), [""; 0]);
}

#[test]
fn charge_point_with_a_thousand_connectors_has_its_first_ones() {
    let facts = Facts::default();
    for number in 0..1000 {
        let payload = format!(r#"{{"connectorId":{number},"status":"Available"}}"#);
        facts.record(Version::V1_6, "StatusNotification", &payload, Instant::now());
    }
    let faulted = r#"{"connectorId":31,"status":"Faulted"}"#;
    facts.record(Version::V1_6, "StatusNotification", faulted, Instant::now());
    let kept = connectors(&facts);
    assert_eq!((kept.len(), &*kept[31]), (MAX_CONNECTORS, "31 Faulted -"));
}

#[test]
fn time_of_a_status_is_that_of_the_charge_point_unless_it_cannot_be_true() {
    let now = SystemTime::now();
    let at = |written: &str| {
        let payload = format!(r#"{{"connectorId":1,"status":"Available","timestamp":{written}}}"#);
        read::connector(Version::V1_6, &payload, now).expect("a connector").at
    };
    let hour = Duration::from_secs(3600);
    let utc = |time: SystemTime| humantime::format_rfc3339_millis(time).to_string();
    let earlier = utc(now - hour);
    assert_eq!(utc(at(&format!("{earlier:?}"))), earlier);
    let with_offset = earlier.replace('Z', "+02:00");
    assert_eq!(utc(at(&format!("{with_offset:?}"))), utc(now - 3 * hour));
    let future = format!("{:?}", utc(now + hour));
    for wrong in [future.as_str(), r#""1970-01-01T00:00:00Z""#, r#""today""#, "17", "null", r#""2026-01-01T00:00:00""#]
    {
        assert_eq!(at(wrong), now, "{wrong}");
    }
}

#[test]
fn other_actions_tell_nothing_and_heartbeats_only_their_time() {
    let calls = [("Heartbeats", "{}"), ("MeterValues", r#"{"connectorId":1,"status":"Available"}"#)];
    let facts = after(Version::V1_6, &calls);
    assert!(facts.last_heartbeat().is_none() && facts.with(|it| it.connectors.is_empty() && it.boot.is_none()));
    let facts = after(Version::V1_6, &[("Heartbeat", "not JSON")]);
    assert!(facts.last_heartbeat().is_some());
}

#[test]
fn facts_of_a_charge_point_that_has_sent_none_are_small() {
    assert!(size_of::<Facts>() <= 112, "{} bytes", size_of::<Facts>());
    assert!(size_of::<Connector>() <= 80, "{} bytes", size_of::<Connector>());
}

#[test]
fn change_of_the_number_of_faulted_connectors_is_told() {
    let facts = Facts::default();
    for (connector, status, has_changed, faulted) in [
        (1, "Available", false, 0),
        (1, "Faulted", true, 1),
        (1, "Faulted", false, 1),
        (2, "FAULTED", true, 2),
        (1, "Unavailable", true, 1),
        (2, "Charging", true, 0),
    ] {
        let payload = format!(r#"{{"connectorId":{connector},"errorCode":"NoError","status":"{status}"}}"#);
        let told = facts.record(Version::V1_6, "StatusNotification", &payload, Instant::now());
        assert_eq!((told, facts.faulted()), (has_changed, faulted), "{payload}");
    }
    let new = r#"{"timestamp":"2026-01-01T00:00:00Z","connectorStatus":"Faulted","evseId":1,"connectorId":1}"#;
    assert_eq!(after(Version::V2_0_1, &[("StatusNotification", new)]).faulted(), 1);
}
