//! The commands `ocpp-gateway transform …`.

mod component;
mod dev;
mod jq;
mod languages;
mod replay;
mod scaffold;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

const HOOKS: [&str; 8] = ["uplink", "downlink", "outbound", "inbound", "mapping", "admission", "events", "validation"];

/// Compiled components, for all commands of a run: those of the program take seconds to compile in a debug build.
static COMPILED: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("devtools-compiled");
    if dir.is_dir() {
        fs::remove_dir_all(&dir).expect("removed");
    }
    DirBuilder::new().mode(0o700).create(&dir).expect("a folder");
    dir
});

/// `ocpp-gateway transform`, to be run in a folder.
fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
    // The workspace has fetched all dependencies already.
    command.arg("transform").current_dir(dir).env("CARGO_NET_OFFLINE", "true").env("CACHE_DIRECTORY", &*COMPILED);
    command
}

/// Runs `ocpp-gateway transform` in a folder.
fn transform(dir: &Path, arguments: &[&str]) -> Output {
    command(dir).args(arguments).output().expect("the program runs")
}

fn all_output(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The output of the program. Panics if it exited with another code.
#[track_caller]
fn expect_code(code: i32, output: &Output) -> String {
    let text = all_output(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

/// Runs `transform test` on a file, and expects that all fixtures in the folder pass.
#[track_caller]
fn expect_fixtures_pass(folder: &Path, file: &str) {
    let count = fs::read_dir(folder.join("fixtures")).expect("a folder").count();
    let output = expect_code(0, &transform(folder, &["test", file]));
    assert!(count > 0 && output.contains(&format!("{count} passed, 0 failed")), "{output}");
}
