//! The commands `ocpp-gateway transform …`.

mod component;
mod scaffold;

use std::path::Path;
use std::process::{Command, Output};

/// Runs `ocpp-gateway transform` in a folder.
fn transform(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-gateway"));
    // The workspace has fetched all dependencies already.
    command.arg("transform").args(arguments).current_dir(dir).env("CARGO_NET_OFFLINE", "true");
    command.output().expect("the program runs")
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
