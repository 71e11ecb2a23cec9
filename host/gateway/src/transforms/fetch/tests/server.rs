//! An HTTP server that answers as a test wants, one request for each connection.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A request, as far as tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Get {
    /// Path and query.
    pub(super) target: String,
    /// The header `Host`: how the server is reached.
    pub(super) host: String,
    pub(super) authorization: Option<String>,
}

pub(super) enum Reply {
    /// Status with reason, further headers, and the body.
    Whole(&'static str, Vec<(&'static str, String)>, Vec<u8>),
    /// A length in bytes that is not kept: the connection ends after the body.
    Announced(u64, Vec<u8>),
    /// A body without end.
    Endless,
    /// A byte at a time, without end.
    Trickle,
    /// Nothing.
    Silent,
}

impl Reply {
    pub(super) fn ok(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Reply::Whole("200 OK", vec![("Content-Type", media_type.to_owned())], body.into())
    }

    pub(super) fn not_found() -> Self {
        Reply::Whole("404 Not Found", Vec::new(), b"no such thing".to_vec())
    }

    pub(super) fn redirect(location: impl Into<String>) -> Self {
        Reply::Whole("307 Temporary Redirect", vec![("Location", location.into())], Vec::new())
    }
}

pub(super) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Get>>>,
    stopped: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(reply: impl Fn(&Get) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, reply)
    }

    pub(super) fn start_tls(config: ServerConfig, reply: impl Fn(&Get) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(Some(Arc::new(config)), reply)
    }

    fn start_with(tls: Option<Arc<ServerConfig>>, reply: impl Fn(&Get) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (requests, stopped) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, stop, reply) = (Arc::clone(&requests), Arc::clone(&stopped), Arc::new(reply));
        let acceptor = thread::spawn(move || {
            for socket in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(socket) = socket else { continue };
                let (seen, reply, tls) = (Arc::clone(&seen), Arc::clone(&reply), tls.clone());
                // Ends when the client is gone.
                thread::spawn(move || {
                    let answer = |get: &Get| {
                        seen.lock().expect("not poisoned").push(get.clone());
                        reply(get)
                    };
                    // Clients that leave early are what these tests are about.
                    let _ = match tls {
                        None => serve(socket, answer),
                        Some(config) => ServerConnection::new(config)
                            .map_err(io::Error::other)
                            .and_then(|connection| serve(StreamOwned::new(connection, socket), answer)),
                    };
                });
            }
        });
        Server { address, requests, stopped, acceptor: Some(acceptor) }
    }

    /// Host and port.
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn requests(&self) -> Vec<Get> {
        self.requests.lock().expect("not poisoned").clone()
    }

    pub(super) fn targets(&self) -> Vec<String> {
        self.requests().into_iter().map(|get| get.target).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().expect("the acceptor does not panic");
        }
    }
}

fn serve(mut socket: impl Socket, reply: impl Fn(&Get) -> Reply) -> io::Result<()> {
    let get = read_request(&mut socket)?;
    match reply(&get) {
        Reply::Whole(status, headers, body) => {
            write!(socket, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len())?;
            for (name, value) in headers {
                write!(socket, "{name}: {value}\r\n")?;
            }
            socket.write_all(b"\r\n")?;
            socket.write_all(&body)?;
        }
        Reply::Announced(length, body) => {
            write!(socket, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")?;
            socket.write_all(&body)?;
        }
        Reply::Endless => {
            socket.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\0asm\x0d\0\x01\0")?;
            let block = vec![7; 1 << 20];
            loop {
                socket.write_all(&block)?;
            }
        }
        Reply::Trickle => {
            socket.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\0asm\x0d\0\x01\0")?;
            while socket.is_open_after(Duration::from_millis(20)) {
                socket.write_all(b"7")?;
            }
        }
        Reply::Silent => while socket.is_open_after(Duration::from_secs(1)) {},
    }
    socket.flush()
}

fn read_request(socket: &mut impl Read) -> io::Result<Get> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).map_err(io::Error::other)?;
    let mut lines = head.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| (*value).to_owned())
    };
    Ok(Get { target, host: header("host").unwrap_or_default(), authorization: header("authorization") })
}

trait Socket: Read + Write {
    fn tcp(&self) -> &TcpStream;

    /// Waits this long, or until the client is gone. Returns whether it is there.
    fn is_open_after(&mut self, time: Duration) -> bool {
        let mut socket = self.tcp();
        socket.set_read_timeout(Some(time)).is_ok()
            && match socket.read(&mut [0; 1024]) {
                Ok(length) => length > 0,
                Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            }
    }
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for StreamOwned<ServerConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        &self.sock
    }
}
