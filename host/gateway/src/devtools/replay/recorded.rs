//! The messages of a recording, one after the other, with a progress bar.

use crate::recording::{NextLine, Reader, ReplayMessage, SkippedLines};
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ocpp_gateway_pipeline::SetClock;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

const BUFFER: usize = 256 << 10;
/// The bar moves after this many lines.
const LINES_PER_STEP: u32 = 512;

/// A recording that is replayed.
pub(super) struct Recorded {
    name: String,
    reader: Reader<Box<dyn BufRead>>,
    bar: ProgressBar,
    clock: SetClock,
}

impl Recorded {
    /// Opens a file, or standard input for `-`. `clock`: that of the transforms, which shows the time of the first
    /// message from now on. A recording without messages is an error.
    pub(super) fn open(file: &Path, clock: SetClock) -> anyhow::Result<Self> {
        if file == Path::new("-") {
            return Recorded::new(
                "standard input".into(),
                Box::new(BufReader::with_capacity(BUFFER, io::stdin())),
                None,
                clock,
            );
        }
        let name = file.display().to_string();
        let input = File::open(file).with_context(|| name.clone())?;
        let metadata = input.metadata().with_context(|| name.clone())?;
        let size = metadata.is_file().then_some(metadata.len());
        Recorded::new(name, Box::new(BufReader::with_capacity(BUFFER, input)), size, clock)
    }

    /// `size`: in bytes, if it is known.
    pub(super) fn new(
        name: String,
        input: Box<dyn BufRead>,
        size: Option<u64>,
        clock: SetClock,
    ) -> anyhow::Result<Self> {
        let mut reader = Reader::new(input);
        let first = reader.find_first().with_context(|| name.clone())?;
        clock.set(first.time);
        Ok(Recorded { name, reader, bar: bar(size)?, clock })
    }

    /// Passes all messages to `run`. Its error: the message cannot be read after all.
    pub(super) fn replay(
        &mut self,
        mut run: impl FnMut(&ReplayMessage<'_>) -> Result<(), String>,
    ) -> anyhow::Result<()> {
        let Recorded { name, reader, bar, clock } = self;
        let mut lines = 0_u32;
        loop {
            let tried = match reader.next_line().with_context(|| name.clone())? {
                NextLine::Message(message) => {
                    clock.set(message.time);
                    run(&message)
                }
                NextLine::Skipped => Ok(()),
                NextLine::End => break,
            };
            if let Err(reason) = tried {
                reader.note_unreadable(reason);
            }
            lines = lines.wrapping_add(1);
            if lines.is_multiple_of(LINES_PER_STEP) {
                bar.set_position(reader.bytes());
            }
        }
        bar.finish_and_clear();
        reader.check_any().with_context(|| name.clone())
    }

    /// The number of messages that were replayed.
    pub(super) fn messages(&self) -> u64 {
        self.reader.messages()
    }

    /// The lines that were skipped.
    pub(super) fn skipped(&self) -> &SkippedLines {
        self.reader.skipped()
    }
}

/// A bar on standard error, which is shown only if that is a terminal.
fn bar(size: Option<u64>) -> anyhow::Result<ProgressBar> {
    let template = match size {
        Some(_) => "[{wide_bar}] {bytes} of {total_bytes}, {eta} left",
        None => "{spinner} {bytes}, {elapsed}",
    };
    let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr());
    bar.set_style(ProgressStyle::with_template(template)?.progress_chars("=> "));
    Ok(bar)
}
