use super::*;
use ocpp_gateway_mqtt::ProtocolVersion;
use std::io::Write as _;

/// Loads `text` as a file, with these environment variables.
fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let prefix = format!("{}: ", file.path().display());
    load(Some(file.path()), variables).map_err(|ConfigFaults(faults)| {
        faults.into_iter().map(|fault| format!("{}: {}", fault.place, fault.problem).replace(&prefix, "")).collect()
    })
}

#[test]
fn defaults_apply_without_a_file() {
    let config = load(None, []).expect("no faults");
    assert_eq!(config.to_toml(), Config::default().to_toml());
    assert_eq!(config.ocpp.listen.map(|address| address.to_string()).as_deref(), Some("0.0.0.0:33033"));
}

#[test]
fn printed_configuration_can_be_read_again() {
    for (url, version) in [(None, 4), (Some("mqtt://broker".to_owned()), 4), (None, 5)] {
        let mut config = Config::default();
        (config.mqtt.url, config.mqtt.version) = (url, version);
        let printed = config.to_toml().expect("printed");
        let again = load_text(&printed, &[]).expect("read");
        assert_eq!(again.to_toml().expect("printed"), printed);
    }
}

#[test]
fn secrets_of_transforms_are_not_printed() {
    let config = load_text(
        "[[transforms]]\nname = \"redact\"\ncomponent = \"redact.wasm\"\n\
         config = { key = \"hunter2\", tokens = [\"hunter4\"], keys = 3, vendors = [{ apiToken = \"hunter3\", name = \"acme\" }] }",
        &[],
    );
    let printed = config.expect("no faults").to_toml().expect("printed");
    assert!(!printed.contains("hunter") && printed.matches("(hidden)").count() == 3, "{printed}");
    assert!(printed.contains("keys = 3") && printed.contains("acme"), "{printed}");
}

#[test]
fn text_from_the_environment_is_unchanged() {
    for password in ["12345", "1234#abcd", "1e3", "0x1F", "1.50", "1_000", "true"] {
        let environment = [
            ("OCPP_GATEWAY__MQTT__URL", "mqtt://broker"),
            ("OCPP_GATEWAY__MQTT__USERNAME", "gateway"),
            ("OCPP_GATEWAY__MQTT__PASSWORD", password),
        ];
        let config = load_text("", &environment).expect("no faults");
        assert_eq!(config.mqtt.password.as_deref(), Some(password));
    }
}

#[test]
fn environment_overrides_the_file() {
    let config = load_text(
        "[ocpp]\nqueue = 5\ncall_timeout = \"10s\"",
        &[
            ("OCPP_GATEWAY__OCPP__QUEUE", "7"),
            ("OCPP_GATEWAY__MQTT__URL", "mqtt://broker"),
            ("OCPP_GATEWAY__MQTT__USERNAME", "gateway"),
            ("OCPP_GATEWAY__MQTT__PASSWORD", "12345"),
            ("OCPP_GATEWAY__OCPP__VERSIONS", r#"["ocpp1.6"]"#),
            ("UNRELATED", "x"),
        ],
    )
    .expect("no faults");
    assert_eq!((config.ocpp.queue, config.ocpp.call_timeout), (7, crate::config::Span::seconds(10)));
    assert_eq!(config.mqtt.password.as_deref(), Some("12345"));
    assert_eq!(config.ocpp.versions.len(), 1);
}

#[test]
fn mqtt_version_can_be_4_or_5() {
    fn version(text: &str, variables: &[(&str, &str)]) -> Result<Option<ProtocolVersion>, Vec<String>> {
        load_text(text, variables).map(|config| config.mqtt.protocol_version())
    }
    assert_eq!(version("", &[]), Ok(Some(ProtocolVersion::V4)));
    assert_eq!(version("[mqtt]\nversion = 4", &[]), Ok(Some(ProtocolVersion::V4)));
    assert_eq!(version("[mqtt]\nversion = 5", &[]), Ok(Some(ProtocolVersion::V5)));
    assert_eq!(version("", &[("OCPP_GATEWAY__MQTT__VERSION", "5")]), Ok(Some(ProtocolVersion::V5)));
    let faults = version("[mqtt]\nversion = 3", &[]).expect_err("faults");
    assert_eq!(faults, ["mqtt.version: 3 is neither 4 (MQTT 3.1.1) nor 5"]);
}

#[test]
fn every_fault_is_reported_with_its_place() {
    let faults = load_text(
        r#"
            [ocpp]
            quue = 3
            listen = "nowhere"
            versions = ["ocpp1.5"]
            call_timeout = 30
            path = "ocpp"
            [ocpp.tls]
            cert = "x.pem"
            [mqtt]
            version = 7
            [[transforms]]
            name = "a"
            component = "builtin:standard"
            on_error = "ignore"
            [[transforms]]
            name = "a"
        "#,
        &[("OCPP_GATEWAY__OCPP__QUEUE", "many"), ("OCPP_GATEWAY__OCCP__QUEUE", "1")],
    )
    .expect_err("faults");
    let expected = [
        "OCPP_GATEWAY__OCCP__QUEUE: unknown key; did you mean ocpp.queue?",
        "OCPP_GATEWAY__OCPP__QUEUE: invalid type",
        "ocpp.quue: unknown key; did you mean ocpp.queue?",
        "ocpp.tls: missing field `key`",
        "ocpp.listen: invalid socket address",
        "ocpp.versions: unknown OCPP version \"ocpp1.5\"",
        "ocpp.call_timeout: invalid type: integer `30`, expected a length of time such as \"30s\"",
        "ocpp.path: has to start with /",
        "mqtt.version: 7 is neither 4",
        "transforms[0].on_error: unknown variant `ignore`, expected one of `reject`, `bypass`, `drop`",
        "transforms[1]: missing field `component`",
    ];
    for wanted in expected {
        assert!(faults.iter().any(|fault| fault.starts_with(wanted)), "{wanted}\nnot in {faults:#?}");
    }
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
}

#[test]
fn contradictions_are_faults() {
    for (text, wanted) in [
        (
            "[mqtt]\nurl = \"mqtt://b\"\n[mqtt.embedded]\nlisten = \"127.0.0.1:1\"",
            "mqtt.embedded.listen: contradicts mqtt.url",
        ),
        ("[mqtt]\nurl = \"wss://b\"", "mqtt.url: scheme `wss://` is not supported"),
        (
            "[mqtt]\nurl = \"mqtt://b\"\n[mqtt.tls]\nca = \"x\"",
            "mqtt.tls: is for a broker whose mqtt.url begins with mqtts",
        ),
        ("[ocpp.auth]\nmode = \"basic\"", "ocpp.auth.users: missing"),
        ("[ocpp.auth]\nusers = \"/nowhere/at/all\"", "ocpp.auth.users: contradicts ocpp.auth.mode"),
        ("[ocpp.tls]\ncert = \"x\"", "ocpp.tls: missing field `key`"),
        ("[ocpp.tls]\ncert = \"x\"\nkey = \"x\"\nclient_crl = [\"x\"]", "ocpp.tls.client_crl: is of no use without"),
        ("[ocpp.tls]\ncert = \"x\"\nkey = \"x\"\norganization = \"x\"", "ocpp.tls.organization: is of no use without"),
        (
            "[ocpp.tls]\ncert = \"x\"\nkey = \"x\"\nclient_crl_expired = \"refuse\"",
            "ocpp.tls.client_crl_expired: is of no use without ocpp.tls.client_crl",
        ),
        ("[ocpp.auth]\nproxy_certificate = true", "ocpp.auth.proxy_certificate: needs ocpp.trusted_proxies"),
        ("[ocpp.auth]\nproxy_identities = { a = \"b\" }", "ocpp.auth.proxy_identities: is of no use without"),
        (
            "[ocpp]\ntrusted_proxies = [\"10.0.0.1\"]\n[ocpp.auth]\nproxy_certificate = true\n\
             [ocpp.tls]\ncert = \"x\"\nkey = \"x\"\nclient_ca = \"x\"",
            "ocpp.auth.proxy_certificate: contradicts ocpp.tls.client_ca",
        ),
        ("[mqtt]\npassword = \"x\"", "mqtt.username: without mqtt.url"),
        ("[mqtt]\nurl = \"mqtt://b\"\npassword = \"x\"", "mqtt.password: is of no use without mqtt.username"),
        ("[ocpp]\nversions = [\"ocpp2.1\"]", "ocpp.default_version: ocpp1.6 is not among ocpp.versions"),
        ("[admin]\nlisten = \"0.0.0.0:8080\"", "admin.listen: only a loopback address"),
        ("[admin]\nlisten = \"0.0.0.0:8080\"\ntoken = \"short\"", "admin.token: has to have at least 16"),
        ("[admin]\ntoken = \"with a space in between\"", "admin.token: has to consist of visible ASCII"),
        ("[admin]\nviewer_token = \"0123456789abcdef\"", "admin.viewer_token: is of no use without admin.token"),
        (
            "[admin]\ntoken = \"0123456789abcdef\"\nviewer_token = \"0123456789abcdef\"",
            "admin.viewer_token: is the same as the admin token",
        ),
        (
            "[admin]\ntoken = \"0123456789abcdef\"\nviewer_token = \"short\"",
            "admin.viewer_token: has to have at least 16",
        ),
        (
            "[admin]\ntoken = \"0123456789abcdef\"\nviewer_token = \"fedcba9876543210\"\nviewer_token_file = \"f\"",
            "admin.viewer_token_file: contradicts admin.viewer_token",
        ),
        ("[log]\nlevel = \"loud=very\"", "log.level: "),
        ("[log]\nformat = \"xml\"", "log.format: unknown variant `xml`"),
        ("[trust]\nkeys = [\"RWQ\"]", "trust.keys[0]: \"RWQ\" is no public key of minisign"),
        ("[ocpp]\ntrusted_proxies = [\"10.0.0.0/33\"]", "ocpp.trusted_proxies[0]: \"10.0.0.0/33\" is neither"),
        ("[presence]\nclaims = \"claims/cp-${cid}\"", "presence.claims: ${cid} has to be one whole level"),
        ("[presence]\nclaims = \"${gateway}/${cid}\"", "presence.claims: has to be the same topic for all"),
        (
            "[ocpp]\non_duplicate = \"refuse\"\n[presence]\nclaims = \"claims/${cid}\"",
            "presence.claims: contradicts ocpp.on_duplicate",
        ),
        ("[events]\nconnected = \"events/${id}\"", "events.connected: \"${id}\" is no placeholder"),
        ("[events]\nqos = 3", "events.qos: has to be 0, 1 or 2"),
        ("[mqtt]\nstatus_topic = \"status/${cid}\"", "mqtt.status_topic: is one topic for the whole gateway"),
        ("[runtime]\ncompile_time = \"1ms\"", "runtime.compile_time: has to be 1s at least"),
        ("[runtime]\ncompile_memory = \"16MiB\"", "runtime.compile_memory: has to be 256MiB at least"),
        ("[runtime]\ncoalesce = \"2ms\"", "runtime.coalesce: has to be 1ms at most"),
        ("ocpp = 3", "ocpp: invalid type: integer `3`, expected a section"),
    ] {
        let faults = load_text(text, &[]).expect_err(text);
        assert!(faults.len() == 1 && faults[0].starts_with(wanted), "{text}: {faults:?}");
    }
}

#[test]
fn bad_toml_is_refused_with_its_line() {
    let faults = load_text("[ocpp]\nlisten = ", &[]).expect_err("faults");
    assert!(faults[0].contains("line 2"), "{faults:?}");
    let missing = load(Some(Path::new("/nowhere/at/all.toml")), []).expect_err("faults");
    assert_eq!(missing.to_string(), "/nowhere/at/all.toml: No such file or directory (os error 2)");
}

#[test]
fn admin_token_allows_any_listen_address_and_is_not_printed() {
    let token = "0123456789abcdef";
    let config =
        load_text(&format!("[admin]\nlisten = \"0.0.0.0:8080\"\ntoken = \"{token}\""), &[]).expect("no faults");
    assert_eq!(config.admin.resolve_tokens().expect("read").admin.as_deref(), Some(token));
    assert!(!config.to_toml().expect("printed").contains(token));

    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "{token}").expect("written");
    let text = format!("[admin]\nlisten = \"[::]:8080\"\ntoken_file = {:?}", file.path());
    let config = load_text(&text, &[]).expect("no faults");
    assert_eq!(config.admin.resolve_tokens().expect("read").admin.as_deref(), Some(token));
}

#[test]
fn placeholders_of_the_client_id_are_filled_in() {
    let id = |text: &str| load_text(text, &[]).expect("no faults").mqtt.full_client_id("my.host/1", 33033);
    assert_eq!(id(""), "ocpp-gateway-my.host-1-33033");
    assert_eq!(id("mqtt.client_id = \"gateway-a\""), "gateway-a");
    assert_eq!(id("mqtt.client_id = \"${port}@${host}\""), "33033@my.host-1");
    for bad in ["", "a/b", "+", "#", "${cid}", "a${host", "\\u0007"] {
        let faults = load_text(&format!("mqtt.client_id = \"{bad}\""), &[]).expect_err(bad);
        assert!(faults.len() == 1 && faults[0].starts_with("mqtt.client_id: "), "{faults:?}");
    }
}

#[test]
fn session_expiry_requires_mqtt_5() {
    let expiry = "mqtt.session_expiry = \"10m\"\n";
    let config = load_text(&format!("{expiry}mqtt.version = 5"), &[]).expect("no faults");
    assert_eq!(config.mqtt.session_expiry, crate::config::Span::seconds(600));
    let faults = load_text(expiry, &[]).expect_err("of no use");
    assert!(faults.len() == 1 && faults[0].starts_with("mqtt.session_expiry: "), "{faults:?}");
}

#[test]
fn port_used_twice_is_a_fault_that_names_both_keys() {
    let faults = load_text("[ocpp]\nlisten = \"0.0.0.0:8080\"", &[]).expect_err("faults");
    assert_eq!(faults, ["admin.listen: 127.0.0.1:8080 is taken already: ocpp.listen is 0.0.0.0:8080"]);
    let faults = load_text("[admin]\nlisten = \"127.0.0.1:1883\"", &[]).expect_err("faults");
    assert!(matches!(&faults[..], [fault] if fault.starts_with("mqtt.embedded.listen: ")), "{faults:?}");
    load_text("[admin]\nlisten = \"127.0.0.1:1883\"\n[mqtt]\nurl = \"mqtt://broker\"", &[])
        .expect("no broker of its own");
    load_text("[ocpp]\nlisten = \"127.0.0.2:8080\"", &[]).expect("another address");
    load_text("[ocpp]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"", &[]).expect("any port");
}

#[test]
fn faults_of_listeners_are_named_by_their_place() {
    let listener = |name: &str, port: u16, more: &str| {
        format!("[[listeners]]\nname = \"{name}\"\nlisten = \"127.0.0.1:{port}\"\n{more}\n")
    };
    for (text, wanted) in [
        (listener("a", 1, "") + &listener("a", 2, ""), "listeners[1].name: \"a\" is taken already"),
        (listener("default", 1, ""), "listeners[0].name: \"default\" is taken already"),
        (listener("a b", 1, ""), "listeners[0].name: may have"),
        ("[[listeners]]\nlisten = \"127.0.0.1:1\"".into(), "listeners[0].name: missing"),
        ("[[listeners]]\nname = \"a\"".into(), "listeners.a.listen: missing"),
        (
            listener("a", 1, "") + &listener("b", 1, ""),
            "listeners.b.listen: 127.0.0.1:1 is taken already: listeners.a.listen is",
        ),
        (listener("a", 8080, ""), "admin.listen: 127.0.0.1:8080 is taken already: listeners.a.listen is"),
        (listener("a", 1, "mountpoint = \"a/+/\""), "listeners.a.mountpoint: is the beginning of topics: wildcards"),
        (listener("a", 1, "mountpoint = \"$SYS/\""), "listeners.a.mountpoint: must not begin with $"),
        (
            listener("a", 1, "access = [\"allow 10.0.0.0/33\"]"),
            "listeners.a.access[0]: \"allow 10.0.0.0/33\" is no rule",
        ),
        (listener("a", 1, "access = [\"deny all\", \"allow 10.0.0.1\"]"), "listeners.a.access: the rules behind"),
        (listener("a", 1, "access = [\"allow 10.0.0.1\"]"), "listeners.a.access: refuses no address"),
        (listener("a", 1, "auth = { mode = \"basic\" }"), "listeners.a.auth.users: missing"),
        (
            listener("a", 1, "max_message_size = 2000000"),
            "listeners.a.max_message_size: is more than ocpp.max_message_size",
        ),
        (
            listener("a", 1, "versions = [\"ocpp2.1\"]"),
            "listeners.a.default_version: ocpp1.6 is not among listeners.a.versions",
        ),
        (format!("ocpp.path = \"/x\"\n{}", listener("a", 1, "")), "ocpp.path: has no effect: with [[listeners]]"),
        (listener("a", 1, "listens = 1"), "listeners.listens: unknown key; did you mean listeners.listen?"),
    ] {
        let faults = load_text(&text, &[]).expect_err(&text);
        assert!(faults.len() == 1 && faults[0].starts_with(wanted), "{text}: {faults:?}");
    }
}

#[test]
fn listener_takes_over_limits_but_not_who_may_connect() {
    let text = "[ocpp]\nlisten = \"127.0.0.1:1\"\nidentities = [\"CP1\"]\nmax_header_size = 100\naccept_rate = 7\n\
                access = [\"deny 10.0.0.1\"]\n[[listeners]]\nname = \"a\"\nlisten = \"127.0.0.1:2\"\naccept_rate = 8";
    let listeners = load_text(text, &[]).expect("no faults").all_listeners();
    let [default, a] = &listeners[..] else { panic!("{listeners:?}") };
    assert_eq!((&*default.name, default.max_header_size, default.accept_rate), ("default", 100, 7));
    assert_eq!((&*a.name, a.max_header_size, a.accept_rate), ("a", 100, 8));
    assert!(default.identities.is_some() && !default.access.is_empty());
    assert!(a.identities.is_none() && a.access.is_empty());
}

#[test]
fn listener_of_ocpp_is_absent_unless_it_is_written_beside_others() {
    let others = "[[listeners]]\nname = \"a\"\nlisten = \"127.0.0.1:2\"";
    let names = |text: &str, variables: &[(&str, &str)]| {
        let listeners = load_text(text, variables).expect("no faults").all_listeners();
        listeners.into_iter().map(|listener| listener.name).collect::<Vec<_>>()
    };
    assert_eq!(names("", &[]), ["default"]);
    assert_eq!(names(others, &[]), ["a"]);
    assert_eq!(names(others, &[("OCPP_GATEWAY__OCPP__LISTEN", "127.0.0.1:1")]), ["default", "a"]);
}
