//! The events of the stream, and signals, in one channel: a wait for the next can have an end.

use crate::ctl::event_stream::{EventReader, ServerSentEvent};
use crate::recording::MAX_LINE;
use std::io::{self, BufRead};
use std::process;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use tokio::signal::unix::{SignalKind, signal};

/// The most events that wait to be printed. While they do, the stream is not read, and the gateway counts what is lost.
const MAX_WAITING: usize = 16;

/// Exit code of a program that SIGINT has ended, as shells have it.
const INTERRUPTED: i32 = 130;

#[derive(Debug)]
pub(super) enum Input {
    Event(ServerSentEvent),
    /// The gateway has ended the stream, or it cannot be read.
    Ended(io::Error),
    /// SIGINT or SIGTERM.
    Stopped,
}

/// Reads the stream in a thread of its own, which ends with it.
pub(super) fn read(stream: impl BufRead + Send + 'static) -> (SyncSender<Input>, Receiver<Input>) {
    let (sender, receiver) = sync_channel(MAX_WAITING);
    let events = sender.clone();
    thread::spawn(move || {
        let mut reader = EventReader::new(stream, MAX_LINE as u64);
        loop {
            let input = reader.next().map_or_else(Input::Ended, Input::Event);
            let is_end = matches!(input, Input::Ended(_));
            if events.send(input).is_err() || is_end {
                break;
            }
        }
    });
    (sender, receiver)
}

/// Hands on the first SIGINT or SIGTERM. The second ends the process.
pub(super) fn stop_at_signal(sender: SyncSender<Input>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let mut next = async move || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    thread::spawn(move || {
        runtime.block_on(next());
        // If events wait, the output is stuck or slow: the second signal must not wait for it.
        thread::spawn(move || sender.send(Input::Stopped));
        runtime.block_on(next());
        process::exit(INTERRUPTED);
    });
    Ok(())
}
