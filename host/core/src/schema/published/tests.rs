use super::*;
use crate::action;
use serde_json::json;
use std::collections::BTreeSet;
use std::thread;

const KINDS: [MessageType; 3] = [MessageType::Call, MessageType::CallResult, MessageType::Send];

fn schema(version: Version, kind: MessageType, action: &str) -> &'static Schema {
    Schema::find(version, kind, action).unwrap_or_else(|fault| panic!("{version} {action}: {fault:?}"))
}

/// The error code and description of the first violation in a payload.
fn found(version: Version, kind: MessageType, action: &str, payload: &Value) -> Option<(String, String)> {
    let text = payload.to_string();
    let error = schema(version, kind, action).violation(version, &Payload::new(&text))?;
    Some((error.code.into_owned(), error.description.into_owned()))
}

/// The same in OCPP 1.6: for a CALL, or for a CALLRESULT if `message` ends with `Response`.
fn old(message: &str, payload: &Value) -> Option<(String, String)> {
    match message.strip_suffix("Response") {
        Some(action) => found(Version::V1_6, MessageType::CallResult, action, payload),
        None => found(Version::V1_6, MessageType::Call, message, payload),
    }
}

#[test]
fn every_schema_compiles_errata_included() {
    let mut counts = Vec::new();
    for version in Version::ALL {
        let mut count = 0;
        for Messages { action, .. } in published(version) {
            for kind in KINDS {
                let Ok(schema) = Schema::find(version, kind, action) else { continue };
                // Published schemas are within the limits for schemas of transforms.
                let plan = crate::schema::cost::Plan::of(&schema.amended(version));
                assert!(plan.is_ok_and(|plan| plan.check(&json!({}), 200).is_ok()), "{version} {}", schema.file);
                let unknown_field = schema.violation(version, &Payload::new(r#"{"no such field":1}"#));
                assert!(unknown_field.is_some(), "{version} {}", schema.file);
                count += 1;
            }
        }
        counts.push(count);
    }
    // The number of schema files.
    assert_eq!(counts, [78, 128, 181]);
}

#[test]
fn every_action_has_a_request_and_a_response_or_is_a_send() {
    for version in Version::ALL {
        let mut sends = Vec::new();
        for Messages { action, call, result, send } in published(version) {
            match (call, result, send) {
                (Some(_), Some(_), None) => {}
                (None, None, Some(_)) => sends.push(*action),
                other => panic!("{version} {action}: {other:?}"),
            }
        }
        let expected: &[&str] = if version == Version::V2_1 { &["NotifyPeriodicEventStream"] } else { &[] };
        assert_eq!(sends, expected, "{version}");
    }
    let counts = Version::ALL.map(|version| published(version).len());
    assert_eq!(counts, [39, 64, 91]);
}

/// Data kept per action is indexed by that list.
#[test]
fn every_action_has_a_number() {
    let named = Version::ALL.into_iter().flat_map(published).map(|messages| messages.action);
    let named: BTreeSet<&str> = named.collect();
    let numbered = action::Action::all().filter(|known| *known != action::Action::OTHER).map(action::Action::name);
    assert_eq!(named, numbered.collect());
}

#[test]
fn unknown_actions_and_unsupported_message_types_are_different_faults() {
    for version in Version::ALL {
        for kind in KINDS {
            assert_eq!(Schema::find(version, kind, "MakeCoffee").err(), Some(Fault::UnknownAction));
            assert_eq!(Schema::find(version, kind, "heartbeat").err(), Some(Fault::UnknownAction));
        }
        assert_eq!(Schema::find(version, MessageType::Send, "Heartbeat").err(), Some(Fault::UnsupportedAction));
    }
    let event_stream = |version, kind| Schema::find(version, kind, "NotifyPeriodicEventStream").err();
    assert_eq!(event_stream(Version::V2_1, MessageType::Send), None);
    assert_eq!(event_stream(Version::V2_1, MessageType::Call), Some(Fault::UnsupportedAction));
    assert_eq!(event_stream(Version::V2_0_1, MessageType::Send), Some(Fault::UnknownAction));
    // Actions of other versions are unknown.
    assert!(Schema::find(Version::V1_6, MessageType::Call, "TransactionEvent").is_err());
    assert!(Schema::find(Version::V2_0_1, MessageType::Call, "StartTransaction").is_err());
}

#[test]
fn each_kind_of_violation_has_its_code_and_names_the_field_in_every_version() {
    let (old, new) = (Version::V1_6, [Version::V2_0_1, Version::V2_1]);
    let call = MessageType::Call;
    let is = |found: Option<(String, String)>, code: &str, field: &str| {
        let (found_code, text) = found.expect("a violation");
        assert!(found_code == code && text.contains(field) && !text.contains("secret"), "{code} {field}: {text}");
    };
    let boot = |more: Value| {
        let mut boot = json!({"chargePointVendor": "V", "chargePointModel": "M"});
        boot.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        found(old, call, "BootNotification", &boot)
    };
    assert_eq!(boot(json!({})), None);
    is(boot(json!({"more": "secret"})), "FormationViolation", "more");
    is(boot(json!({"chargePointModel": 7})), "TypeConstraintViolation", "chargePointModel");
    is(boot(json!({"chargePointVendor": "secret".repeat(4)})), "PropertyConstraintViolation", "chargePointVendor");
    is(
        found(old, call, "BootNotification", &json!({"chargePointVendor": "V"})),
        "OccurenceConstraintViolation",
        "chargePointModel",
    );
    for version in new {
        let boot = |station: Value, reason: &str| {
            found(version, call, "BootNotification", &json!({"reason": reason, "chargingStation": station}))
        };
        assert_eq!(boot(json!({"model": "M", "vendorName": "V"}), "PowerUp"), None);
        is(boot(json!({"model": "M"}), "PowerUp"), "OccurrenceConstraintViolation", "vendorName");
        is(boot(json!({"model": 7, "vendorName": "V"}), "PowerUp"), "TypeConstraintViolation", "chargingStation.model");
        is(boot(json!({"model": "M", "vendorName": "V"}), "secret"), "PropertyConstraintViolation", "reason");
        is(boot(json!({"model": "M", "vendorName": "V", "more": 1}), "PowerUp"), "FormatViolation", "more");
        let report = json!({"getVariableData": []});
        is(found(version, call, "GetVariables", &report), "OccurrenceConstraintViolation", "getVariableData");
    }
}

#[test]
fn custom_data_is_allowed_in_2_x_and_refused_in_1_6() {
    let custom = json!({"customData": {"vendorId": "V", "anything": {"at": ["all"]}}});
    for version in [Version::V2_0_1, Version::V2_1] {
        assert_eq!(found(version, MessageType::Call, "Heartbeat", &custom), None);
        let without_vendor = json!({"customData": {"anything": 1}});
        assert!(found(version, MessageType::Call, "Heartbeat", &without_vendor).is_some());
    }
    assert!(old("Heartbeat", &custom).is_some());
}

/// OCPP-J 1.6 errata: `MeterValues.json` and `StopTransaction.json` misspelt the unit; both spellings are accepted.
#[test]
fn erratum_1_6_celsius_may_be_spelt_both_ways() {
    for unit in ["Celcius", "Celsius"] {
        let values = json!([{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": "21.5", "unit": unit}]}]);
        let meter = json!({"connectorId": 1, "meterValue": values});
        assert_eq!(old("MeterValues", &meter), None, "{unit}");
        let stop = json!({
            "transactionId": 1, "timestamp": "2026-01-01T00:00:00Z", "meterStop": 1, "transactionData": values,
        });
        assert_eq!(old("StopTransaction", &stop), None, "{unit}");
    }
}

#[test]
fn text_of_a_schema_is_the_published_one_or_has_its_errata() {
    let text = |action| schema(Version::V1_6, MessageType::Call, action).amended_text(Version::V1_6);
    let published = include_bytes!("../../../schemas/ocpp1.6/Reset.json");
    assert_eq!(text("Reset"), published);
    let amended = String::from_utf8(text("StopTransaction")).expect("text");
    assert!(amended.contains("Hertz"), "{amended}");
    assert_eq!(Schema::actions(Version::V1_6).next(), Some("Authorize"));
}

/// OCPP 1.6 errata v4.0 section 3.84, applied by `errata.json`.
#[test]
fn erratum_1_6_hertz_is_a_unit_in_both_messages_with_meter_values() {
    let sample = json!({"value": "50.01", "measurand": "Frequency", "unit": "Hertz"});
    let values = json!([{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [sample]}]);
    assert_eq!(old("MeterValues", &json!({"connectorId": 1, "meterValue": values})), None);
    let stop = json!({
        "transactionId": 1, "timestamp": "2026-01-01T00:00:00Z", "meterStop": 1, "transactionData": values,
    });
    assert_eq!(old("StopTransaction", &stop), None);
}

/// OCPP-J 1.6 errata: `reason` is optional; the first schema files required it.
#[test]
fn erratum_1_6_a_transaction_may_stop_without_reason() {
    let stop = json!({"transactionId": 1, "timestamp": "2026-01-01T00:00:00Z", "meterStop": 1});
    assert_eq!(old("StopTransaction", &stop), None);
}

/// OCPP 1.6 section 6.41 and section 7.2: the list and the info of an entry are optional, the version and the type of
/// the update are required, and the list may be empty.
#[test]
fn erratum_1_6_local_list_and_entry_info_are_optional() {
    assert_eq!(old("SendLocalList", &json!({"listVersion": 1, "updateType": "Full"})), None);
    let list = |list: Value| json!({"listVersion": 1, "updateType": "Differential", "localAuthorizationList": list});
    assert_eq!(old("SendLocalList", &list(json!([]))), None);
    assert_eq!(old("SendLocalList", &list(json!([{"idTag": "A"}]))), None);
    let full = json!({"status": "Accepted", "expiryDate": "2026-01-01T00:00:00Z", "parentIdTag": "P"});
    assert_eq!(old("SendLocalList", &list(json!([{"idTag": "A", "idTagInfo": full}]))), None);
    assert!(old("SendLocalList", &list(json!([{"idTagInfo": {"status": "Accepted"}}]))).is_some());
    assert!(old("SendLocalList", &json!({"listVersion": 1})).is_some());
    assert!(old("SendLocalList", &json!({"listVersion": "1", "updateType": "Full"})).is_some());
}

/// OCPP 1.6 section 6.4: the interval is required, and an integer.
#[test]
fn erratum_1_6_boot_answer_requires_an_integer_interval() {
    let answer = |interval: Value| {
        old(
            "BootNotificationResponse",
            &json!({"status": "Accepted", "currentTime": "2026-01-01T00:00:00Z", "interval": interval}),
        )
    };
    assert_eq!(answer(json!(300)), None);
    assert_eq!(answer(json!(300.5)).expect("a violation").0, "TypeConstraintViolation");
    let without = json!({"status": "Accepted", "currentTime": "2026-01-01T00:00:00Z"});
    assert_eq!(old("BootNotificationResponse", &without).expect("a violation").0, "OccurenceConstraintViolation");
}

/// OCPP 1.6 section 6.45: `location` and `retrieveDate` are required, and retries are integers.
#[test]
fn erratum_1_6_update_firmware_requires_location_and_retrieve_date() {
    let update = json!({"location": "ftp://user:pass@host/fw.bin", "retrieveDate": "2026-01-01T00:00:00Z"});
    assert_eq!(old("UpdateFirmware", &update), None);
    let mut retried = update.clone();
    retried["retries"] = json!(3);
    retried["retryInterval"] = json!(60);
    assert_eq!(old("UpdateFirmware", &retried), None);
    retried["retries"] = json!(2.5);
    assert_eq!(old("UpdateFirmware", &retried).expect("a violation").0, "TypeConstraintViolation");
    assert!(old("UpdateFirmware", &json!({"location": "ftp://host/fw.bin"})).is_some());
    assert!(old("UpdateFirmware", &json!({"retrieveDate": "2026-01-01T00:00:00Z"})).is_some());
}

/// OCPP-J 1.6 errata section 3.2: messages, and all objects in them, have only the members that the specification
/// names.
#[test]
fn erratum_1_6_no_object_allows_additional_properties() {
    fn open(schema: &Value) -> bool {
        let own = schema["type"] == "object" && schema["additionalProperties"] != false;
        let inner = |value: &Value| match value {
            Value::Object(members) => members.values().any(open),
            Value::Array(items) => items.iter().any(open),
            _ => false,
        };
        own || inner(schema)
    }
    for action in published(Version::V1_6) {
        for schema in [&action.call, &action.result].into_iter().flatten() {
            assert!(!open(&schema.amended(Version::V1_6)), "{}", schema.file);
        }
    }
}

/// OCPP 1.6 section 7.13 allows one decimal: 21.4 in JSON must not fail because it is parsed as 21.399999999999999.
#[test]
fn limits_of_1_6_have_one_decimal() {
    let profile = |limit: Value| {
        json!({"connectorId": 1, "csChargingProfiles": {
            "chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute", "chargingSchedule": {
                "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
            },
        }})
    };
    for tenths in (0..10_000).chain([163_840, 999_999, 12_345_678]) {
        let limit: Value = serde_json::from_str(&format!("{}.{}", tenths / 10, tenths % 10)).expect("a number");
        assert_eq!(old("SetChargingProfile", &profile(limit.clone())), None, "{limit}");
    }
    assert_eq!(old("SetChargingProfile", &profile(json!(16))), None);
    assert_eq!(old("SetChargingProfile", &profile(json!(4.11))).expect("too fine").0, "PropertyConstraintViolation");
}

#[test]
fn errata_state_their_source_and_change_the_schema_they_name() {
    let errata: Vec<Value> = serde_json::from_str(include_str!("../../../schemas/errata.json")).expect("JSON");
    for erratum in errata {
        for fact in ["source", "reason"] {
            assert!(erratum[fact].as_str().is_some_and(|text| text.len() > 20), "{fact} of {erratum}");
        }
        let version: Version = erratum["version"].as_str().expect("a version").parse().expect("a version");
        let file = erratum["schema"].as_str().expect("a file");
        let all = published(version).iter().flat_map(|action| [&action.call, &action.result, &action.send]);
        let schema = all.flatten().find(|schema| schema.file == file).unwrap_or_else(|| panic!("no {file}"));
        let published: Value = serde_json::from_slice(&schema.text()).expect("JSON");
        let at = erratum["at"].as_str().expect("a pointer");
        for value in erratum["add"].as_array().expect("values") {
            let has =
                |schema: &Value| schema.pointer(at).and_then(Value::as_array).is_some_and(|it| it.contains(value));
            assert!(!has(&published) && has(&schema.amended(version)), "{value} in {file}");
        }
    }
}

#[test]
fn payload_nested_too_deeply_is_a_violation_of_form() {
    for (version, code) in [(Version::V1_6, "FormationViolation"), (Version::V2_1, "FormatViolation")] {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let text = format!(r#"{{"data":{}1{}}}"#, open.repeat(100_000), close.repeat(100_000));
            let error = schema(version, MessageType::Call, "DataTransfer").violation(version, &Payload::new(&text));
            assert_eq!(error.expect("a violation").code, code);
        }
    }
}

#[test]
fn payload_that_cannot_be_parsed_is_not_quoted() {
    for payload in [r#"{"vendorId":"secret\ud800"}"#, r#"{"vendorId":1e999,"data":"secret"}"#] {
        let error = schema(Version::V2_0_1, MessageType::Call, "DataTransfer")
            .violation(Version::V2_0_1, &Payload::new(payload))
            .expect("a violation");
        assert!(error.code == "FormatViolation" && !error.description.contains("secret"), "{}", error.description);
    }
}

#[test]
fn one_validator_serves_all_threads() {
    let schema = schema(Version::V2_1, MessageType::Call, "CostUpdated");
    let addresses: BTreeSet<usize> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    assert!(schema.violation(Version::V2_1, &Payload::new("{}")).is_some());
                    std::ptr::from_ref(schema.validator.get().expect("compiled")) as usize
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(addresses.len(), 1);
}
