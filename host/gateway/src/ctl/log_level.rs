//! `ctl log-level`.

use super::client::{Client, path};
use super::error::CtlError;
use super::output::Output;
use serde::Deserialize;
use serde_json::json;
use std::io::Write;
use ureq::http::Method;

/// Which lines the log has.
#[derive(Debug, Deserialize)]
struct LogFilter {
    filter: String,
}

/// `filter`: the new one; `None`: it stays as it is.
pub(super) fn run(client: &Client, filter: Option<&str>, output: &mut Output<impl Write>) -> Result<(), CtlError> {
    let page = path(&["log-level"]);
    let answer = match filter {
        Some(filter) => client.send_json(Method::PUT, &page, &json!({ "filter": filter }).to_string())?,
        None => client.get(&page)?,
    };
    if output.json {
        return Ok(output.json(&answer.text)?);
    }
    let LogFilter { filter } = answer.read()?;
    Ok(output.text(&filter)?)
}
