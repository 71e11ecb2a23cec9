//! An HTTP server for tests, which answers with what it is told and keeps the requests.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

/// An answer to a request.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    text: String,
    /// The connection stays open until the requests are taken.
    stays_open: bool,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Reply::new(status, "application/json", body)
    }

    /// A problem of RFC 9457.
    pub(crate) fn problem(status: u16, detail: &str) -> Self {
        let problem = serde_json::json!({"status": status, "title": "a title", "detail": detail});
        Reply::new(status, "application/problem+json", &problem.to_string())
    }

    /// A redirect to this URL.
    pub(crate) fn redirect(url: &str) -> Self {
        let text = format!("HTTP/1.1 307 x\r\nlocation: {url}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        Reply { text, stays_open: false }
    }

    pub(crate) fn new(status: u16, content_type: &str, body: &str) -> Self {
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\
             \r\n{body}"
        );
        Reply { text, stays_open: false }
    }

    /// Server-sent events. The stream ends after them, or nothing more is sent.
    pub(crate) fn events(events: &str, stays_open: bool) -> Self {
        let head = "HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        Reply { text: head.to_owned() + events, stays_open }
    }
}

pub(crate) struct TestGateway {
    pub(crate) url: String,
    server: JoinHandle<Vec<(String, Option<TcpStream>)>>,
}

impl TestGateway {
    /// Answers one request with each of these.
    pub(crate) fn start(replies: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let replies = replies.to_vec();
        let server = thread::spawn(move || replies.iter().map(|reply| answer(&listener, reply)).collect());
        TestGateway { url, server }
    }

    /// The requests, each with its head. All have been sent.
    pub(crate) fn requests(self) -> Vec<String> {
        self.server.join().expect("it has answered").into_iter().map(|(request, _)| request).collect()
    }
}

/// Answers a request, and returns it, with the connection if that stays open.
fn answer(listener: &TcpListener, reply: &Reply) -> (String, Option<TcpStream>) {
    let (socket, _) = listener.accept().expect("a connection");
    let (mut reader, mut request, mut length) = (BufReader::new(&socket), String::new(), 0);
    while !request.ends_with("\r\n\r\n") {
        let start = request.len();
        assert_ne!(reader.read_line(&mut request).expect("a head"), 0, "the head ends early");
        let line = request[start..].to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    request += &String::from_utf8_lossy(&body);
    (&socket).write_all(reply.text.as_bytes()).expect("answered");
    if reply.stays_open {
        return (request, Some(socket));
    }
    // The client may have closed it already.
    let _ = socket.shutdown(Shutdown::Write);
    (request, None)
}
