//! Properties of every configuration and every upgrade request, tested with a fixed number of nearly valid inputs and
//! with the files in `corpus`. (cargo-fuzz needs a nightly compiler; inputs that it finds belong into `corpus`.)

use ocpp_gateway::app::files;
use ocpp_gateway::config::Listener;
use ocpp_gateway::listener::HandshakeSettings;
use proptest::prelude::*;
use std::path::Path;

/// Name and content of every corpus file of a kind.
fn corpus(kind: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(kind);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let kept: Vec<_> = files
        .map(|file| file.expect("readable").path())
        .map(|path| (path.display().to_string(), std::fs::read(&path).expect("readable")))
        .collect();
    assert!(kept.len() > 10, "{kind}: only {} inputs", kept.len());
    kept
}

/// Either the configuration is valid and its printed form can be loaded again, or there are faults, each with a text.
fn try_configuration(text: &[u8]) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    match files::load(Some(file.path()), []) {
        Ok(config) => {
            let printed = config.to_toml().expect("printed");
            std::fs::write(file.path(), &printed).expect("written");
            let again = files::load(Some(file.path()), []).unwrap_or_else(|faults| panic!("{printed}\n{faults}"));
            assert_eq!(again.to_toml().expect("printed"), printed);
        }
        Err(faults) => {
            assert!(!faults.0.is_empty());
            assert!(faults.0.iter().all(|fault| !fault.problem.is_empty()), "{faults}");
        }
    }
}

/// Either the request is accepted with an identity that is valid in a topic, or it is refused.
fn try_request(text: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let settings = HandshakeSettings::new(&Listener::default());
    // A client that sends this and closes its write half.
    let mut handshake = settings.begin(tokio::io::join(text, tokio::io::sink()));
    match runtime.block_on(settings.read_request(&mut handshake)) {
        Ok(request) => {
            let identity = request.identity.as_str();
            assert!(!identity.is_empty() && identity.chars().count() <= 48, "{identity}");
            assert!(!identity.contains(['/', '+', '#', '\0']), "{identity}");
            runtime.block_on(handshake.accept(request)).expect("answered");
        }
        Err(refused) => {
            assert!(refused.to_string().len() < 1000, "{refused}");
            runtime.block_on(handshake.refuse(&refused));
        }
    }
}

#[test]
fn corpus_configurations_load_or_report_faults() {
    corpus("configuration").iter().for_each(|(_, text)| try_configuration(text));
}

#[test]
fn corpus_requests_are_accepted_or_refused() {
    let mut count = 0;
    for (name, text) in corpus("requests") {
        println!("{name}");
        try_request(&text);
        count += 1;
    }
    assert!(count > 10);
}

/// Nearly valid configurations: keys, values and sections in any order.
fn nearly_a_configuration() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "ocpp.listen",
        "ocpp.queue",
        "ocpp.call_timeout",
        "ocpp.versions",
        "ocpp.path",
        "mqtt.url",
        "mqtt.version",
        "mqtt.keep_alive",
        "admin.listen",
        "shutdown.grace",
        "validation.mode",
        "events.qos",
        "ocpp",
        "transforms",
        "x",
        "mqtt.client_id",
        "ocpp.default_version",
        "ocpp.max_message_size",
        "ocpp.identities",
        "presence.claims",
    ]);
    let value = prop_oneof![
        prop::sample::select(vec![
            "0",
            "-1",
            "1",
            "18446744073709551616",
            "1.5",
            "nan",
            "true",
            "\"\"",
            "\"0s\"",
            "\"30s\"",
            "\"99999999y\"",
            "[]",
            "{}",
            "[\"ocpp1.6\"]",
            "\"ocpp2.0.1\"",
            "\"mqtt://b\"",
            "\"127.0.0.1:0\"",
            "\"[::]:1\"",
            "\"/\"",
            "\"refuse\"",
            "2020-01-01",
            "'''x'''",
            "[[1]]",
            "\"${cid}\"",
            "\"both\"",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let line = prop_oneof![
        8 => (key, value).prop_map(|(key, value)| format!("{key} = {value}\n")),
        1 => prop::sample::select(vec!["[ocpp]\n", "[mqtt]\n", "[[transforms]]\n", "[", "#\n"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.concat())
}

/// Pieces of a request in any order.
fn nearly_a_request() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "GET ",
            "/ocpp/CP1",
            "/ocpp/",
            "%2F",
            "%",
            "%C3%A9",
            " HTTP/1.1\r\n",
            " HTTP/1.0\r\n",
            "\r\n",
            "\n",
            "Host: x\r\n",
            "Upgrade: websocket\r\n",
            "Connection: Upgrade\r\n",
            "Sec-WebSocket-Version: 13\r\n",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            "Sec-WebSocket-Protocol: ocpp1.6\r\n",
            ": ",
            "\0",
            "?x#y",
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// A valid request with some bytes replaced.
fn damaged_request() -> impl Strategy<Value = Vec<u8>> {
    let good = include_bytes!("corpus/requests/good");
    prop::collection::vec((0..good.len(), any::<u8>()), 0..4).prop_map(move |damage| {
        let mut request = good.to_vec();
        damage.into_iter().for_each(|(place, byte)| request[place] = byte);
        request
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_configuration_panics(text in nearly_a_configuration()) {
        try_configuration(text.as_bytes());
    }

    #[test]
    fn no_request_panics(text in prop_oneof![nearly_a_request(), damaged_request()]) {
        try_request(&text);
    }
}
