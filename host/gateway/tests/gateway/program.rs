//! The command line program: exit codes, output and log.

use ocpp_gateway_testkit::TIMEOUT;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Output, Stdio};

fn run(arguments: &[&str], toml: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
    command.args(arguments);
    let file = tempfile::NamedTempFile::new().expect("a file");
    if let Some(toml) = toml {
        std::fs::write(file.path(), toml).expect("written");
        command.arg("--config").arg(file.path());
    }
    command.output().expect("the program runs")
}

fn all_output(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

#[test]
fn the_version_is_printed() {
    let output = run(&["--version"], None);
    assert!(output.status.success());
    assert_eq!(all_output(&output).trim(), concat!("ocpp-gateway ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_exits_with_2() {
    assert_eq!(run(&["--no-such-option"], None).status.code(), Some(2));
    assert_eq!(run(&["no-such-command"], None).status.code(), Some(2));
}

#[test]
fn invalid_configuration_exits_with_78_and_reports_every_fault() {
    for command in ["run", "check", "config"] {
        let output = run(&[command], Some("[ocpp]\nquue = 1\nlisten = \"here\"\n[ocpp.tls]\ncert = \"x\""));
        assert_eq!(output.status.code(), Some(78), "{command}");
        let text = all_output(&output);
        for wanted in ["did you mean ocpp.queue?", "ocpp.listen: ", "ocpp.tls: missing field `key`"] {
            assert!(text.contains(wanted), "{command}: {wanted} not in {text}");
        }
    }
    assert_eq!(run(&["run", "--config", "/nowhere/at/all.toml"], None).status.code(), Some(78));
}

#[test]
fn invalid_component_exits_with_78_and_is_named() {
    let toml = "[[transforms]]\nname = \"mine\"\ncomponent = \"/nowhere/at/all.wasm\"";
    for command in ["run", "check"] {
        let output = run(&[command], Some(toml));
        assert_eq!(output.status.code(), Some(78), "{command}");
        let text = all_output(&output);
        assert!(text.contains("mine") && text.contains("/nowhere/at/all.wasm"), "{text}");
    }
    let toml = "[[transforms]]\nname = \"standard\"\ncomponent = \"builtin:standard\"\n[transforms.config]\nmountpont = \"x/\"";
    let output = run(&["check"], Some(toml));
    assert_eq!(output.status.code(), Some(78));
    assert!(all_output(&output).contains("mountpont"), "{}", all_output(&output));
}

#[test]
fn faults_of_configuration_and_components_are_reported_together() {
    let toml = "[ocpp]\nquue = 1\n[[transforms]]\nname = \"mine\"\ncomponent = \"/nowhere/at/all.wasm\"\n\
                match.actions = [\"MeterValue\"]";
    let output = run(&["check"], Some(toml));
    assert_eq!(output.status.code(), Some(78));
    let text = all_output(&output);
    for wanted in ["did you mean ocpp.queue?", "/nowhere/at/all.wasm", "warning: ", "did you mean MeterValues?"] {
        assert!(text.contains(wanted), "{wanted} not in {text}");
    }
}

#[test]
fn configured_component_replaces_the_built_in_one() {
    let component = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(component.path(), ocpp_gateway_pipeline::STANDARD).expect("written");
    let path = component.path().display().to_string();
    let output = run(&["check"], Some(&format!("[[transforms]]\nname = \"mine\"\ncomponent = \"{path}\"")));
    assert!(output.status.success(), "{}", all_output(&output));
    assert!(all_output(&output).contains(&format!("transform mine: {path}")), "{}", all_output(&output));
}

#[test]
fn check_lists_the_transforms() {
    let output = run(&["check"], None);
    assert!(output.status.success(), "{}", all_output(&output));
    let text = all_output(&output);
    assert!(text.contains("transform standard: builtin:standard"), "{text}");
    let digits = text.trim_end().rsplit_once(" sha256 ").map(|(_, digits)| digits);
    assert!(digits.is_some_and(|digits| digits.len() == 12), "{text}");
}

const REDACT: &str = "[[transforms]]\nname = \"redact\"\ncomponent = \"builtin:redact\"\n\
                      [transforms.config]\nkey = \"0123456789abcdef0123456789abcdef\"";

#[test]
fn ready_made_transform_is_loaded_by_its_name() {
    let output = run(&["check"], Some(REDACT));
    assert!(output.status.success(), "{}", all_output(&output));
    let text = all_output(&output);
    assert!(text.contains("transform redact: builtin:redact, ocpp-transform-redact 0.1.0, "), "{text}");
    let output = run(&["check"], Some(&REDACT.replace("builtin:redact", "builtin:redcat")));
    assert_eq!(output.status.code(), Some(78));
    let text = all_output(&output);
    assert!(text.contains("did you mean builtin:redact?") && text.contains("topic-router"), "{text}");
}

#[test]
fn printed_configuration_names_the_versions_of_components() {
    let missing = "\n[[transforms]]\nname = \"a\\nb\"\ncomponent = \"/nowhere/at/all.wasm\"\n";
    let printed = run(&["config"], Some(&format!("{REDACT}{missing}")));
    assert!(printed.status.success(), "{}", all_output(&printed));
    let text = String::from_utf8(printed.stdout).expect("text");
    let checked = all_output(&run(&["check"], Some(REDACT)));
    let digits = checked.lines().find_map(|line| line.strip_prefix("transform redact: ")?.split(" sha256 ").nth(1));
    let digits = digits.expect("a version");
    assert!(text.contains(&format!("# transform redact: builtin:redact, sha256 {digits}\n")), "{text}");
    assert!(text.contains("# transform a b: /nowhere/at/all.wasm, the component cannot be read"), "{text}");
    toml::from_str::<toml::Table>(&text).expect("TOML");
}

#[test]
fn printed_configuration_can_be_loaded_again() {
    let printed = run(
        &["config"],
        Some("[ocpp]\nqueue = 7\n[mqtt]\nurl = \"mqtt://b\"\nusername = \"u\"\npassword = \"hunter2\""),
    );
    assert!(printed.status.success());
    let text = String::from_utf8(printed.stdout).expect("text");
    assert!(text.contains("queue = 7") && !text.contains("hunter2"), "{text}");
    let again = run(&["config"], Some(&text));
    assert_eq!(String::from_utf8(again.stdout).expect("text"), text);
}

#[test]
fn port_in_use_exits_with_1_and_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    for (section, key) in
        [("ocpp", "ocpp.listen"), ("admin", "admin.listen"), ("mqtt.embedded", "mqtt.embedded.listen")]
    {
        let others: String = ["ocpp", "admin", "mqtt.embedded"]
            .into_iter()
            .map(|name| {
                let address = if name == section { address.to_string() } else { "127.0.0.1:0".to_owned() };
                format!("[{name}]\nlisten = \"{address}\"\n")
            })
            .collect();
        let output = run(&["run"], Some(&others));
        assert_eq!(output.status.code(), Some(1), "{key}");
        let text = all_output(&output);
        assert!(text.contains(key) && text.contains(&address.to_string()), "{text}");
        // The port is in the ephemeral range: the message says how to reserve it.
        let names_the_range = text.contains("ip_local_reserved_ports");
        assert_eq!(names_the_range, section != "mqtt.embedded", "{text}");
    }
}

#[test]
fn log_is_json_if_configured_and_the_service_manager_is_notified() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("bound");
    manager.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
    for (key, value) in [
        ("OCPP__LISTEN", "127.0.0.1:0"),
        ("ADMIN__LISTEN", "127.0.0.1:0"),
        ("MQTT__EMBEDDED__LISTEN", "127.0.0.1:0"),
        ("LOG__FORMAT", "json"),
    ] {
        command.env(format!("OCPP_GATEWAY__{key}"), value);
    }
    command.env("NOTIFY_SOCKET", &path).env_remove("RUST_LOG").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = command.spawn().expect("the program runs");
    let notification = || {
        let mut text = [0; 64];
        let length = manager.recv(&mut text).expect("in time");
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    assert_eq!(notification(), "READY=1");
    let stopped = Command::new("kill").arg(program.id().to_string()).status().expect("kill runs");
    assert!(stopped.success());
    assert_eq!(notification(), "STOPPING=1");
    assert!(program.wait().expect("ended").success());

    let mut log = String::new();
    program.stderr.take().expect("a log").read_to_string(&mut log).expect("text");
    let mut stdout = String::new();
    program.stdout.take().expect("piped").read_to_string(&mut stdout).expect("text");
    assert_eq!(stdout, "", "no banner on stdout");
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let banner = lines.iter().find(|line| line["message"] == "ocpp-gateway is running").expect("a banner");
    let url = banner["charge_points"].as_str().expect("text");
    assert!(url.starts_with("ws://127.0.0.1:") && url.ends_with("/ocpp/<identity>"), "{log}");
    assert!(banner["admin"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")), "{log}");
    assert_eq!(banner["is_embedded"], true, "{log}");
    let last = lines.last().expect("a line");
    assert_eq!((&last["level"], &last["message"]), (&"INFO".into(), &"stopped".into()), "{log}");
    assert!(last["timestamp"].is_string(), "{log}");
}

/// Regression: with logging off the gateway stopped at once, as it awaited the signal inside a log macro's arguments.
#[test]
fn gateway_keeps_running_with_logging_off() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
    for key in ["OCPP__LISTEN", "ADMIN__LISTEN", "MQTT__EMBEDDED__LISTEN"] {
        command.env(format!("OCPP_GATEWAY__{key}"), "127.0.0.1:0");
    }
    let mut process =
        command.env("RUST_LOG", "off").stdout(std::process::Stdio::piped()).spawn().expect("the program starts");
    let mut stdout = std::io::BufReader::new(process.stdout.take().expect("piped"));
    let page = loop {
        let mut line = String::new();
        assert!(std::io::BufRead::read_line(&mut stdout, &mut line).expect("text") > 0, "the program ended");
        if let Some((_, rest)) = line.split_once("operators      http://") {
            break rest.split_whitespace().next().expect("an address").to_owned();
        }
    };
    for _ in 0..20 {
        assert!(std::net::TcpStream::connect(&page).is_ok());
        std::thread::yield_now();
    }
    assert_eq!(process.try_wait().expect("a status"), None);
    process.kill().expect("running");
    process.wait().expect("ended");
}

#[test]
fn file_limit_is_raised_and_a_limit_that_is_too_low_is_logged() {
    let mut command = Command::new("sh");
    let script = format!("ulimit -Sn 200; ulimit -Hn 300; exec {:?}", env!("CARGO_BIN_EXE_ocpp-gateway"));
    command.args(["-c", &script]);
    for key in ["OCPP__LISTEN", "ADMIN__LISTEN", "MQTT__EMBEDDED__LISTEN"] {
        command.env(format!("OCPP_GATEWAY__{key}"), "127.0.0.1:0");
    }
    command.env_remove("RUST_LOG").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = command.spawn().expect("the program starts");
    let mut stdout = std::io::BufReader::new(program.stdout.take().expect("piped"));
    std::io::BufRead::read_line(&mut stdout, &mut String::new()).expect("a banner");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.id())).expect("limits");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    assert_eq!(files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["300", "300"]);
    program.kill().expect("running");
    program.wait().expect("ended");
    let mut log = String::new();
    program.stderr.take().expect("a log").read_to_string(&mut log).expect("text");
    assert!(!log.contains("neither ocpp.auth nor ocpp.tls.client_ca"), "no warning on loopback: {log}");
    assert!(log.contains("the limit of open files, 300, is too low for ocpp.max_connections = 100000"), "{log}");
}
