//! The directory of the store after a crash, on a full disk, and of other gateways.

use super::{Site, another, put, shown};
use crate::admin::ask_at;
use ocpp_gateway_testkit::TIMEOUT;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::timeout;

/// The gateway as a process of its own.
struct Process {
    child: Child,
    admin: SocketAddr,
}

impl Process {
    async fn start(site: &Site) -> Self {
        let file = site.directory.path().join("config.toml");
        let listen = "ocpp.listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\n\
                      mqtt.embedded.listen = \"127.0.0.1:0\"\n";
        fs::write(&file, format!("{listen}{}", site.toml())).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
        command.arg("--config").arg(file).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program runs");
        let mut lines = BufReader::new(child.stdout.take().expect("the output")).lines();
        let admin = tokio::task::spawn_blocking(move || {
            let admin = lines.find_map(|line| {
                let line = line.expect("text");
                let address = line.split("http://").nth(1)?;
                address.split_whitespace().next()?.parse().ok()
            });
            // The program must be able to print on.
            std::thread::spawn(move || lines.for_each(drop));
            admin.expect("the address of the admin listener")
        });
        Process { child, admin: timeout(TIMEOUT, admin).await.expect("started").expect("no panic") }
    }

    async fn running(&self) -> String {
        let details = ask_at(self.admin, "GET", "/api/v1/transforms/mine", &[], "").await.json();
        details["sha256"].as_str().expect("a hash").to_owned()
    }

    fn kill(mut self) {
        self.child.kill().expect("running");
        self.child.wait().expect("ended");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sha256(content: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(content))
}

/// Kills the gateway at random moments of 200 uploads.
#[tokio::test(flavor = "multi_thread")]
async fn killed_gateway_starts_with_the_old_or_the_new_version() {
    const UPLOADS: u8 = 200;
    let site = Site::new();
    let mut process = Process::start(&site).await;
    let mut running = process.running().await;
    let mut kills = 0;
    for number in 0..UPLOADS {
        let component = another(number);
        let (before, new) = (running.clone(), sha256(&component));
        let upload = ask_at(process.admin, "PUT", "/api/v1/transforms/mine", &[], component);
        if number % 8 != 7 {
            assert_eq!(upload.await.status, 200);
            running = new;
            continue;
        }
        let upload = tokio::spawn(upload);
        // Within the time that an upload takes here: the test is for each moment of it.
        tokio::time::sleep(Duration::from_micros(fastrand::u64(..60_000))).await;
        process.kill();
        kills += 1;
        // It may have been answered before the kill.
        let answered = upload.await.is_ok_and(|answer| answer.status == 200);
        process = Process::start(&site).await;
        running = process.running().await;
        assert!(running == new || !answered && running == before, "{number}: neither the old nor the new version runs");
    }
    assert_eq!(kills, 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_newer_stores_are_refused_with_what_to_do() {
    let site = Site::new();
    let gateway = site.start().await;
    put(&gateway, "/api/v1/transforms/mine", another(1)).await;
    gateway.stop().await;
    let index = site.store().join("transforms.json");
    let text = fs::read_to_string(&index).expect("an index");
    let file = site.directory.path().join("config.toml");
    fs::write(&file, site.toml()).expect("written");
    let run = |command: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway")).args([command, "--config"]).arg(&file).output();
        let output = output.expect("the program runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    let (code, listed) = run("check");
    assert!(code == Some(0) && listed.contains("upload of"), "{listed}");
    for (content, expected) in [
        (text.replacen("\"format\": 1", "\"format\": 2", 1), "written by a newer gateway (format 2"),
        (text[..text.len() / 2].to_owned(), "cannot be read"),
        (String::new(), "cannot be read"),
    ] {
        fs::write(&index, content).expect("written");
        for command in ["check", "run", "config"] {
            let (code, text) = run(command);
            assert_eq!(code, Some(78), "{command}: {text}");
            assert!(text.contains(expected) && text.contains("transforms.json"), "{command}: {text}");
        }
    }
    fs::write(&index, &text).expect("written");
    // The component was cut off by something else than the gateway.
    let code = fs::read_dir(site.store().join("code")).expect("a directory").next().expect("a file").expect("a file");
    fs::write(code.path(), another(2)).expect("written");
    let (code, text) = run("run");
    assert!(code == Some(78) && text.contains("has sha256") && text.contains("mine"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_belongs_to_one_gateway() {
    let site = Site::new();
    let gateway = site.start().await;
    let second = ocpp_gateway::app::Gateway::start(&crate::configuration(&site.toml()), None).await;
    let error = second.err().expect("refused").to_string();
    assert!(error.contains("another gateway uses this directory"), "{error}");
    gateway.stop().await;
    let gateway = site.start().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_that_cannot_be_stored_is_refused_and_the_old_one_stays() {
    let site = Site::new();
    let gateway = site.start().await;
    let before = put(&gateway, "/api/v1/transforms/mine", another(1)).await["sha256"].clone();
    // As on a full disk, nothing can be written.
    fs::rename(site.store(), site.directory.path().join("gone")).expect("renamed");
    fs::write(site.store(), "").expect("written");
    let refused = crate::admin::ask(&gateway, "PUT", "/api/v1/transforms/mine", &[], another(2)).await.problem(507);
    assert!(refused.contains("cannot be stored"), "{refused}");
    let added = serde_json::json!({"name": "new", "component": "builtin:local-heartbeat"});
    let refused = super::send(&gateway, "POST", "/api/v1/transforms", added).await.problem(507);
    assert!(refused.contains("cannot be stored"), "{refused}");
    assert_eq!(shown(&gateway, "mine").await["sha256"], before);
    fs::remove_file(site.store()).expect("removed");
    fs::rename(site.directory.path().join("gone"), site.store()).expect("renamed");
    put(&gateway, "/api/v1/transforms/mine", another(2)).await;
    gateway.stop().await;
}
