//! The requests of a pull: manifest, perhaps that of an index, and blob.

use super::super::address::Address;
use super::super::content;
use super::super::fetched::Fetched;
use super::super::http::{Answer, Client, HttpError, Request};
use super::digest::Digest;
use super::error::PullError;
use super::login::{self, Authorization};
use super::manifest::{self, BadManifest, Blob, Document, Manifest};
use super::reference::{Reference, Version};
use crate::transforms::MAX_COMPONENT_SIZE;
use std::path::Path;
use ureq::http::StatusCode;

/// The digest that a registry says its answer has.
const DIGEST_HEADER: &str = "docker-content-digest";

/// A repository, and how the registry wants to be asked.
struct Repository<'a> {
    client: &'a Client,
    reference: &'a Reference,
    docker_config: Option<&'a Path>,
    /// After the first 401.
    authorization: Option<Authorization>,
}

/// Pulls a component. `docker_config`: the file with logins.
pub(crate) fn pull(
    client: &Client,
    reference: &Reference,
    docker_config: Option<&Path>,
    with_signature: bool,
) -> Result<Fetched, PullError> {
    let mut repository = Repository { client, reference, docker_config, authorization: None };
    let (address, manifest) = repository.manifest()?;
    let signature = if with_signature {
        manifest.signature_text().map_err(|problem| PullError::Manifest { address, problem })?
    } else {
        None
    };
    let bytes = repository.component(manifest.component)?;
    Ok(Fetched { bytes, signature })
}

impl Repository<'_> {
    /// The manifest of the component, and its address.
    fn manifest(&mut self) -> Result<(Address, Manifest), PullError> {
        let (named, digest) = match &self.reference.version {
            Version::Tag(tag) => (tag.clone(), None),
            Version::Digest(digest) => (digest.to_string(), Some(*digest)),
        };
        let (address, document) = self.document(&named, digest)?;
        let blob = match document {
            Document::Manifest(manifest) => return Ok((address, manifest)),
            Document::Index(blob) => blob,
        };
        match self.document(&blob.digest.to_string(), Some(blob.digest))? {
            (address, Document::Manifest(manifest)) => Ok((address, manifest)),
            (address, Document::Index(_)) => Err(PullError::Manifest { address, problem: BadManifest::Nested }),
        }
    }

    /// `named`: a tag or digest. `digest`: which the answer has to have.
    fn document(&mut self, named: &str, digest: Option<Digest>) -> Result<(Address, Document), PullError> {
        let answer = self.get(&format!("manifests/{named}"), manifest::ACCEPT)?;
        let address = answer.address.clone();
        let bad = |problem| PullError::Manifest { address: address.clone(), problem };
        let said = answer.headers.get(DIGEST_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let said = said.map(|text| text.parse::<Digest>().map_err(|problem| bad(BadManifest::Digest(text, problem))));
        let text = answer.bytes(manifest::MAX_MANIFEST)?;
        let found = Digest::of(&text);
        for wanted in digest.into_iter().chain(said.transpose()?) {
            if wanted != found {
                return Err(PullError::Digest { address, wanted, found });
            }
        }
        let document = Document::parse(&text).map_err(bad)?;
        Ok((address, document))
    }

    fn component(&mut self, Blob { digest: wanted, size }: Blob) -> Result<Vec<u8>, PullError> {
        let below = format!("blobs/{wanted}");
        let limit = MAX_COMPONENT_SIZE;
        if size > limit as u64 {
            let address = self.address(&below)?;
            return Err(HttpError::TooLarge { address, size: Some(size), limit }.into());
        }
        let answer = self.get(&below, "*/*")?;
        let (address, media_type) = (answer.address.clone(), answer.media_type());
        let bytes = answer.bytes(limit)?;
        let found = Digest::of(&bytes);
        if found != wanted {
            return Err(PullError::Digest { address, wanted, found });
        }
        Ok(content::checked(bytes, address, media_type)?)
    }

    /// The answer 200 for something of the repository, with a login if the registry wants one.
    fn get(&mut self, below: &str, accept: &str) -> Result<Answer, PullError> {
        let answer = self.get_once(below, accept)?;
        // Only the registry may ask for its login, not a server that it redirects to.
        let is_challenge = answer.status == StatusCode::UNAUTHORIZED
            && self.authorization.is_none()
            && answer.address.same_origin(self.reference.base());
        if !is_challenge {
            return self.accepted(answer);
        }
        let Reference { registry, repository, .. } = self.reference;
        let authorization = login::authorize(self.client, &answer, registry, repository, self.docker_config)?;
        self.authorization = Some(authorization);
        let answer = self.get_once(below, accept)?;
        self.accepted(answer)
    }

    fn get_once(&self, below: &str, accept: &str) -> Result<Answer, PullError> {
        let authorization = self.authorization.as_ref().map(|authorization| authorization.header.as_str());
        Ok(self.client.get(Request { address: self.address(below)?, accept, authorization, query: &[] })?)
    }

    fn accepted(&self, answer: Answer) -> Result<Answer, PullError> {
        match (answer.status, &self.authorization) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(authorization))
                if answer.address.same_origin(self.reference.base()) =>
            {
                let Answer { address, status, .. } = answer;
                Err(PullError::Unauthorized { address, status, login: authorization.login.clone() })
            }
            _ => Ok(answer.ok()?),
        }
    }

    fn address(&self, below: &str) -> Result<Address, HttpError> {
        let address = self.reference.base().clone();
        self.reference.address(below).map_err(|problem| HttpError::Address { address, problem })
    }
}
