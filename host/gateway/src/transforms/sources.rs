//! Components from elsewhere: fetched when a transform is loaded, and kept in the store.

use super::fetch::{Fetched, RemoteSource, fetch};
use super::store::{Code, CodeKind, Store};
use super::trust::TrustedKeys;
use crate::config::TransformConfig;
use ocpp_gateway_pipeline::{Source, Verify, short_sha256};
use std::fs;
use std::path::{Path, PathBuf};
use tracing::warn;

/// When a component from elsewhere is fetched. One with a pinned SHA-256 is fetched once in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetching {
    Never,
    /// If no copy of it is stored.
    Missing,
    /// Always; if that is not possible, the copy is used.
    Newest,
    /// Always; if that is not possible, it is an error.
    Required,
}

/// A copy of the component of a transform.
pub(super) fn copy(
    transform: &TransformConfig,
    store: &Store,
    trusted: &TrustedKeys,
    fetching: Fetching,
) -> Result<Source, String> {
    let address = &transform.component;
    let remote = remote(address)?;
    let origin = remote.redacted();
    let wanted = transform.sha256.as_deref();
    // A copy from before keys were configured may not be signed, while what the server has is.
    let stored = store.copy_of(address).filter(|(_, path)| is_trusted(path, trusted));
    let is_wanted = |sha256: &str| wanted.is_some_and(|wanted| wanted.eq_ignore_ascii_case(sha256));
    let path = match stored {
        Some((source, path)) if is_wanted(&source.code.sha256) => path,
        Some((_, path)) if fetching == Fetching::Never => path,
        None if fetching == Fetching::Never => return Err("it is fetched when the gateway loads it".into()),
        Some((_, path)) if fetching == Fetching::Missing && wanted.is_none() => path,
        stored => match fetch_into(store, address, &remote, wanted, trusted) {
            Ok(path) => path,
            Err(problem) => {
                // A pinned component is not replaced by another version.
                let usable = stored.filter(|_| wanted.is_none() && fetching == Fetching::Newest);
                let (source, path) = usable.ok_or_else(|| problem.clone())?;
                let sha256 = short_sha256(&source.code.sha256);
                let since = source.fetched_at;
                warn!(transform = transform.name, sha256, "the copy that was fetched at {since} is used: {problem}");
                path
            }
        },
    };
    Ok(Source::Copy { origin, path })
}

fn is_trusted(path: &Path, trusted: &TrustedKeys) -> bool {
    trusted.is_empty() || fs::read(path).is_ok_and(|content| Verify::verify(trusted, path, &content).is_ok())
}

/// What an address of a component leads to.
pub(super) fn remote(address: &str) -> Result<RemoteSource, String> {
    address.parse().map_err(|error| format!("component {error}"))
}

/// Fetches the component of a version, which is stored with it.
pub(super) fn fetch_code(
    remote: &RemoteSource,
    wanted: Option<&str>,
    store: &Store,
    trusted: &TrustedKeys,
) -> Result<Code, String> {
    let Fetched { bytes, signature } = checked(remote, wanted, trusted)?;
    let code = store.put(CodeKind::Component, &bytes, signature.as_deref(), !trusted.is_empty());
    code.map_err(|error| format!("cannot be stored: {error}"))
}

fn fetch_into(
    store: &Store,
    address: &str,
    remote: &RemoteSource,
    wanted: Option<&str>,
    trusted: &TrustedKeys,
) -> Result<PathBuf, String> {
    let Fetched { bytes, signature } = checked(remote, wanted, trusted)?;
    let path = store.put_fetched(address, &bytes, signature.as_deref(), !trusted.is_empty());
    path.map_err(|error| format!("cannot be stored: {error}"))
}

/// Fetches a component, which has to have the wanted SHA-256 and to be signed: both before it is stored.
fn checked(remote: &RemoteSource, wanted: Option<&str>, trusted: &TrustedKeys) -> Result<Fetched, String> {
    let fetched = fetch(remote, !trusted.is_empty()).map_err(|error| error.to_string())?;
    if let Some(wanted) = wanted {
        let found = Code::of(CodeKind::Component, &fetched.bytes).sha256;
        if !wanted.eq_ignore_ascii_case(&found) {
            return Err(format!("{} has sha256 {found}, where {wanted} is configured", remote.redacted()));
        }
    }
    let verified = trusted.verify(&fetched.bytes, fetched.signature.as_deref());
    verified.map_err(|error| format!("{}: {error}", remote.redacted()))?;
    Ok(fetched)
}
