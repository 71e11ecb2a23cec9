//! What is written to standard output.

use std::io::{self, Write as _};

/// Writes a text. A reader that has seen enough, such as `head`, is no fault.
pub(super) fn write(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// `1 message`, `2 messages`.
pub(super) fn messages(count: u64) -> String {
    format!("{count} message{}", if count == 1 { "" } else { "s" })
}
