use super::*;
use ocpp_transform::testing::{call, counter, peer, take_log};

const SHORT: &str = r#"{"fill_defaults":false}"#;

fn transform(config: &str) -> MeterValues {
    MeterValues::configure(config).expect(config)
}

/// One sampled value, mended; `None`: it is not changed. Mending it again must change nothing.
fn mended(protocol: &str, config: &str, sample: &str) -> Option<String> {
    let transform = transform(config);
    let once = handled(&transform, protocol, sample)?;
    assert_eq!(handled(&transform, protocol, &once), None, "{once} was not finished");
    Some(once)
}

fn handled(transform: &MeterValues, protocol: &str, sample: &str) -> Option<String> {
    let (head, tail) = (r#"{"evseId":1,"meterValue":[{"timestamp":"2026-01-02T03:04:05Z","sampledValue":["#, "]}]}");
    let frame = call("1", "MeterValues", &format!("{head}{sample}{tail}"));
    let peer = Peer { protocol: protocol.into(), ..peer("CP1") };
    let mut actions = transform.handle(&peer, frame);
    assert_eq!(actions.len(), 1);
    match actions.remove(0) {
        FrameAction::Pass => None,
        FrameAction::Replace(frame) => {
            let sample = frame.payload.strip_prefix(head).and_then(|text| text.strip_suffix(tail));
            Some(sample.expect("the rest as it was").to_owned())
        }
        other => panic!("{other:?}"),
    }
}

fn faults() -> Vec<String> {
    take_log().into_iter().map(|line| line.fields[0].1.clone()).collect()
}

#[test]
fn defaults_of_1_6_are_written_out() {
    assert_eq!(
        mended("ocpp1.6", "{}", r#"{"value":"1730"}"#).as_deref(),
        Some(
            r#"{"value":"1730","context":"Sample.Periodic","format":"Raw","measurand":"Energy.Active.Import.Register","location":"Outlet","unit":"Wh"}"#
        )
    );
    let complete = r#"{"value":"16","context":"Trigger","format":"Raw","measurand":"Current.Import","phase":"L1","location":"EV","unit":"A"}"#;
    assert_eq!(mended("ocpp1.6", "{}", complete), None);
    assert_eq!(
        mended("ocpp1.6", "{}", r#"{"unit":null,"value":"1"}"#).as_deref(),
        Some(
            r#"{"unit":"Wh","value":"1","context":"Sample.Periodic","format":"Raw","measurand":"Energy.Active.Import.Register","location":"Outlet"}"#
        )
    );
}

#[test]
fn defaults_of_2_are_written_out() {
    assert_eq!(
        mended("ocpp2.0.1", "{}", r#"{"value":1730}"#).as_deref(),
        Some(
            r#"{"value":1730,"context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","location":"Outlet","unitOfMeasure":{"unit":"Wh","multiplier":0}}"#
        )
    );
    assert_eq!(
        mended("ocpp2.1", "{}", r#"{"value":230.0,"measurand":"Voltage"}"#).as_deref(),
        Some(r#"{"value":230.0,"measurand":"Voltage","context":"Sample.Periodic","location":"Outlet"}"#)
    );
    assert_eq!(mended("ocpp2.0.1", SHORT, r#"{"value":1730}"#), None);
}

#[test]
fn default_measurand_is_not_written_if_the_unit_contradicts_it() {
    for unit in ["V", "Percent", "W"] {
        let sample = format!(r#"{{"value":"1","context":"Trigger","format":"Raw","location":"EV","unit":"{unit}"}}"#);
        assert_eq!(mended("ocpp1.6", "{}", &sample), None);
    }
}

#[test]
fn values_of_1_6_are_converted_and_become_strings() {
    let large = r#"{"energy":"kWh","power":"kW","fill_defaults":false}"#;
    for (config, sample, expected) in [
        (SHORT, r#"{"value":"17.305","unit":"kWh"}"#, Some(r#"{"value":"17305","unit":"Wh"}"#)),
        (
            SHORT,
            r#"{"value":"7.4","measurand":"Power.Active.Import","unit":"kW"}"#,
            Some(r#"{"value":"7400","measurand":"Power.Active.Import","unit":"W"}"#),
        ),
        (large, r#"{"value":"1730","unit":"Wh"}"#, Some(r#"{"value":"1.730","unit":"kWh"}"#)),
        (large, r#"{"value":"1730"}"#, Some(r#"{"value":"1.730","unit":"kWh"}"#)),
        (large, r#"{"value":"1.5","unit":"kWh"}"#, None),
        (SHORT, r#"{"value":1730}"#, Some(r#"{"value":"1730"}"#)),
        (SHORT, r#"{"value":17.10,"measurand":"Voltage"}"#, Some(r#"{"value":"17.10","measurand":"Voltage"}"#)),
        (SHORT, r#"{"value":1.5e3}"#, Some(r#"{"value":"1500"}"#)),
        (SHORT, r#"{"value":"1730","unit":"WH"}"#, Some(r#"{"value":"1730","unit":"Wh"}"#)),
        (
            SHORT,
            r#"{"value":"21","measurand":"Temperature","unit":"Celcius"}"#,
            Some(r#"{"value":"21","measurand":"Temperature","unit":"Celsius"}"#),
        ),
        (SHORT, r#"{"value":"1730"}"#, None),
        (SHORT, r#"{"value":"some text","measurand":"Frequency"}"#, None),
        (large, r#"{"value":"7400","measurand":"Power.Offered"}"#, None),
    ] {
        assert_eq!(mended("ocpp1.6", config, sample).as_deref(), expected, "{sample}");
    }
    assert_eq!(take_log(), []);
}

#[test]
fn values_of_2_are_converted_and_become_numbers() {
    let large = r#"{"energy":"kWh","power":"kW","fill_defaults":false}"#;
    for (config, sample, expected) in [
        (
            SHORT,
            r#"{"value":17.305,"unitOfMeasure":{"unit":"kWh"}}"#,
            Some(r#"{"value":17305,"unitOfMeasure":{"unit":"Wh"}}"#),
        ),
        (
            SHORT,
            r#"{"value":17.3,"unitOfMeasure":{"unit":"Wh","multiplier":3}}"#,
            Some(r#"{"value":17300,"unitOfMeasure":{"unit":"Wh","multiplier":0}}"#),
        ),
        (
            large,
            r#"{"value":17,"unitOfMeasure":{"multiplier":3}}"#,
            Some(r#"{"value":17,"unitOfMeasure":{"multiplier":0,"unit":"kWh"}}"#),
        ),
        (large, r#"{"value":1730}"#, Some(r#"{"value":1.730,"unitOfMeasure":{"unit":"kWh"}}"#)),
        (
            SHORT,
            r#"{"value":2300,"measurand":"Voltage","unitOfMeasure":{"unit":"V","multiplier":-1}}"#,
            Some(r#"{"value":230.0,"measurand":"Voltage","unitOfMeasure":{"unit":"V","multiplier":0}}"#),
        ),
        (
            SHORT,
            r#"{"value":"16.2","measurand":"Current.Import"}"#,
            Some(r#"{"value":16.2,"measurand":"Current.Import"}"#),
        ),
        (SHORT, r#"{"value":" +007.50 "}"#, Some(r#"{"value":7.50}"#)),
        (
            SHORT,
            r#"{"value":1,"unitOfMeasure":{"unit":"kWh","multiplier":"-3"}}"#,
            Some(r#"{"value":1,"unitOfMeasure":{"unit":"Wh","multiplier":0}}"#),
        ),
        (SHORT, r#"{"value":1.5e3}"#, None),
        (SHORT, r#"{"value":1,"unitOfMeasure":{"unit":"Wh"}}"#, None),
    ] {
        let once = handled(&transform(config), "ocpp2.0.1", sample);
        assert_eq!(once.as_deref(), expected, "{sample}");
        if let Some(once) = once {
            assert_eq!(handled(&transform(config), "ocpp2.0.1", &once), None, "{once}");
        }
    }
    assert_eq!(take_log(), []);
}

#[test]
fn signed_data_is_not_changed() {
    assert_eq!(mended("ocpp1.6", "{}", r#"{"value":"AP;0;3;ALCV","format":"SignedData","unit":"kWh"}"#), None);
    let signed = r#"{"value":1.5,"unitOfMeasure":{"unit":"kWh"},"signedMeterValue":{"signedMeterData":"AP"}}"#;
    assert_eq!(mended("ocpp2.0.1", "{}", signed), None);
    assert_eq!(take_log(), []);
}

#[test]
fn sample_that_cannot_be_mended_is_logged_and_not_changed() {
    for (protocol, sample, fault) in [
        ("ocpp1.6", r#"{"unit":"kWh"}"#, "the value is missing"),
        ("ocpp1.6", r#"{"value":null}"#, "the value is missing"),
        ("ocpp1.6", r#"{"value":true}"#, "the value is not a number that can be converted"),
        ("ocpp1.6", r#"{"value":"1,5","unit":"kWh"}"#, "the value is not a number that can be converted"),
        ("ocpp1.6", r#"{"value":1e999999999}"#, "the value is not a number that can be converted"),
        ("ocpp1.6", r#"{"value":"1","unit":1}"#, "the unit is not a string"),
        ("ocpp1.6", r#"{"value":"1","measurand":{}}"#, "the measurand is not a string"),
        ("ocpp1.6", r#""1730""#, "a sampled value is not an object"),
        ("ocpp2.0.1", r#"{"value":"a lot"}"#, "the value is not a number that can be converted"),
        ("ocpp2.0.1", r#"{"value":1,"unitOfMeasure":"Wh"}"#, "unitOfMeasure is not an object"),
        (
            "ocpp2.0.1",
            r#"{"value":1,"unitOfMeasure":{"multiplier":0.5}}"#,
            "the multiplier is not an integer that can be applied",
        ),
        (
            "ocpp2.0.1",
            r#"{"value":1,"unitOfMeasure":{"unit":"kWh","multiplier":2147483647}}"#,
            "the multiplier is not an integer that can be applied",
        ),
        (
            "ocpp2.0.1",
            r#"{"value":1,"unitOfMeasure":{"multiplier":99}}"#,
            "the value is not a number that can be converted",
        ),
    ] {
        assert_eq!(mended(protocol, "{}", sample), None, "{sample}");
        assert_eq!(faults(), [fault], "{sample}");
    }
}

#[test]
fn bad_sample_does_not_keep_others_from_being_mended() {
    let sample = r#"{"value":"x","unit":"kWh"},{"value":"1.5","unit":"kWh"},{"value":"y","unit":"kWh"}"#;
    let expected = r#"{"value":"x","unit":"kWh"},{"value":"1500","unit":"Wh"},{"value":"y","unit":"kWh"}"#;
    assert_eq!(mended("ocpp1.6", SHORT, sample).as_deref(), Some(expected));
    assert_eq!(faults().len(), 2, "one line for a frame, and two frames");
    assert_eq!(counter("meter_samples_mended"), 1);
}

#[test]
fn payloads_of_unexpected_form_pass() {
    for (payload, fault) in [
        (r#"{"meterValue":"#, "the payload cannot be read: not JSON: EOF while parsing a value at line 1 column 14"),
        (r#"{"meterValue":{}}"#, "meterValue is not a list"),
        (r#"{"meterValue":[{"sampledValue":[]}]}"#, "a meter value has no timestamp"),
        (r#"{"meterValue":[{"timestamp":"t"}]}"#, "a meter value has no list of sampled values"),
        (r#"{"meterValue":[7]}"#, "a meter value has no timestamp"),
    ] {
        let actions = transform("{}").handle(&peer("CP1"), call("1", "MeterValues", payload));
        assert_eq!(actions, [FrameAction::Pass], "{payload}");
        assert_eq!(faults(), [fault], "{payload}");
    }
    for payload in ["{}", r#"{"meterValue":[]}"#, "[]"] {
        assert_eq!(transform("{}").handle(&peer("CP1"), call("1", "MeterValues", payload)), [FrameAction::Pass]);
        assert_eq!(take_log(), []);
    }
}

/// The size of the payload of a StopTransaction of 1.6 with the same sampled value `count` times, and the mended
/// payload; `None`: it passes.
fn stopped(config: &str, sample: &str, count: usize) -> (usize, Option<String>) {
    let meter_value = format!(r#"{{"timestamp":"2026-01-02T03:04:05Z","sampledValue":[{sample}]}}"#);
    let data = vec![meter_value; count].join(",");
    let payload = format!(r#"{{"transactionId":9,"transactionData":[{data}]}}"#);
    match transform(config).handle(&peer("CP1"), call("1", "StopTransaction", &payload)).remove(0) {
        FrameAction::Pass => (payload.len(), None),
        FrameAction::Replace(frame) => (payload.len(), Some(frame.payload)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn payload_does_not_grow_beyond_max_bytes() {
    let (_, with_defaults) = stopped("{}", r#"{"value":"1"}"#, 1000);
    assert!(with_defaults.is_some_and(|payload| payload.contains("Sample.Periodic")));
    assert_eq!(faults(), Vec::<String>::new());

    let (_, nothing_but_defaults) = stopped("{}", r#"{"value":"1"}"#, 1400);
    assert_eq!(nothing_but_defaults, None);
    assert_eq!(faults(), ["there is no room for the defaults"]);

    let (_, without_defaults) = stopped(r#"{"energy":"kWh"}"#, r#"{"value":"1"}"#, 1400);
    let without_defaults = without_defaults.expect("converted all the same");
    assert!(without_defaults.contains(r#"[{"value":"0.001","unit":"kWh"}]"#), "{without_defaults}");
    assert_eq!(faults(), ["there is no room for the defaults"]);
    assert_eq!(counter("meter_samples_mended"), 2400);
}

#[test]
fn payload_may_double_whatever_max_bytes_is() {
    let samples = vec![r#"{"value":"1"}"#; 100].join(",");
    for (config, expected) in [
        (r#"{"energy":"kWh","fill_defaults":false,"max_bytes":0}"#, None),
        (r#"{"energy":"kWh","fill_defaults":false,"max_bytes":4000}"#, Some(r#"{"value":"0.001","unit":"kWh"}"#)),
    ] {
        let expected = expected.map(|sample| vec![sample; 100].join(","));
        assert_eq!(handled(&transform(config), "ocpp1.6", &samples), expected, "{config}");
    }
    assert_eq!(faults(), ["there is no room for the mended values"]);

    let (before, after) = stopped(r#"{"energy":"kWh","fill_defaults":false,"max_bytes":0}"#, r#"{"value":"1"}"#, 100);
    assert!(after.is_some_and(|payload| payload.len() < 2 * before));
}

#[test]
fn only_actions_of_the_version_are_mended() {
    let payload = |list| format!(r#"{{"{list}":[{{"timestamp":"t","sampledValue":[{{"value":"1"}}]}}]}}"#);
    for (protocol, action, list, is_mended) in [
        ("ocpp1.6", "MeterValues", "meterValue", true),
        ("ocpp1.6", "StopTransaction", "transactionData", true),
        ("ocpp1.6", "StopTransaction", "meterValue", false),
        ("ocpp1.6", "TransactionEvent", "meterValue", false),
        ("ocpp1.6", "DataTransfer", "meterValue", false),
        ("ocpp2.0.1", "MeterValues", "meterValue", true),
        ("ocpp2.0.1", "TransactionEvent", "meterValue", true),
        ("ocpp2.1", "TransactionEvent", "meterValue", true),
        ("ocpp2.0.1", "StopTransaction", "transactionData", false),
    ] {
        let peer = Peer { protocol: protocol.into(), ..peer("CP1") };
        let actions = transform("{}").handle(&peer, call("1", action, &payload(list)));
        assert_eq!(actions != [FrameAction::Pass], is_mended, "{protocol} {action} {list}");
    }
    let answer = Frame::new(FrameType::CallResult, "1", Some("MeterValues".into()), payload("meterValue"));
    assert_eq!(transform("{}").handle(&peer("CP1"), answer), [FrameAction::Pass]);
}

#[test]
fn error_of_a_wrong_setting_begins_with_its_key() {
    for (config, key) in [
        (r#"{"energy":"MWh"}"#, "energy"),
        (r#"{"energy":"kW"}"#, "energy"),
        (r#"{"power":"kWh"}"#, "power"),
        (r#"{"fill_defaults":"yes"}"#, "fill_defaults"),
        (r#"{"max_bytes":-1}"#, "max_bytes"),
        (r#"{"units":{}}"#, "units"),
    ] {
        let error = MeterValues::configure(config).err().expect(config);
        assert!(error.starts_with(key), "{config}: {error}");
    }
}
