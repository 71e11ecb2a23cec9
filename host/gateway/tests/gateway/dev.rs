//! `transform dev` with a running gateway: a saved source file changes how a charge point's messages are mapped.

use crate::{Running, call_object};
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::guest;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Time for a crate to compile on a busy machine.
const BUILD_TIMEOUT: Duration = Duration::from_secs(300);

/// A running `transform dev`, killed when dropped.
struct Dev {
    child: Child,
    output: Receiver<String>,
}

impl Dev {
    fn start(folder: &Path, gateway: &str) -> Self {
        let mut command = program(folder);
        let mut child =
            command.args(["dev", ".", "--gateway", gateway]).stdout(Stdio::piped()).spawn().expect("started");
        let (sender, output) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Dev { child, output }
    }

    /// The lines printed up to and including the first that starts with `wanted`.
    fn lines_until(&self, wanted: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.starts_with(wanted)) {
            let line = tokio::task::block_in_place(|| self.output.recv_timeout(BUILD_TIMEOUT));
            lines.push(line.unwrap_or_else(|error| panic!("never {wanted:?} ({error}): {lines:#?}")));
        }
        lines
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // `transform dev` never exits by itself.
        self.child.kill().and_then(|()| self.child.wait()).expect("ended");
    }
}

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
    // The workspace has fetched all dependencies already.
    command.arg("transform").current_dir(folder).env("CARGO_NET_OFFLINE", "true");
    command
}

/// The source of a transform that puts a prefix before every topic.
fn source(prefix: &str) -> String {
    let handle = format!(
        "vec![PublishAction::Replace(Publish {{ topic: format!(\"{prefix}/{{}}\", message.topic), ..message }})]"
    );
    [
        "use ocpp_transform::{Outbound, Peer, Publish, PublishAction, Transform, export};\n\nstruct Mine;\n\n\
      impl Transform for Mine {\n    fn configure(_: &str) -> Result<Self, String> {\n        Ok(Mine)\n    }\n}\n\n\
      impl Outbound for Mine {\n    fn handle(&self, _: &Peer, message: Publish) -> Vec<PublishAction> {\n        ",
        &handle,
        "\n    }\n}\n\nexport!(Mine: Outbound);\n",
    ]
    .concat()
}

fn case(prefix: &str) -> String {
    format!(
        "about = \"A prefix.\"\n[[step]]\nhook = \"outbound\"\nmessage = {{ topic = \"a\", payload = 'x' }}\n\
         expect = [{{ replace = {{ topic = \"{prefix}/a\", payload = 'x' }} }}]\n"
    )
}

/// Creates a transform and builds it once. Reuses the dependencies compiled in an earlier run.
fn scaffold() -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dev");
    let folder = parent.join("prefix");
    fs::create_dir_all(&parent).expect("a folder");
    if folder.is_dir() {
        fs::remove_dir_all(&folder).expect("removed");
    }
    let made = program(&parent).args(["new", "prefix", "--hook", "outbound"]).output().expect("the program runs");
    assert!(made.status.success(), "{made:?}");
    guest::share_dependencies(&folder, env!("CARGO_TARGET_TMPDIR"));
    fs::remove_dir_all(folder.join("fixtures")).expect("removed");
    fs::create_dir(folder.join("fixtures")).expect("a folder");
    write(&folder, "src/lib.rs", &source("one"));
    write(&folder, "fixtures/prefix.toml", &case("one"));
    let built = program(&folder).arg("build").output().expect("the program runs");
    assert!(built.status.success(), "{built:?}");
    folder
}

fn write(folder: &Path, file: &str, text: &str) {
    fs::write(folder.join(file), text).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn source_change_is_applied_to_messages_of_the_running_gateway() {
    let folder = tokio::task::block_in_place(scaffold);
    // A copy of the file that `dev` writes, so that only an upload can change the component.
    let component = tempfile::NamedTempFile::new().expect("a file");
    fs::copy(folder.join("prefix.wasm"), component.path()).expect("copied");
    let gateway =
        Running::start(&format!("[[transforms]]\nname = \"prefix\"\ncomponent = {:?}", component.path())).await;
    let mut back_end = BackEnd::listen(gateway.broker(), "+/ocpp/cp/#").await;
    let mut charge_point = gateway.charge_point("CP1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    assert_eq!(back_end.expect_on("one/ocpp/cp/CP1").await, call_object("1", "Heartbeat", "{}"));
    back_end.publish("ocpp/cs/CP1", crate::result_object("1", "{}")).await;
    charge_point.text().await;

    let dev = Dev::start(&folder, &format!("http://{}", gateway.addresses.admin));
    dev.lines_until("pushed to ");
    dev.lines_until("Waiting for a change");
    // A change that fails its tests is not pushed.
    write(&folder, "src/lib.rs", &source("two"));
    let lines = dev.lines_until("0 passed, 1 failed");
    assert!(!lines.iter().any(|line| line.starts_with("pushed")), "{lines:#?}");
    write(&folder, "fixtures/prefix.toml", &case("two"));
    dev.lines_until("pushed to ");
    charge_point.send(r#"[2,"2","Heartbeat",{}]"#).await;
    assert_eq!(back_end.expect_on("two/ocpp/cp/CP1").await, call_object("2", "Heartbeat", "{}"));
    gateway.stop().await;
}
