//! A running `transform dev`.

use super::command;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

/// Time for a crate to compile on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(300);

/// It never exits by itself, and is killed when dropped.
pub(crate) struct Dev {
    child: Child,
    lines: Receiver<String>,
}

impl Dev {
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = command(folder);
        command.arg("dev").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let (sender, lines) = mpsc::channel();
        send_lines(child.stdout.take().expect("piped"), sender.clone());
        send_lines(child.stderr.take().expect("piped"), sender);
        Dev { child, lines }
    }

    /// Waits until each of these was part of a line. Lines on stdout and stderr come in any order.
    #[track_caller]
    pub(crate) fn wait_for(&self, wanted: &[&str]) {
        let mut seen: Vec<String> = Vec::new();
        while !wanted.iter().all(|wanted| seen.iter().any(|line| line.contains(wanted))) {
            let line = self.lines.recv_timeout(TIMEOUT);
            seen.push(line.unwrap_or_else(|error| panic!("no {wanted:?} ({error}): {seen:#?}")));
        }
    }

    /// The lines until there is no other for so long.
    pub(crate) fn lines_within(&self, time: Duration) -> Vec<String> {
        let mut lines = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(time) {
            lines.push(line);
        }
        lines
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("ended");
    }
}

fn send_lines(output: impl Read + Send + 'static, sender: Sender<String>) {
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    thread::spawn(move || lines.map(|line| sender.send(line)).take_while(Result::is_ok).for_each(drop));
}
