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
    /// Absent in answers of older gateways.
    #[serde(skip_serializing_if = "Option::is_none")]
    matching: Option<usize>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ChargePoint {
    id: String,
    version: String,
    address: String,
    listener: Option<String>,
    connected_since: String,
    disconnected_at: Option<String>,
    disconnect_reason: Option<String>,
    last_message: Option<String>,
    last_heartbeat: Option<String>,
    vendor: Option<String>,
    model: Option<String>,
    firmware: Option<String>,
    serial: Option<String>,
    #[serde(default)]
    connectors: Vec<Connector>,
    mailbox: u64,
    /// Absent in the list, and if the charge point's task did not report them in time.
    calls: Option<OpenCalls>,
}

#[derive(Debug, Deserialize)]
struct Connector {
    evse: Option<u32>,
    connector: u32,
    status: String,
    error_code: Option<String>,
}

impl Connector {
    /// Number and status, and the error if there is one.
    fn text(&self) -> String {
        let Connector { evse, connector, status, error_code } = self;
        let evse = evse.map(|evse| format!("{evse}.")).unwrap_or_default();
        let error = error_code.as_deref().filter(|code| *code != "NoError");
        format!("{evse}{connector} {status}{}", error.map(|code| format!(" ({code})")).unwrap_or_default())
    }
}

/// The connectors with their statuses, in one line.
fn statuses(connectors: &[Connector]) -> String {
    connectors.iter().map(Connector::text).collect::<Vec<_>>().join(", ")
}

#[derive(Debug, Deserialize)]
struct OpenCalls {
    from_charge_point: Vec<String>,
    to_charge_point: Option<String>,
    waiting: u64,
}

/// Which charge points are listed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Selection<'a> {
    /// The most that are listed.
    pub(super) limit: Option<usize>,
    /// Part of identity, address, vendor or model.
    pub(super) search: Option<&'a str>,
    /// The name of a listener.
    pub(super) listener: Option<&'a str>,
    /// Those that are not connected.
    pub(super) away: bool,
}

/// Lists charge points, from as many pages as they need.
pub(super) fn list(client: &Client, selection: Selection<'_>, output: &mut Output<impl Write>) -> Result<(), CtlError> {
    let Selection { limit, away, .. } = selection;
    let first = page(client, selection, limit, None)?;
    let mut list: List = first.read()?;
    let mut pages = 1;
    while let Some(after) = &list.next {
        let left = limit.map(|limit| limit.saturating_sub(list.charge_points.len()));
        if left == Some(0) {
            break;
        }
        let List { charge_points, total, matching, next } = page(client, selection, left, Some(after))?.read()?;
        list.charge_points.extend(charge_points);
        (list.total, list.matching, list.next, pages) = (total, matching, next, pages + 1);
    }
    if output.json {
        let text = if pages == 1 { first.text } else { serde_json::to_string(&list).map_err(io::Error::from)? };
        return Ok(output.json(&text)?);
    }
    if list.charge_points.is_empty() {
        return Ok(output.text(match (away, selection.search.or(selection.listener)) {
            (_, Some(_)) => "No such charge point.",
            (true, None) => "No charge point has disconnected since the gateway started.",
            (false, None) => "No charge point is connected.",
        })?);
    }
    let rows = list.charge_points.iter().map(|charge_point| {
        let it: ChargePoint = first.read_part(charge_point.get())?;
        let status = statuses(&it.connectors);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let (last_message, vendor, model) = (or_dash(it.last_message), or_dash(it.vendor), or_dash(it.model));
        Ok(if away {
            let (since, reason) = (or_dash(it.disconnected_at), or_dash(it.disconnect_reason));
            [it.id, it.version, it.address, since, last_message, vendor, model, status, reason]
        } else {
            let mailbox = it.mailbox.to_string();
            [it.id, it.version, it.address, it.connected_since, last_message, vendor, model, status, mailbox]
        })
    });
    let rows = rows.collect::<Result<Vec<_>, CtlError>>()?;
    let (since, last) = if away { ("AWAY SINCE", "REASON") } else { ("CONNECTED SINCE", "MAILBOX") };
    output.table(["ID", "VERSION", "ADDRESS", since, "LAST MESSAGE", "VENDOR", "MODEL", "STATUS", last], &rows)?;
    if list.next.is_some() {
        output.text(&format!("{} of {} charge points", rows.len(), list.matching.unwrap_or(list.total)))?;
    }
    Ok(())
}

/// A page of the list. `left`: the most that are still wanted. `after`: the last identity of the page before.
fn page(
    client: &Client,
    Selection { search, listener, away, .. }: Selection<'_>,
    left: Option<usize>,
    after: Option<&str>,
) -> Result<Answer, ApiError> {
    let size = left.map_or(PAGE_SIZE, |left| left.min(PAGE_SIZE)).to_string();
    let mut parameters = vec![("limit", size.as_str())];
    parameters.extend(search.map(|search| ("search", search)));
    parameters.extend(listener.map(|listener| ("listener", listener)));
    parameters.extend(away.then_some(("state", "away")));
    parameters.extend(after.map(|after| ("after", after)));
    client.get(&with_query(path(&[SEGMENT]), &parameters))
}

/// Shows one charge point and its open CALLs.
pub(super) fn show(client: &Client, id: &str, output: &mut Output<impl Write>) -> Result<(), CtlError> {
    let answer = client.get(&path(&[SEGMENT, id]))?;
    if output.json {
        return Ok(output.json(&answer.text)?);
    }
    let it: ChargePoint = answer.read()?;
    let mut pairs = vec![
        ("id", it.id),
        ("version", it.version),
        ("address", it.address),
        ("connected since", it.connected_since),
        ("mailbox", it.mailbox.to_string()),
    ];
    let status = Some(statuses(&it.connectors)).filter(|status| !status.is_empty());
    let known = [
        ("listener", it.listener),
        ("last message", it.last_message),
        ("last heartbeat", it.last_heartbeat),
        ("vendor", it.vendor),
        ("model", it.model),
        ("firmware", it.firmware),
        ("serial number", it.serial),
        ("status", status),
    ];
    pairs.extend(known.into_iter().filter_map(|(name, value)| Some((name, value?))));
    match it.calls {
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
