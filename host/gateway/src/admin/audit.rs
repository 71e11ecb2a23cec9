//! Who calls the admin API, and the lines in the log about what callers did.

use super::audit_history::{AuditHistory, AuditLine};
use super::problem::Problem;
use crate::operations::AUDIT;
use crate::operations::events::rfc3339;
use crate::transforms::Sender;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;
use tracing::info;

/// Where a request comes from. Handlers take it as an argument.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) address: SocketAddr,
    /// The name of the token that the request shows; `None`: none is required.
    pub(super) token: Option<&'static str>,
    /// Where audit lines are kept.
    pub(super) history: Arc<AuditHistory>,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // `check_access` adds it to every request but those for pages that are open to all.
        let missing = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the caller is not known");
        parts.extensions.get().cloned().ok_or_else(missing)
    }
}

impl From<Caller> for Sender {
    fn from(Caller { address, token, .. }: Caller) -> Self {
        Sender { from: address.to_string(), token: token.map(str::to_owned) }
    }
}

impl Caller {
    /// Writes an audit line to the log, and keeps it: `WHAT DONE`, such as `transform mine replaced`. To be called once
    /// it is done, and also if the client has disconnected meanwhile.
    ///
    /// `hashes`: of what was changed, before and after; empty where there is nothing to hash. Payloads have no place in
    /// the line.
    pub(super) fn audit(&self, what: impl Display, done: &str, hashes: Hashes) {
        let Caller { address, token, history } = self;
        let Hashes { before, after } = hashes;
        let what = what.to_string();
        info!(target: AUDIT, who = %address, token, what, before = before.as_deref(), after = after.as_deref(), "{what} {done}");
        history.add(AuditLine {
            time: rfc3339(SystemTime::now()),
            who: address.to_string(),
            token: *token,
            what,
            done: done.to_owned(),
            before,
            after,
        });
    }
}

/// What names the content of something before and after a change, as in `sha256 0123456789ab`. `None`: it is not there.
#[derive(Debug, Default)]
pub(super) struct Hashes {
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}
