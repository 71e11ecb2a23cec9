//! Requests to the admin API of a gateway.

use anyhow::{Context as _, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time limit of a request. A component is compiled within it, at the lowest priority.
const TIMEOUT: Duration = Duration::from_secs(300);

/// The admin API at this address. Without a token, which a loopback address does not need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admin(pub(crate) SocketAddr);

pub(crate) enum Body<'a> {
    Empty,
    Component(&'a [u8]),
    Json(&'a Value),
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    body: Vec<u8>,
}

impl Admin {
    /// Fails if there is no answer. An answer may have any status.
    pub(crate) async fn request(self, method: &str, path: &str, body: Body<'_>) -> Result<Answer> {
        let (kind, body) = match body {
            Body::Empty => ("", Vec::new()),
            Body::Component(component) => ("Content-Type: application/wasm\r\n", component.to_vec()),
            Body::Json(value) => ("Content-Type: application/json\r\n", serde_json::to_vec(value)?),
        };
        let head = request_head(method, path, kind, body.len());
        match timeout(TIMEOUT, self.exchange(&head, &body)).await {
            Ok(answer) => answer.with_context(|| format!("{method} {path}")),
            Err(_) => bail!("{method} {path}: no answer after {TIMEOUT:?}"),
        }
    }

    async fn exchange(self, head: &str, body: &[u8]) -> Result<Answer> {
        let mut stream = TcpStream::connect(self.0).await.context("the admin listener")?;
        stream.write_all(head.as_bytes()).await?;
        // A body that is too large is refused before it is read.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Answer::parse(&answer)
    }
}

/// HTTP/1.0, in which the end of the connection is the end of the answer.
fn request_head(method: &str, path: &str, kind: &str, length: usize) -> String {
    format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n{kind}Content-Length: {length}\r\n\r\n")
}

impl Answer {
    fn parse(answer: &[u8]) -> Result<Self> {
        const END: &[u8] = b"\r\n\r\n";
        let status = answer.get(9..12).and_then(|status| str::from_utf8(status).ok()?.parse().ok());
        let status = status.context("no HTTP status")?;
        let head = answer.windows(END.len()).position(|window| window == END).context("the answer is incomplete")?;
        Ok(Answer { status, body: answer[head + END.len()..].to_vec() })
    }

    /// The body. Fails if the status is not `status`, with what the gateway says.
    pub(crate) fn expect<T: DeserializeOwned>(&self, status: u16) -> Result<T> {
        let text = || String::from_utf8_lossy(&self.body);
        ensure!(self.status == status, "status {} instead of {status}: {}", self.status, text());
        serde_json::from_slice(&self.body).with_context(|| format!("not the expected answer: {}", text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tokio::net::TcpListener;

    /// Accepts a connection, reads one request of this form, and answers it.
    async fn answer_once(listener: TcpListener, request: &str, answer: &str) -> Result<()> {
        let (mut stream, _) = listener.accept().await?;
        let mut read = vec![0; request.len()];
        stream.read_exact(&mut read).await?;
        assert_eq!(String::from_utf8_lossy(&read), request);
        Ok(stream.write_all(answer.as_bytes()).await?)
    }

    async fn ask(answer: &str) -> Result<Answer> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let admin = Admin(listener.local_addr()?);
        let request = "POST /api/v1/x?y=1 HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                       Content-Length: 7\r\n\r\n{\"a\":1}";
        let body = json!({ "a": 1 });
        let asking = admin.request("POST", "/api/v1/x?y=1", Body::Json(&body));
        let (answer, answered) = tokio::join!(asking, answer_once(listener, request, answer));
        answered?;
        answer
    }

    #[tokio::test]
    async fn answer_has_status_and_body() {
        let answer = ask("HTTP/1.0 201 Created\r\ncontent-length: 8\r\n\r\n{\"b\":\"\"}").await.expect("an answer");
        assert_eq!(answer.status, 201);
        assert_eq!(answer.expect::<Value>(201).expect("the status"), json!({ "b": "" }));
    }

    #[tokio::test]
    async fn other_status_is_an_error_that_says_what_the_gateway_says() {
        let answer = ask("HTTP/1.0 409 Conflict\r\n\r\n{\"detail\":\"it has ended\"}").await.expect("an answer");
        let error = answer.expect::<Value>(200).expect_err("another status").to_string();
        assert!(error.contains("409") && error.contains("it has ended"), "{error}");
    }

    #[tokio::test]
    async fn connection_that_ends_within_the_head_is_an_error_that_names_the_request() {
        let error = ask("HTTP/1.0 200 OK\r\nx").await.expect_err("incomplete");
        assert!(format!("{error:#}").starts_with("POST /api/v1/x?y=1: the answer is incomplete"), "{error:#}");
    }
}
