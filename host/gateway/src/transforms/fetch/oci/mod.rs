//! Components in OCI registries: pulling alone, as the OCI Distribution Specification 1.1 says.
//!
//! - `reference`: `oci://registry/name:tag`.
//! - `digest`: sha256 digests of what a registry has.
//! - `manifest`: which layer is the component; the layouts of `wkg` and `oras`.
//! - `docker_config`: logins, from the configuration file of Docker.
//! - `login`: from a 401 to a header `Authorization`.
//! - `registry`: the requests.

mod digest;
mod docker_config;
mod error;
mod login;
mod manifest;
mod reference;
mod registry;

pub(super) use docker_config::default_file as default_docker_config;
pub(crate) use error::PullError;
pub(crate) use reference::BadReference;
pub(super) use reference::Reference;
pub(super) use registry::pull;
