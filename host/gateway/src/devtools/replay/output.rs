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
