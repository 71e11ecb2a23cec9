//! `ctl status`.

use super::client::{Answer, Client, path, with_query};
use super::error::CtlError;
use super::output::Output;
use super::transform_summary::TransformSummary;
use super::transforms;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io::{self, Write};
use ureq::http::StatusCode;

#[derive(Debug, Deserialize)]
struct Readiness {
    not_ready: Vec<NotReady>,
    #[serde(default)]
    degraded: Vec<NotReady>,
}

#[derive(Debug, Deserialize)]
struct NotReady {
    what: String,
    why: String,
}

/// What is wrong.
#[derive(Debug, Deserialize)]
struct Problems {
    problems: Vec<CurrentProblem>,
}

#[derive(Debug, Deserialize)]
struct CurrentProblem {
    severity: String,
    text: String,
}

#[derive(Debug, Deserialize)]
struct Connected {
    total: u64,
}

/// The answers together, each as the API has sent it.
#[derive(Debug, Serialize)]
struct Status<'a> {
    readiness: &'a RawValue,
    /// The number of connected charge points.
    charge_points: u64,
    transforms: &'a RawValue,
    /// Null: the gateway is older than this program, and does not list problems.
    problems: Option<&'a RawValue>,
}

/// Prints the state of the gateway. If it is not ready, that is a failure.
pub(super) fn run(client: &Client, output: &mut Output<impl Write>) -> Result<(), CtlError> {
    let (is_ready, readiness) = client.get_either("/readyz", StatusCode::SERVICE_UNAVAILABLE)?;
    let connected = client.get(&with_query(path(&["charge-points"]), &[("limit", "1")]))?;
    let Connected { total } = connected.read()?;
    let running = client.get(&path(&["transforms"]))?;
    let problems = match client.get(&path(&["problems"])) {
        Err(error) if error.is_not_found() => None,
        problems => Some(problems?),
    };
    if output.json {
        let problems = problems.as_ref().map(Answer::read).transpose()?;
        let transforms = running.read()?;
        let status = Status { readiness: readiness.read()?, charge_points: total, transforms, problems };
        output.json(&serde_json::to_string(&status).map_err(io::Error::from)?)?;
    } else {
        let Readiness { not_ready, degraded } = readiness.read()?;
        let ready = if is_ready { "ready" } else { "not ready" };
        let mut pairs = vec![("gateway", format!("{ready}, {}", client.url()))];
        let problems = problems.map(|answer| answer.read::<Problems>()).transpose()?.map(|list| list.problems);
        if let Some(problems) = &problems {
            pairs.extend(problems.iter().map(|it| (it.severity.as_str(), it.text.clone())));
        } else {
            let named = |NotReady { what, why }: NotReady| format!("{what}: {why}");
            pairs.extend(not_ready.into_iter().map(|it| ("not ready", named(it))));
            pairs.extend(degraded.into_iter().map(|it| ("degraded", named(it))));
        }
        pairs.push(("charge points", total.to_string()));
        output.pairs(&pairs)?;
        output.text("")?;
        transforms::table(&running.read::<Vec<TransformSummary>>()?, output)?;
    }
    if is_ready { Ok(()) } else { Err(CtlError::Reported) }
}
