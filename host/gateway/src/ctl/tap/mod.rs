//! `ctl tap`: messages as they pass the gateway, for people, as a recording, or as fixtures.
//!
//! - `args`: the options; `source`: the stream and signals as one channel.
//! - `line`: an event as text; `progress`: how many there are.
//! - `fixtures`: files for `transform test`.

mod args;
mod fixtures;
mod line;
mod progress;
mod source;
#[cfg(test)]
mod tests;

use super::client::{ApiError, Client, path, with_query};
use super::error::CtlError;
use super::event_stream::ServerSentEvent;
use super::output::Output;
use crate::recording::RecordedMessage;
pub(super) use args::TapArgs;
use fixtures::FixtureWriter;
use line::LineWriter;
use progress::Progress;
use source::Input;
use std::io::{self, BufReader, IsTerminal as _, Write};
use std::sync::mpsc::{RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};
use ureq::http::StatusCode;

/// Longer than any wait for an event.
const WITHOUT_END: Duration = Duration::from_secs(3600);

pub(super) fn run(client: &Client, args: &TapArgs, output: &mut Output<impl Write>) -> Result<(), CtlError> {
    watch(client, args, output, io::stderr(), source::stop_at_signal)
}

/// Watches until the end that an option sets, a signal, or the end of the stream, which is a failure. `notes`: standard
/// error; `signals` hands on those that end it.
fn watch<W: Write, N: Write>(
    client: &Client,
    args: &TapArgs,
    output: &mut Output<W>,
    notes: N,
    signals: impl FnOnce(SyncSender<Input>) -> io::Result<()>,
) -> Result<(), CtlError> {
    if args.text && output.json {
        return Err(CtlError::Usage("--text contradicts --json: give one of them".into()));
    }
    let fixtures = args.fixtures.as_deref().map(|dir| FixtureWriter::new(dir, args.per_kind.get())).transpose()?;
    let stream = open(client, args)?;
    let (sender, inputs) = source::read(BufReader::new(stream));
    signals(sender).map_err(CtlError::Signals)?;

    let is_text = args.text || (output.is_terminal && !output.json);
    let text = is_text.then(|| LineWriter::new(args.trace, output.is_terminal));
    let is_live = !output.is_terminal && io::stderr().is_terminal();
    let mut watcher = Watcher { output, text, fixtures, progress: Progress::new(notes, is_live) };
    let deadline = args.duration.map(|duration| Instant::now() + duration.get());
    let result = loop {
        let now = Instant::now();
        if deadline.is_some_and(|deadline| deadline <= now)
            || args.count.is_some_and(|count| count.get() <= watcher.progress.messages)
        {
            break Ok(());
        }
        let wake = [deadline, watcher.progress.update()].into_iter().flatten().min();
        let wait = wake.map_or(WITHOUT_END, |wake| wake.saturating_duration_since(now));
        match inputs.recv_timeout(wait) {
            Ok(Input::Event(event)) => match watcher.event(&event) {
                Ok(()) => {}
                Err(error) => break Err(error),
            },
            Ok(Input::Stopped) => break Ok(()),
            Ok(Input::Ended(error)) => break Err(CtlError::StreamEnded(error)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break Err(CtlError::StreamEnded(io::ErrorKind::BrokenPipe.into())),
        }
    };
    watcher.finish();
    result
}

fn open(client: &Client, args: &TapArgs) -> Result<ureq::BodyReader<'static>, CtlError> {
    let query = args.query();
    let query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    client.stream(&with_query(path(&["messages"]), &query)).map_err(|error| match error {
        ApiError::Refused(refusal)
            if refusal.status == StatusCode::FORBIDDEN && !args.no_payload && args.fixtures.is_none() =>
        {
            CtlError::NoPayloads(refusal)
        }
        error => error.into(),
    })
}

/// What happens to each event.
struct Watcher<'a, W, N> {
    output: &'a mut Output<W>,
    /// `None`: JSON is printed.
    text: Option<LineWriter>,
    fixtures: Option<FixtureWriter>,
    progress: Progress<N>,
}

impl<W: Write, N: Write> Watcher<'_, W, N> {
    fn event(&mut self, ServerSentEvent { name, data }: &ServerSentEvent) -> Result<(), CtlError> {
        let is_read = name == "message" && (self.text.is_some() || self.fixtures.is_some());
        let message: Option<RecordedMessage> = is_read.then(|| serde_json::from_str(data).ok()).flatten();
        let line = match &mut self.text {
            Some(text) => text.lines(name, data, message.as_ref()),
            // Between the values of JSON, a space is as good.
            None => data.replace('\n', " "),
        };
        self.output.line(line)?;
        self.progress.count(name, serde_json::from_str(data).unwrap_or_default());
        if let (Some(fixtures), Some(message)) = (&mut self.fixtures, &message) {
            fixtures.write(message)?;
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.progress.finish();
        if let Some(fixtures) = &self.fixtures {
            self.progress.say(&fixtures.summary());
        }
    }
}
