//! The drop-in directory: files that are added, changed and removed while charge points are connected.

mod faults;
mod signatures;

use crate::{Running, configuration, result_object};
use data_encoding::HEXLOWER;
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::charge_point::ChargePoint;
use ocpp_gateway_testkit::guest;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::time::timeout;

const FAILED: &str = r#"ocpp_gateway_transform_swaps_total{outcome="failed"}"#;
const SWAPPED: &str = r#"ocpp_gateway_transform_swaps_total{outcome="swapped"}"#;

/// The first program waits until the interpreter is compiled, in a debug build for long.
const INTERPRETER: &str = "[[transforms]]\nname = \"compiled\"\ncomponent = \"builtin:jq\"\nlimits.time = \"1s\"\n\
                           config.program = \"def uplink: .;\"";

/// A debug build needs more time than the default to start an interpreter.
const LIMITS: &str = "limits.time = \"1s\"\n";

/// A program that adds a letter to each StatusNotification, which shows whether and in which order programs ran.
fn adds(letter: char) -> String {
    format!(r#"def uplink: if .action == "StatusNotification" then .payload.info += "{letter}" end;"#)
}

fn sha256(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text))
}

/// A drop-in directory.
struct Directory(TempDir);

impl Directory {
    fn new() -> Self {
        Directory(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("transforms.d")
    }

    fn file(&self, name: &str) -> PathBuf {
        fs::create_dir_all(self.path()).expect("a directory");
        self.path().join(name)
    }

    /// Writes a file of any kind, and for a program limits for a debug build.
    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        if let Some(stem) = name.strip_suffix(".jq") {
            fs::write(self.file(&format!("{stem}.toml")), LIMITS).expect("written");
        }
        fs::write(self.file(name), text).expect("written");
    }

    fn remove(&self, stem: &str) {
        fs::remove_file(self.file(&format!("{stem}.jq"))).expect("removed");
        fs::remove_file(self.file(&format!("{stem}.toml"))).expect("removed");
    }

    fn config(&self, toml: &str) -> String {
        // An explicit directory has to exist.
        fs::create_dir_all(self.path()).expect("a directory");
        format!("{toml}\n[drop_in]\ndirectory = {:?}\n", self.path())
    }
}

/// A gateway with this directory, a charge point and a back end.
struct Site {
    gateway: Running,
    back_end: BackEnd,
    charge_point: ChargePoint,
    calls: u32,
}

impl Site {
    async fn start(directory: &Directory) -> Self {
        Site::start_with(&directory.config("")).await
    }

    async fn start_with(toml: &str) -> Self {
        let gateway = Running::start(toml).await;
        let (back_end, charge_point) = (gateway.back_end().await, gateway.charge_point("CP1").await);
        Site { gateway, back_end, charge_point, calls: 0 }
    }

    /// Sends a StatusNotification. Returns what the programs have added to it.
    async fn info(&mut self) -> String {
        self.calls += 1;
        let id = self.calls;
        self.charge_point.send(&format!(r#"[2,"{id}","StatusNotification",{{"info":""}}]"#)).await;
        let text = self.back_end.expect_on("ocpp/cp/CP1").await;
        self.back_end.publish("ocpp/cs/CP1", result_object(&id.to_string(), "{}")).await;
        assert_eq!(self.charge_point.text().await, format!(r#"[3,"{id}",{{}}]"#));
        let (_, rest) = text.split_once(r#""info":""#).unwrap_or_else(|| panic!("no info in {text}"));
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    /// Sends StatusNotifications until the programs add this, which they have to in time.
    async fn until_info(&mut self, expected: &str) {
        let mut last = String::new();
        let reached = async {
            while last != expected {
                last = self.info().await;
            }
        };
        let in_time = timeout(TIMEOUT, reached).await;
        assert!(in_time.is_ok(), "still {last:?} instead of {expected:?}: {}", self.drop_ins().await);
    }

    async fn drop_ins(&self) -> String {
        self.gateway.admin("/api/v1/drop-ins").await
    }

    /// Waits until the API says this about the files.
    async fn until_said(&self, part: &str) -> String {
        let said = async {
            loop {
                let page = self.drop_ins().await;
                if page.contains(part) {
                    return page;
                }
                crate::pause().await;
            }
        };
        match timeout(TIMEOUT, said).await {
            Ok(page) => page,
            Err(_) => panic!("no {part:?} in {}", self.drop_ins().await),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn added_changed_and_removed_files_are_in_force_for_the_next_messages() {
    let directory = Directory::new();
    let mut site = Site::start_with(&directory.config(INTERPRETER)).await;
    assert_eq!(site.info().await, "");
    directory.write("10-one.jq", adds('a'));
    site.until_info("a").await;
    let version = sha256(&adds('a'));
    let page = site.gateway.admin("/api/v1/transforms").await;
    assert!(page.contains(&format!("\"program_sha256\": \"{version}\"")), "{page}");
    directory.write("10-one.jq", adds('b'));
    site.until_info("b").await;
    directory.write("05-other.jq", adds('c'));
    site.until_info("cb").await;
    // A program that is gone does not run, also if its settings are left.
    fs::remove_file(directory.file("10-one.jq")).expect("removed");
    site.until_info("c").await;
    site.until_said("10-one.toml: names no component").await;
    directory.write("20-one.jq", adds('d'));
    site.until_info("cd").await;
    site.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn renamed_file_takes_its_new_place() {
    let directory = Directory::new();
    directory.write("10-one.jq", adds('a'));
    directory.write("20-two.jq", adds('b'));
    let mut site = Site::start(&directory).await;
    assert_eq!(site.info().await, "ab");
    for extension in ["toml", "jq"] {
        let file = |number| directory.file(&format!("{number}-one.{extension}"));
        fs::rename(file(10), file(30)).expect("renamed");
    }
    site.until_info("ba").await;
    site.gateway.stop().await;
}

/// The half that is written first is a valid program of its own.
#[tokio::test(flavor = "multi_thread")]
async fn file_is_not_used_before_it_is_complete() {
    let directory = Directory::new();
    directory.write("10-one.jq", adds('a'));
    let mut site = Site::start(&directory).await;
    let mut slow = File::create(directory.file("10-one.jq")).expect("created");
    slow.write_all(adds('x').as_bytes()).expect("written");
    // Another change makes the gateway look at the directory, and so does SIGHUP.
    directory.write("20-two.jq", adds('b'));
    site.until_info("ab").await;
    site.gateway.hot_swap.reload(configuration(&directory.config("")));
    assert_eq!(site.info().await, "ab");
    slow.write_all(b"\ndef outbound: .payload.Payload.info += \"y\";").expect("written");
    drop(slow);
    site.until_info("xby").await;
    site.gateway.stop().await;
}

/// As vim, emacs and `sed -i` do it.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_an_editor_are_ignored_and_a_save_is_one_swap() {
    let directory = Directory::new();
    directory.write("10-one.jq", adds('a'));
    let mut site = Site::start(&directory).await;
    let (file, backup) = (directory.file("10-one.jq"), directory.file("10-one.jq~"));
    for name in [".10-one.jq.swp", "4913", "#10-one.jq#", "sedX3k9", "README"] {
        fs::write(directory.file(name), "not a program").expect("written");
    }
    symlink("user@host.1234", directory.file(".#10-one.jq")).expect("linked");
    fs::rename(&file, &backup).expect("renamed");
    fs::write(&file, adds('b')).expect("written");
    fs::remove_file(&backup).expect("removed");
    site.until_info("b").await;
    let beside = directory.file("sedX3k9");
    fs::write(&beside, adds('c')).expect("written");
    fs::rename(&beside, &file).expect("renamed");
    site.until_info("c").await;
    let page = site.drop_ins().await;
    assert!(page.matches("\"files\"").count() == 1 && page.contains("\"fault\": null"), "{page}");
    site.gateway.until(SWAPPED, 2.0).await;
    assert!(!site.gateway.admin("/metrics").await.contains(FAILED));
    site.gateway.stop().await;
}

/// The files are links to `..data/`, which is a link to a directory of one version, replaced by a rename.
#[tokio::test(flavor = "multi_thread")]
async fn link_of_a_config_map_leads_to_the_next_version() {
    let directory = Directory::new();
    let publish = |version: &str, letter| {
        let folder = directory.file(version);
        fs::create_dir(&folder).expect("a directory");
        fs::write(folder.join("10-one.jq"), adds(letter)).expect("written");
        fs::write(folder.join("10-one.toml"), LIMITS).expect("written");
        symlink(version, directory.file("..data_tmp")).expect("linked");
        fs::rename(directory.file("..data_tmp"), directory.file("..data")).expect("renamed");
    };
    publish("..2026_1", 'a');
    for name in ["10-one.jq", "10-one.toml"] {
        symlink(format!("..data/{name}"), directory.file(name)).expect("linked");
    }
    let mut site = Site::start(&directory).await;
    assert_eq!(site.info().await, "a");
    publish("..2026_2", 'b');
    fs::remove_dir_all(directory.file("..2026_1")).expect("removed");
    site.until_info("b").await;
    site.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_may_be_created_replaced_and_removed_while_the_gateway_runs() {
    let directory = Directory::new();
    let mut site = Site::start_with(&directory.config(INTERPRETER)).await;
    fs::remove_dir(directory.path()).expect("removed");
    directory.write("10-one.jq", adds('a'));
    site.until_info("a").await;
    let next = Directory::new();
    next.write("10-one.jq", adds('b'));
    fs::rename(directory.path(), directory.0.path().join("old")).expect("renamed");
    fs::rename(next.path(), directory.path()).expect("renamed");
    site.until_info("b").await;
    fs::remove_dir_all(directory.path()).expect("removed");
    site.until_info("").await;
    site.gateway.stop().await;
}

/// Nothing reports that: the gateway looks at the path now and then.
#[tokio::test(flavor = "multi_thread")]
async fn link_above_the_directory_may_lead_to_another_one() {
    let (one, other) = (Directory::new(), Directory::new());
    one.write("10-one.jq", adds('a'));
    other.write("10-one.jq", adds('b'));
    let releases = tempfile::tempdir().expect("a directory");
    let (current, next) = (releases.path().join("current"), releases.path().join("next"));
    symlink(one.0.path(), &current).expect("linked");
    let directory = current.join("transforms.d");
    let mut site = Site::start_with(&format!("[drop_in]\ndirectory = {directory:?}")).await;
    assert_eq!(site.info().await, "a");
    symlink(other.0.path(), &next).expect("linked");
    fs::rename(&next, &current).expect("renamed");
    site.until_info("b").await;
    // That one is followed from now on.
    other.write("10-one.jq", adds('c'));
    site.until_info("c").await;
    site.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mapping_of_the_configuration_wins_and_a_second_one_is_a_fault_of_its_file() {
    let mapping = r#"def subscriptions: "down/\(.charge_point.id)";
                     def to_mqtt: {topic: "up/\(.charge_point.id)", payload: .payload};
                     def from_mqtt: empty;"#;
    let directory = Directory::new();
    let standard = "[[transforms]]\nname = \"mine\"\ncomponent = \"builtin:standard\"";
    let mut site = Site::start_with(&directory.config(&format!("{INTERPRETER}\n{standard}"))).await;
    directory.write("10-mapping.jq", mapping);
    let page = site.until_said("is a second mapping").await;
    assert!(page.contains("\\\"mine\\\" is one already"), "{page}");
    assert_eq!(site.info().await, "");

    // Without one in the configuration, the first that runs stays.
    site.gateway.hot_swap.reload(configuration(&directory.config("")));
    site.until_said("\"fault\": null").await;
    directory.write("05-second.jq", mapping);
    let page = site.until_said("is a second mapping").await;
    assert!(page.contains("\\\"mapping\\\" is one already"), "{page}");
    let mut up = BackEnd::listen(site.gateway.broker(), "up/#").await;
    site.charge_point.send(r#"[2,"x","Heartbeat",{}]"#).await;
    assert_eq!(up.expect_on("up/CP1").await, "{}");
    // Neither an edit of the one that runs nor a reload hands the mapping over to the other file.
    directory.write("10-mapping.jq", mapping.replace("up/", "edited/"));
    let mut edited = BackEnd::listen(site.gateway.broker(), "edited/#").await;
    site.gateway.until_page("edited", |page| page.0.contains(&sha256(&mapping.replace("up/", "edited/")))).await;
    site.gateway.hot_swap.reload(configuration(&directory.config("")));
    site.charge_point.send(r#"[2,"y","Heartbeat",{}]"#).await;
    assert_eq!(edited.expect_on("edited/CP1").await, "{}");
    site.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_other_files_and_reloads_leave_a_transform_as_it_is() {
    let directory = Directory::new();
    directory.write("10-one.jq", adds('a'));
    let mut site = Site::start(&directory).await;
    // An upload and a rollback of another transform outlast a change in the directory.
    let passing = fs::read(guest::build("passing", env!("CARGO_TARGET_TMPDIR"))).expect("built");
    let put = site.gateway.request("PUT", "/api/v1/transforms/one?allow_fewer_hooks=true", &passing).await;
    assert!(put.starts_with("HTTP/1.1 200"), "{put}");
    assert_eq!(site.info().await, "");
    // The same text in another file is no change: a ConfigMap has new files whenever one of them changes.
    directory.write(".10-one.jq.new", adds('a'));
    fs::rename(directory.file(".10-one.jq.new"), directory.file("10-one.jq")).expect("renamed");
    directory.write("20-two.jq", adds('b'));
    site.until_info("b").await;
    let back = site.gateway.request("POST", "/api/v1/transforms/one/rollback", &[]).await;
    assert!(back.starts_with("HTTP/1.1 200"), "{back}");
    directory.write("20-two.jq", adds('c'));
    site.until_info("ac").await;

    // SIGHUP takes them from the files, also if the configuration is refused.
    site.gateway.hot_swap.reload(configuration(&directory.config("[ocpp]\nqueue = 7")));
    assert_eq!(site.info().await, "ac");
    let refused = "[[transforms]]\nname = \"mine\"\ncomponent = \"/nowhere/at/all\"";
    site.gateway.hot_swap.reload(configuration(&directory.config(refused)));
    assert_eq!(site.info().await, "ac");
    site.gateway.stop().await;
}

#[test]
fn default_directory_is_beside_the_configuration() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("gateway.toml");
    let resolved = |text: &str| {
        fs::write(&file, text).expect("written");
        ocpp_gateway::config::load(Some(&file), []).map(|config| config.drop_in.path().map(Path::to_owned))
    };
    let beside = |name| directory.path().join(name);
    assert_eq!(resolved("").expect("it need not exist"), Some(beside("transforms.d")));
    fs::create_dir(beside("mine")).expect("a directory");
    assert_eq!(resolved("[drop_in]\ndirectory = \"mine\"").expect("it exists"), Some(beside("mine")));
    let missing = resolved("[drop_in]\ndirectory = \"other\"").expect_err("it does not exist").to_string();
    assert!(missing.contains("drop_in.directory: there is no directory"), "{missing}");
    let config = ocpp_gateway::config::load(None, []).expect("valid");
    let without_file = config.drop_in.path().expect("resolved");
    assert!(without_file.is_absolute() && without_file.ends_with("transforms.d"), "{without_file:?}");
    assert_eq!(Path::new("transforms.d"), without_file.file_name().expect("a name"));
}
