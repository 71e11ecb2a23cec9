//! A watcher of a gateway's messages, which reads what it gets.

use anyhow::{Context as _, Result, ensure};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A watcher. It reads until it is dropped.
pub(crate) struct Tap {
    reader: JoinHandle<()>,
    bytes: watch::Receiver<u64>,
}

impl Tap {
    /// `query`: that of `/api/v1/messages`.
    pub(crate) async fn start(admin: SocketAddr, query: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(admin).await.context("the admin listener")?;
        let request = format!("GET /api/v1/messages?{query} HTTP/1.1\r\nHost: {admin}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut buffer = vec![0; 64 << 10];
        let read = stream.read(&mut buffer).await?;
        let head = String::from_utf8_lossy(&buffer[..read]);
        ensure!(head.starts_with("HTTP/1.1 200"), "the gateway refuses the tap: {head}");
        let (count, bytes) = watch::channel(0);
        let reader = tokio::spawn(async move {
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                count.send_modify(|bytes| *bytes += read as u64);
            }
        });
        Ok(Tap { reader, bytes })
    }

    /// Fails if nothing was watched.
    pub(crate) async fn finish(self) -> Result<()> {
        self.reader.abort();
        let bytes = *self.bytes.borrow();
        ensure!(bytes > 1_000, "the tap has shown {bytes} bytes only: does its query match?");
        Ok(())
    }
}
