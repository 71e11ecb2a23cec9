//! `ctl charge-points`, `kick` and `call`.

use super::client::{Answer, ApiError, Client, path, with_query};
use super::error::CtlError;
use super::output::Output;
use super::settings::standard_input;
use crate::operations::log::printable;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io::{self, Write};
use ureq::http::Method;

/// The most charge points that a page may have.
const PAGE_SIZE: usize = 1000;

const SEGMENT: &str = "charge-points";

/// A page of the list, or the whole list.
#[derive(Debug, Deserialize, Serialize)]
struct List {
    charge_points: Vec<Box<RawValue>>,
    total: usize,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ChargePoint {
    id: String,
    version: String,
    address: String,
    connected_since: String,
    mailbox: u64,
    /// Absent in the list, and if the charge point's task did not report them in time.
    calls: Option<OpenCalls>,
}

#[derive(Debug, Deserialize)]
struct OpenCalls {
    from_charge_point: Vec<String>,
    to_charge_point: Option<String>,
    waiting: u64,
}

/// Lists connected charge points, from as many pages as they need.
pub(super) fn list(client: &Client, limit: Option<usize>, output: &mut Output<impl Write>) -> Result<(), CtlError> {
    let first = page(client, limit, None)?;
    let mut list: List = first.read()?;
    let mut pages = 1;
    while let Some(after) = &list.next {
        let left = limit.map(|limit| limit.saturating_sub(list.charge_points.len()));
        if left == Some(0) {
            break;
        }
        let List { charge_points, total, next } = page(client, left, Some(after))?.read()?;
        list.charge_points.extend(charge_points);
        (list.total, list.next, pages) = (total, next, pages + 1);
    }
    if output.json {
        let text = if pages == 1 { first.text } else { serde_json::to_string(&list).map_err(io::Error::from)? };
        return Ok(output.json(&text)?);
    }
    if list.charge_points.is_empty() {
        return Ok(output.text("No charge point is connected.")?);
    }
    let rows = list.charge_points.iter().map(|charge_point| {
        let ChargePoint { id, version, address, connected_since, mailbox, .. } = first.read_part(charge_point.get())?;
        Ok([id, version, address, connected_since, mailbox.to_string()])
    });
    let rows = rows.collect::<Result<Vec<_>, CtlError>>()?;
    output.table(["ID", "VERSION", "ADDRESS", "CONNECTED SINCE", "MAILBOX"], &rows)?;
    if list.next.is_some() {
        output.text(&format!("{} of {} charge points", rows.len(), list.total))?;
    }
    Ok(())
}

/// A page of the list. `left`: the most that are still wanted. `after`: the last identity of the page before.
fn page(client: &Client, left: Option<usize>, after: Option<&str>) -> Result<Answer, ApiError> {
    let size = left.map_or(PAGE_SIZE, |left| left.min(PAGE_SIZE)).to_string();
    let mut parameters = vec![("limit", size.as_str())];
    parameters.extend(after.map(|after| ("after", after)));
    client.get(&with_query(path(&[SEGMENT]), &parameters))
}

/// Shows one charge point and its open CALLs.
pub(super) fn show(client: &Client, id: &str, output: &mut Output<impl Write>) -> Result<(), CtlError> {
    let answer = client.get(&path(&[SEGMENT, id]))?;
    if output.json {
        return Ok(output.json(&answer.text)?);
    }
    let ChargePoint { id, version, address, connected_since, mailbox, calls } = answer.read()?;
    let mut pairs = vec![
        ("id", id),
        ("version", version),
        ("address", address),
        ("connected since", connected_since),
        ("mailbox", mailbox.to_string()),
    ];
    match calls {
        Some(OpenCalls { from_charge_point, to_charge_point, waiting }) => {
            let from = if from_charge_point.is_empty() { "none".into() } else { from_charge_point.join(", ") };
            pairs.push(("CALLs from it", from));
            pairs.push(("CALL to it", to_charge_point.unwrap_or_else(|| "none".into())));
            pairs.push(("CALLs waiting", waiting.to_string()));
        }
        None => pairs.push(("CALLs", "not known: the charge point accepts no messages".into())),
    }
    Ok(output.pairs(&pairs)?)
}

/// Closes connections. One that fails does not keep the others from being closed.
pub(super) fn kick(client: &Client, ids: &[String]) -> Result<(), CtlError> {
    let mut result = Ok(());
    for id in ids {
        match client.delete(&path(&[SEGMENT, id])) {
            Ok(_) => {}
            // The others would fail for the same reason.
            Err(error) if !error.is_not_found() => return Err(error.into()),
            Err(error) => {
                let _ = writeln!(io::stderr(), "ocpp-gateway: {}", printable(&error.to_string()));
                result = Err(CtlError::Reported);
            }
        }
    }
    result
}

/// The body of a CALL.
#[derive(Debug, Serialize)]
struct CallRequest<'a> {
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
}

/// The charge point's CALLRESULT.
#[derive(Debug, Deserialize)]
struct CallAnswer {
    result: Box<RawValue>,
}

/// Sends a CALL, and prints the payload of its CALLRESULT. `payload`: JSON, or `-` for the standard input.
pub(super) fn call(
    client: &Client,
    id: &str,
    action: &str,
    payload: Option<&str>,
    output: &mut Output<impl Write>,
) -> Result<(), CtlError> {
    let payload = match payload {
        Some("-") => Some(standard_input()?),
        payload => payload.map(str::to_owned),
    };
    // The text is sent as it is.
    let payload = payload.map(|text| RawValue::from_string(text.trim().to_owned())).transpose();
    let payload = payload.map_err(|error| CtlError::Usage(format!("PAYLOAD is not JSON: {error}")))?;
    let body = serde_json::to_string(&CallRequest { action, payload }).map_err(io::Error::from)?;
    let answer = client.send_json(Method::POST, &path(&[SEGMENT, id, "calls"]), &body)?;
    if output.json {
        return Ok(output.json(&answer.text)?);
    }
    let CallAnswer { result } = answer.read()?;
    Ok(output.text(result.get())?)
}
