//! Components that are not on this machine: `https://…`, `http://…` on loopback, and `oci://…`.
//!
//! It blocks, and is for threads that may. What a server answers is held to limits of time and size, and has to begin
//! like a component. Whether it is the right one is a matter of the configuration: a digest, a key for signatures.
//!
//! - `source`: what the configuration may name; `address`: which addresses may be asked.
//! - `http`: requests, redirects and limits; `content`: what came instead of a component.
//! - `oci`: registries.

mod address;
mod content;
mod error;
mod fetched;
mod http;
mod http_error;
mod oci;
mod source;
#[cfg(test)]
mod tests;

use crate::operations::tls::system_roots;
use crate::transforms::limits::{MAX_COMPONENT_SIZE, MAX_SIGNATURE};
use address::Address;
use fetched::is_signature;
use http::{Client, HttpError, Request, TimeLimits};
use source::Place;
use std::path::PathBuf;
use std::time::Duration;
use ureq::http::StatusCode;
use ureq::tls::Certificate;

pub(crate) use error::FetchError;
pub(crate) use fetched::Fetched;
pub(crate) use source::RemoteSource;

/// How long a connection may take: a server that is up answers within milliseconds, and a lost packet costs seconds.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long a fetch may take, as a gateway that starts waits for it: 64 MiB at 9 Mbit/s.
const WHOLE_TIME: Duration = Duration::from_secs(60);

/// Fetches a component. Blocks for at most 60 s.
///
/// `with_signature`: fetch its signature as well. Of `https://…`, that is the file of the same address with `.minisig`
/// after the path; of `oci://…`, the annotation `ocpp-gateway.minisig` of the manifest.
pub(crate) fn fetch(source: &RemoteSource, with_signature: bool) -> Result<Fetched, FetchError> {
    Fetcher::from_environment().fetch(source, with_signature)
}

/// What a fetch needs beside its source.
struct Fetcher {
    time: TimeLimits,
    roots: Vec<Certificate<'static>>,
    docker_config: Option<PathBuf>,
}

impl Fetcher {
    fn from_environment() -> Self {
        Fetcher {
            time: TimeLimits { connect: CONNECT_TIME, whole: WHOLE_TIME },
            roots: system_roots(),
            docker_config: oci::default_docker_config(),
        }
    }

    fn fetch(&self, source: &RemoteSource, with_signature: bool) -> Result<Fetched, FetchError> {
        let client = Client::new(&self.roots, self.time);
        match &source.place {
            Place::Registry(reference) => {
                Ok(oci::pull(&client, reference, self.docker_config.as_deref(), with_signature)?)
            }
            Place::Web(address) => {
                let bytes = component(&client, address)?;
                let signature = if with_signature { signature(&client, address)? } else { None };
                Ok(Fetched { bytes, signature })
            }
        }
    }
}

fn component(client: &Client, address: &Address) -> Result<Vec<u8>, FetchError> {
    let accept = "application/wasm, */*;q=0.5";
    let authorization = address.authorization();
    let request = Request { address: address.clone(), accept, authorization: authorization.as_deref(), query: &[] };
    let answer = client.get(request)?.ok()?;
    let (address, media_type) = (answer.address.clone(), answer.media_type());
    let bytes = answer.bytes(MAX_COMPONENT_SIZE)?;
    Ok(content::checked(bytes, address, media_type)?)
}

/// The signature file beside a component. `None`: the server has none.
fn signature(client: &Client, component: &Address) -> Result<Option<String>, FetchError> {
    let beside = component.with_suffix(".minisig");
    let address = beside.map_err(|problem| HttpError::Address { address: component.clone(), problem })?;
    let authorization = address.authorization();
    let answer = client.get(Request { address, accept: "*/*", authorization: authorization.as_deref(), query: &[] })?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let answer = answer.ok()?;
    let address = answer.address.clone();
    let text = String::from_utf8(answer.bytes(MAX_SIGNATURE)?).ok().filter(|text| is_signature(text));
    text.map(Some).ok_or(FetchError::NoSignature { address })
}
