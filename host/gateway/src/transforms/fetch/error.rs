//! Why a component could not be fetched.

use super::address::Address;
use super::content::NoComponent;
use super::http::HttpError;
use super::oci::PullError;

/// Why a component could not be fetched, with the address at which it was noticed. No text has a secret: addresses are
/// shown without user name, password and query.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    NoComponent(#[from] NoComponent),
    #[error(transparent)]
    Pull(#[from] PullError),
    #[error("{address}: is no signature of minisign: wanted a text that begins with \"untrusted comment:\"")]
    NoSignature { address: Address },
}
