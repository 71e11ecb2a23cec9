//! The head of the HTTP request that asks for a WebSocket, as far as it can be trusted before anybody has looked at it.

use super::Refused;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::handshake::machine::TryParse as _;
use tokio_tungstenite::tungstenite::handshake::server::Request;
use tokio_tungstenite::tungstenite::http::{StatusCode, header};

/// Room offered to the first read.
const USUAL_HEAD: usize = 1 << 10;

/// Reads up to and including the empty line, at most `limit` bytes. Credentials are marked, so that no `Debug` shows them.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S, limit: usize) -> Result<Request, Refused> {
    let mut head = Vec::with_capacity(USUAL_HEAD);
    let mut parsed = 0;
    loop {
        let before = head.len();
        match stream.read_buf(&mut head).await {
            Ok(0) => return Err(Refused::NotWebSocket("the connection ended within the request".into())),
            Ok(_) => {}
            Err(error) => return Err(Refused::NotWebSocket(error.to_string())),
        }
        if head.len() > limit {
            return Err(too_large(format!("a request head is at most {limit} bytes long")));
        }
        // Rubbish shows before the end, but nobody shall have a long head parsed once for each byte of it.
        if has_end(&head[before.saturating_sub(2)..]) || head.len() >= 2 * parsed {
            parsed = head.len();
            if let Some(request) = parse(&head)? {
                return Ok(request);
            }
        }
    }
}

fn has_end(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

fn parse(head: &[u8]) -> Result<Option<Request>, Refused> {
    match Request::try_parse(head) {
        Ok(None) => Ok(None),
        // What follows would be a frame of a client that has not been let in.
        Ok(Some((size, _))) if size < head.len() => Err(Refused::NotWebSocket("data after the request".into())),
        Ok(Some((_, mut request))) => {
            for name in [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE] {
                if let header::Entry::Occupied(mut values) = request.headers_mut().entry(name) {
                    values.iter_mut().for_each(|value| value.set_sensitive(true));
                }
            }
            Ok(Some(request))
        }
        Err(Error::Capacity(CapacityError::TooManyHeaders)) => Err(too_large("too many header lines")),
        Err(error) => Err(Refused::NotWebSocket(error.to_string())),
    }
}

fn too_large(reason: impl Into<String>) -> Refused {
    Refused::status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    const MAX_HEAD: usize = 8 << 10;
    const HEAD: &str = "GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic Q1AxOnNlY3JldA==\r\n\r\n";

    async fn read_pieces(text: &[u8], size: usize) -> Result<Request, Refused> {
        let (mut near, mut far) = tokio::io::duplex(size);
        let (read, _) = tokio::join!(
            async {
                let read = read(&mut near, MAX_HEAD).await;
                drop(near);
                read
            },
            async {
                // The reader may have heard enough.
                let _ = far.write_all(text).await;
                drop(far);
            }
        );
        read
    }

    fn status(refused: &Refused) -> Option<u16> {
        match refused {
            Refused::Status { status, .. } => Some(status.as_u16()),
            _ => None,
        }
    }

    #[tokio::test]
    async fn a_head_is_read_in_whatever_pieces_it_comes() {
        for text in [HEAD.to_owned(), HEAD.replace('\r', "")] {
            for size in [1, 2, 3, 7, 50, 1000] {
                let request = read_pieces(text.as_bytes(), size).await.expect("a request");
                assert_eq!((request.uri().path(), request.headers().len()), ("/ocpp/CP1", 2));
            }
        }
    }

    #[tokio::test]
    async fn credentials_do_not_show() {
        let request = read_pieces(HEAD.as_bytes(), 1000).await.expect("a request");
        assert!(!format!("{request:?}").contains("Q1Ax"), "{request:?}");
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused() {
        for text in ["\x16\x03\x01\0", "POST / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHos", &format!("{HEAD}\x01")] {
            let refused = read_pieces(text.as_bytes(), 1000).await.expect_err(text);
            assert!(matches!(refused, Refused::NotWebSocket(_)), "{text}: {refused}");
        }
    }

    #[tokio::test]
    async fn a_head_without_end_is_cut_off() {
        let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(MAX_HEAD));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200));
        for text in [long, many] {
            let refused = read_pieces(text.as_bytes(), 4096).await.expect_err("too large");
            assert_eq!(status(&refused), Some(431), "{refused}");
        }
    }
}
