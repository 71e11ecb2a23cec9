//! Why a registry gave no component.

use super::super::address::{Address, BadAddress};
use super::super::content::NoComponent;
use super::super::http::HttpError;
use super::digest::Digest;
use super::docker_config::{BadDockerConfig, Login};
use super::manifest::BadManifest;
use ureq::http::StatusCode;

/// Why a registry gave no component.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PullError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    NoComponent(#[from] NoComponent),
    #[error("{address}: answers {status}: {login}")]
    Unauthorized { address: Address, status: StatusCode, login: Login },
    #[error("{address}: answers 401 with no challenge that the gateway can meet: wanted Bearer or Basic")]
    Challenge { address: Address },
    #[error("{address}: names an address for tokens that {problem}")]
    Realm { address: Address, problem: BadAddress },
    #[error("{address}: answers without a token")]
    NoToken { address: Address },
    #[error(transparent)]
    DockerConfig(#[from] BadDockerConfig),
    #[error("{address}: {problem}")]
    Manifest { address: Address, problem: BadManifest },
    #[error("{address}: has the digest {found} instead of {wanted}")]
    Digest { address: Address, wanted: Digest, found: Digest },
}
