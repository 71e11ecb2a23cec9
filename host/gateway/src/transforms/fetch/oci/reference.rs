//! `oci://registry[:port]/name[/name…][:tag|@digest]`.

use super::super::address::{Address, BadAddress, is_loopback};
use super::digest::{BadDigest, Digest};

/// Docker Hub is found under another name than the one that references have.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// A component in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Host and port, as in the reference.
    pub(super) registry: String,
    pub(super) repository: String,
    pub(super) version: Version,
    /// The address of the repository in the API, without a slash at the end.
    base: Address,
}

/// Which manifest of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Version {
    Tag(String),
    Digest(Digest),
}

/// Why a text is not a [`Reference`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadReference {
    #[error("names no component: wanted oci://registry/name:tag")]
    NoName,
    #[error("has an invalid registry before the first slash: wanted host or host:port, without user name")]
    Registry,
    #[error("has an invalid name: wanted lower-case letters, digits, and single separators (. _ - /) between them")]
    Name,
    #[error("has an invalid tag: wanted at most 128 letters, digits, dots, dashes and underscores")]
    Tag,
    #[error("has an invalid digest after the @: {0}")]
    Digest(#[from] BadDigest),
}

impl Reference {
    /// `text`: what follows `oci://`.
    pub(crate) fn parse(text: &str) -> Result<Self, BadReference> {
        let (registry, rest) = text.split_once('/').ok_or(BadReference::NoName)?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse::<Digest>()?)),
            None => (rest, None),
        };
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        if repository.is_empty() {
            return Err(BadReference::NoName);
        }
        if !repository.split('/').all(is_name) || repository.len() > 255 {
            return Err(BadReference::Name);
        }
        if !tag.is_none_or(is_tag) {
            return Err(BadReference::Tag);
        }
        let base = base(registry, repository)?;
        // With both, the digest says which; the tag is for people.
        let version = digest.map_or_else(|| Version::Tag(tag.unwrap_or("latest").to_owned()), Version::Digest);
        Ok(Reference { registry: registry.to_owned(), repository: repository.to_owned(), version, base })
    }

    /// An address below that of the repository, such as `manifests/latest`.
    pub(super) fn address(&self, below: &str) -> Result<Address, BadAddress> {
        self.base.with_suffix(&format!("/{below}"))
    }

    pub(super) fn base(&self) -> &Address {
        &self.base
    }
}

/// The address of a repository: `http` on loopback, where Docker and the tools that push expect no certificate either.
fn base(registry: &str, repository: &str) -> Result<Address, BadReference> {
    if registry.is_empty() || registry.contains(['@', '?', '#']) {
        return Err(BadReference::Registry);
    }
    let without_port = match registry.rsplit_once(':') {
        // A number in brackets has colons of its own.
        Some((host, port)) if !port.ends_with(']') => {
            port.parse::<u16>().map_err(|_| BadReference::Registry)?;
            host
        }
        _ => registry,
    };
    let scheme = if is_loopback(without_port) { "http" } else { "https" };
    let host = if registry == DOCKER_HUB.0 { DOCKER_HUB.1 } else { registry };
    Address::parse(&format!("{scheme}://{host}/v2/{repository}")).map_err(|_| BadReference::Registry)
}

/// One part of a name (OCI Distribution Specification, "Pulling manifests").
fn is_name(part: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    ends(part.chars().next())
        && ends(part.chars().next_back())
        && part.chars().all(allowed)
        && !["..", "___", "._", "_.", ".-", "-.", "_-", "-_"].iter().any(|wrong| part.contains(wrong))
}

fn is_tag(tag: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=128).contains(&tag.len()) && tag.chars().all(inner) && !tag.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn manifest(text: &str) -> String {
        let reference = Reference::parse(text).expect(text);
        let version = match &reference.version {
            Version::Tag(tag) => tag.clone(),
            Version::Digest(digest) => digest.to_string(),
        };
        reference.address(&format!("manifests/{version}")).expect("an address").to_string()
    }

    #[test]
    fn reference_becomes_the_address_of_a_manifest() {
        assert_eq!(manifest("ghcr.io/me/quirk:1.2"), "https://ghcr.io/v2/me/quirk/manifests/1.2");
        assert_eq!(manifest("localhost:5000/quirk"), "http://localhost:5000/v2/quirk/manifests/latest");
        assert_eq!(manifest("[::1]:5000/a/b/c__d"), "http://[::1]:5000/v2/a/b/c__d/manifests/latest");
        assert_eq!(manifest("127.0.0.1/a"), "http://127.0.0.1/v2/a/manifests/latest");
        assert_eq!(manifest("docker.io/me/a"), "https://registry-1.docker.io/v2/me/a/manifests/latest");
        for tag in ["", ":1.2"] {
            let text = format!("ghcr.io/me/quirk{tag}@{EMPTY}");
            assert_eq!(manifest(&text), format!("https://ghcr.io/v2/me/quirk/manifests/{EMPTY}"));
        }
    }

    #[test]
    fn faults_of_a_reference_are_told_apart() {
        for (text, fault) in [
            ("ghcr.io", BadReference::NoName),
            ("ghcr.io/:1", BadReference::NoName),
            ("/a", BadReference::Registry),
            ("user:secret@ghcr.io/a", BadReference::Registry),
            ("ghcr.io:port/a", BadReference::Registry),
            ("ghcr.io/A", BadReference::Name),
            ("ghcr.io/a//b", BadReference::Name),
            ("ghcr.io/../b", BadReference::Name),
            ("ghcr.io/a?b", BadReference::Name),
            ("ghcr.io/a:", BadReference::Tag),
            ("ghcr.io/a:1/2", BadReference::Tag),
            ("ghcr.io/a@sha256:12", BadReference::Digest(BadDigest)),
        ] {
            assert_eq!(Reference::parse(text), Err(fault), "{text}");
        }
    }
}
