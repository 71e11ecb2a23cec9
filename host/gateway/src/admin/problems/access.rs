//! Refused connections, limits and certificates.

use super::current_problem::{CurrentProblem, Kind, Now, counted};
use crate::admin::state::AdminState;
use crate::operations::figures::Counts;
use crate::operations::metrics::Limit;
use crate::operations::refusals::{RECENT_MINUTES, RecentRefusals};
use crate::operations::tls::{CertificateFile, ExpiryWarning};
use std::time::SystemTime;
use strum::VariantArray as _;

pub(super) fn all(state: &AdminState, recent: &Counts, now: Now) -> Vec<CurrentProblem> {
    let refused = state.context.router.events.refusals.recent(now.monotonic);
    let limits = Limit::VARIANTS.iter().filter_map(|&it| limit(it, recent.limited[it as usize]));
    let certificates = state.certificates.files();
    let certificates = certificates.iter().filter_map(|file| certificate(file, now.wall));
    refused.as_ref().map(refusals).into_iter().chain(limits).chain(certificates).collect()
}

/// Connections that were refused: each of them may be a charge point that cannot charge.
fn refusals(RecentRefusals { count, commonest, since }: &RecentRefusals) -> CurrentProblem {
    let (reason, times) = commonest;
    let were = if *count == 1 { "was" } else { "were" };
    let most = if times == count { String::new() } else { format!(", {times} of them") };
    let text = format!(
        "{} {were} refused in the last {RECENT_MINUTES} minutes{most} as {reason}: {}. /api/v1/refusals has their \
         identities and addresses.",
        counted(*count, "connection"),
        what_to_check(reason)
    );
    CurrentProblem::warning(Kind::Refusals, text).since(*since)
}

/// What to check if connections are refused for this reason.
fn what_to_check(reason: &str) -> &'static str {
    match reason {
        "unauthorized" => "check the passwords of these charge points, and that they are in auth.users",
        "forbidden" => {
            "check their certificates, the list of identities, on_duplicate, origins and the admission transforms"
        }
        "not_found" => "check the URL that they are configured with, and the list of identities",
        "tls" => "check their certificates and their clocks, and that they trust the certificate of the gateway",
        "not_websocket" => "check that proxies pass Upgrade on, and that this is no port scan",
        "bad_request" | "no_common_version" => "check which OCPP versions they offer, and versions",
        "too_many_requests" | "too_many_from_address" => "raise max_connections_per_address if they share an address",
        "unavailable" | "no_room" | "full" => "they come back by themselves; check the broker and max_connections",
        "duplicate" => "check whether two charge points have the same identity",
        "bad_proxy_header" => "check that the proxy in trusted_proxies sends PROXY headers",
        "timed_out" => "check the network between them and the gateway",
        _ => "the log has the details",
    }
}

fn limit(limit: Limit, times: u64) -> Option<CurrentProblem> {
    if times == 0 {
        return None;
    }
    let name: &str = limit.into();
    let effect = match limit {
        Limit::Connections => "further charge points are refused. Raise it if they are yours",
        Limit::ConnectionsPerAddress => {
            "connections of an address were refused. Raise max_connections_per_address if several share an address"
        }
        Limit::Handshakes => {
            "handshakes of an address were closed. Raise max_connections if charge points share that address"
        }
        Limit::AcceptRate => "connections waited or were told to come back. That is right after an outage",
        Limit::MessageRate => "charge points that send too much are slowed down. /api/v1/messages shows which",
        Limit::TotalMessageRate => {
            "all charge points are slowed down. Raise it if the machine and the broker can do more"
        }
        Limit::OpenCalls => {
            "charge points with that many open CALLs were read no more. Check why back ends do not answer"
        }
        Limit::QueueMemory => "charge points were read no more. Check whether the broker takes messages fast enough",
        Limit::Sockets => "connections were closed unanswered. Raise max_connections or the limit of open files",
    };
    let text = format!("The limit {name} was in force {} in the last five minutes: {effect}.", counted(times, "time"));
    Some(CurrentProblem::warning(Kind::Limit, text).of(name))
}

/// A certificate that has to be renewed, or has ended.
fn certificate(file: &CertificateFile, now: SystemTime) -> Option<CurrentProblem> {
    let ExpiryWarning { is_error, text, since } = file.warning(now)?;
    let problem = if is_error {
        CurrentProblem::error(Kind::Certificate, text)
    } else {
        CurrentProblem::warning(Kind::Certificate, text)
    };
    let problem = problem.of(file.key());
    Some(match since {
        Some(time) => problem.since(time),
        None => problem,
    })
}

#[cfg(test)]
mod tests {
    use super::super::current_problem::Severity;
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn refusals_are_a_warning_with_the_commonest_reason() {
        let since = UNIX_EPOCH;
        let one = refusals(&RecentRefusals { count: 1, commonest: ("tls", 1), since });
        assert!(one.text.starts_with("1 connection was refused in the last 10 minutes as tls: check"), "{}", one.text);
        let many = refusals(&RecentRefusals { count: 37, commonest: ("unauthorized", 30), since });
        let start =
            "37 connections were refused in the last 10 minutes, 30 of them as unauthorized: check the passwords";
        assert!(many.severity == Severity::Warning && many.text.starts_with(start), "{}", many.text);
        assert_eq!(many.since.as_deref(), Some("1970-01-01T00:00:00.000Z"));
    }

    #[test]
    fn limit_that_was_in_force_is_a_warning() {
        for &it in Limit::VARIANTS {
            assert_eq!(limit(it, 0), None);
            let problem = limit(it, 2).expect("a problem");
            let name: &str = it.into();
            assert_eq!((problem.severity, problem.subject.as_deref()), (Severity::Warning, Some(name)));
            assert!(problem.text.contains("2 times in the last five minutes"), "{}", problem.text);
        }
    }
}
