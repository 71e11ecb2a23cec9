//! Who calls the admin API, and the lines in the log about what callers did.

use super::audit_history::{AuditHistory, AuditLine};
use super::audited_call::AuditedCall;
use super::problem::Problem;
use crate::operations::AUDIT;
use crate::operations::events::rfc3339;
use crate::transforms::Sender;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use ocpp_gateway_core::session::OperatorCallOutcome;
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
        let what = what.to_string();
        self.log(&what, done, &hashes);
        self.keep(what, done.to_owned(), hashes, None);
    }

    /// Like [`audit`](Self::audit), for a CALL that is queued. Its outcome makes another line in the log, without the
    /// payload, and completes the one that is kept.
    pub(super) fn audit_call(self, call: AuditedCall) -> PendingAudit {
        let (what, done) = (call.what(), call.done());
        self.log(&what, &done, &Hashes::default());
        let number = self.keep(what, done, Hashes::default(), Some(call.clone()));
        PendingAudit { caller: self, number, call }
    }

    fn log(&self, what: &str, done: &str, Hashes { before, after }: &Hashes) {
        let Caller { address, token, .. } = self;
        info!(target: AUDIT, who = %address, token, what, before = before.as_deref(), after = after.as_deref(), "{what} {done}");
    }

    fn keep(&self, what: String, done: String, hashes: Hashes, call: Option<AuditedCall>) -> usize {
        let (time, who, token) = (rfc3339(SystemTime::now()), self.address.to_string(), self.token);
        let Hashes { before, after } = hashes;
        self.history.add(AuditLine { time, who, token, what, done, before, after, call })
    }
}

/// The line about a CALL whose outcome is not known yet.
pub(super) struct PendingAudit {
    caller: Caller,
    number: usize,
    call: AuditedCall,
}

impl PendingAudit {
    /// `Err`: why there is no answer.
    pub(super) fn end(mut self, outcome: Result<&OperatorCallOutcome, &str>) {
        self.call.end(outcome);
        self.caller.log(&self.call.what(), &self.call.done(), &Hashes::default());
        self.caller.history.end_call(self.number, self.call);
    }
}

/// What names the content of something before and after a change, as in `sha256 0123456789ab`. `None`: it is not there.
#[derive(Debug, Default)]
pub(super) struct Hashes {
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}
