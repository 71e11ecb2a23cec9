//! Fetching, from servers of these tests.

mod pull;
mod registry;
mod server;
mod tls;
mod web;

use super::address::BadAddress;
use super::content::Content;
use super::http::{HttpError, TimeLimits};
use super::oci::PullError;
use super::{FetchError, Fetched, Fetcher, RemoteSource};
use std::time::Duration;

/// What begins like a component.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0 and the rest";

const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\nRUQ=\ntrusted comment: x\nAA==\n";

/// Longer than any test needs.
const LONG: Duration = Duration::from_secs(60);

/// For tests that wait until it is over.
const SHORT: Duration = Duration::from_millis(300);

/// Trusts no authority, has no login, and has time.
fn fetcher() -> Fetcher {
    Fetcher { time: TimeLimits { connect: LONG, whole: LONG }, roots: Vec::new(), docker_config: None }
}

fn source(text: &str) -> RemoteSource {
    text.parse().expect(text)
}

/// The error of an address or registry, wherever it was noticed.
fn http_error(error: FetchError) -> HttpError {
    match error {
        FetchError::Http(error) | FetchError::Pull(PullError::Http(error)) => error,
        other => panic!("{other}"),
    }
}
