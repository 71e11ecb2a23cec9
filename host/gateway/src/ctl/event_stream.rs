//! Server-sent events, as the API streams them.

use std::io::{self, BufRead, Read as _};

/// An event of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerSentEvent {
    pub(super) name: String,
    pub(super) data: String,
}

/// Reads server-sent events: the fields `event` and `data`, as the HTML standard defines them.
pub(super) struct EventReader<R> {
    stream: R,
    /// The longest line, in bytes.
    max_line: u64,
}

impl<R: BufRead> EventReader<R> {
    pub(super) fn new(stream: R, max_line: u64) -> Self {
        EventReader { stream, max_line }
    }

    /// The next event with data. The end of the stream is an error.
    pub(super) fn next(&mut self) -> io::Result<ServerSentEvent> {
        let (mut name, mut data) = (String::new(), None::<String>);
        loop {
            let line = self.line()?;
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() => match data.take() {
                    Some(data) => return Ok(ServerSentEvent { name, data }),
                    None => name.clear(),
                },
                "event" => value.clone_into(&mut name),
                "data" => match &mut data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => data = Some(value.to_owned()),
                },
                // A comment, with which the gateway keeps the connection open, or a field without a use here.
                _ => {}
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        (&mut self.stream).take(self.max_line).read_line(&mut line)?;
        match line.strip_suffix('\n') {
            Some(text) => Ok(text.strip_suffix('\r').unwrap_or(text).to_owned()),
            None if line.len() as u64 == self.max_line => Err(io::Error::other("a line is too long")),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_up_to_the_end_of_the_stream() {
        let stream = ":\n\nevent: connected\ndata: {\"a\":1}\n\nevent: nothing\n\ndata:one\r\ndata: two\r\n\r\nevent: cut\ndata: x";
        let mut events = EventReader::new(stream.as_bytes(), 1 << 20);
        let event = |name: &str, data: &str| ServerSentEvent { name: name.into(), data: data.into() };
        assert_eq!(events.next().expect("an event"), event("connected", "{\"a\":1}"));
        assert_eq!(events.next().expect("an event"), event("", "one\ntwo"));
        assert_eq!(events.next().expect_err("the end").kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn line_longer_than_the_limit_is_an_error() {
        let mut events = EventReader::new(&b"data: 123456\n\n"[..], 8);
        assert_eq!(events.next().expect_err("too long").to_string(), "a line is too long");
    }
}
