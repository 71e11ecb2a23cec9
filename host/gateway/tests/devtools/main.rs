//! `ocpp-gateway transform …` as its user starts it.

mod component;
mod scaffold;

use std::path::Path;
use std::process::{Command, Output};

/// The program, in a folder.
fn transform(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
    // All that is needed has been fetched for the workspace.
    command.arg("transform").args(arguments).current_dir(dir).env("CARGO_NET_OFFLINE", "true");
    command.output().expect("the program runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What it said, if it ended with this code.
#[track_caller]
fn expect_code(code: i32, output: &Output) -> String {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}
