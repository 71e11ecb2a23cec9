//! Why an address gave no answer, or none that may be used.

use super::address::{Address, BadAddress};
use std::time::Duration;
use ureq::http::StatusCode;

/// Why an address gave no answer, or none that may be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("{address}: no connection within {} s: is the address right, and the server up?", limit.as_secs_f32())]
    ConnectTimeout { address: Address, limit: Duration },
    #[error("{address}: not fetched within {} s", limit.as_secs_f32())]
    Timeout { address: Address, limit: Duration },
    #[error("{address}: no answer: {}", problem_text(problem))]
    Connection { address: Address, problem: ureq::Error },
    #[error(
        "{address}: {problem}: if its authority is one of your own, name a file with that certificate in SSL_CERT_FILE"
    )]
    Certificate { address: Address, problem: rustls::Error },
    #[error(
        "{address}: the operating system has no trusted certificates: install ca-certificates, or name a file of \
         certificates in SSL_CERT_FILE"
    )]
    NoRoots { address: Address },
    #[error("{address}: answers {status}{}", hint(*status))]
    Status { address: Address, status: StatusCode },
    #[error("{address}: redirects to an address that {problem}")]
    Redirect { address: Address, problem: BadAddress },
    #[error("{address}: redirects to {to}, from https to http")]
    Downgrade { address: Address, to: Address },
    #[error("{address}: is the end of {limit} redirects, and redirects again")]
    Redirects { address: Address, limit: usize },
    #[error("{address}: {}{limit} bytes, the most that is read", size_text(*size))]
    TooLarge { address: Address, size: Option<u64>, limit: usize },
    #[error("{address}: with what belongs after it, it {problem}")]
    Address { address: Address, problem: BadAddress },
}

/// What may be wrong, for the statuses that people meet.
fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => ": it wants a login, or refuses this one",
        404 | 410 => ": is the address right?",
        429 => ": it has had too many requests; try again later",
        500..=599 => ": the server has a fault; try again later",
        _ => "",
    }
}

/// Without the prefix that ureq has before errors of the operating system.
fn problem_text(problem: &ureq::Error) -> String {
    match problem {
        ureq::Error::Io(problem) => problem.to_string(),
        problem => problem.to_string(),
    }
}

fn size_text(size: Option<u64>) -> String {
    size.map_or_else(|| "is larger than ".to_owned(), |size| format!("has {size} bytes, more than "))
}
