//! A registry, as far as pulling needs one.

use super::server::{Get, Reply, Server};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// How the registry wants to be asked. User and password are `user` and `pass`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Open,
    /// With a token that needs no login.
    AnonymousToken,
    /// With a token for user and password.
    Token,
    Basic,
}

/// What is in the repository `me/quirk`.
#[derive(Clone)]
pub(super) struct Content {
    access: Access,
    /// By tag or digest, with the media type and the digest that the registry says.
    manifests: BTreeMap<String, (String, Vec<u8>, Option<String>)>,
    pub(super) blobs: BTreeMap<String, Vec<u8>>,
}

pub(super) fn digest(content: &[u8]) -> String {
    format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(content)))
}

/// A descriptor with annotations, or without.
pub(super) fn descriptor(media_type: &str, content: &[u8], title: Option<&str>) -> Value {
    let mut descriptor = json!({"mediaType": media_type, "digest": digest(content), "size": content.len()});
    if let Some(title) = title {
        descriptor["annotations"] = json!({"org.opencontainers.image.title": title});
    }
    descriptor
}

pub(super) fn manifest(layers: &[Value]) -> Value {
    let config = descriptor("application/vnd.oci.empty.v1+json", b"{}", None);
    json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers})
}

impl Content {
    pub(super) fn new() -> Self {
        Content { access: Access::Open, manifests: BTreeMap::new(), blobs: BTreeMap::new() }
    }

    pub(super) fn access(self, access: Access) -> Self {
        Content { access, ..self }
    }

    pub(super) fn blob(mut self, content: &[u8]) -> Self {
        self.blobs.insert(digest(content), content.to_vec());
        self
    }

    /// A manifest or index under a tag and its digest.
    pub(super) fn tagged(self, tag: &str, document: &Value) -> Self {
        let text = document.to_string().into_bytes();
        let media_type = document["mediaType"].as_str().unwrap_or(OCI_MANIFEST);
        let said = Some(digest(&text));
        self.named(&digest(&text), media_type, &text, said.clone()).named(tag, media_type, &text, said)
    }

    /// Anything under a tag or digest; `said`: the header with its digest.
    pub(super) fn named(mut self, name: &str, media_type: &str, text: &[u8], said: Option<String>) -> Self {
        self.manifests.insert(name.to_owned(), (media_type.to_owned(), text.to_vec(), said));
        self
    }

    pub(super) fn serve(self) -> Server {
        Server::start(move |get| self.reply(get))
    }

    pub(super) fn reply(&self, get: &Get) -> Reply {
        if let Some(query) = get.target.strip_prefix("/token?") {
            return self.token(get, query);
        }
        let wanted = match self.access {
            Access::Open => None,
            Access::AnonymousToken | Access::Token => Some("Bearer the.token"),
            Access::Basic => Some("Basic dXNlcjpwYXNz"),
        };
        if wanted.is_some() && get.authorization.as_deref() != wanted {
            return Reply::Whole("401 Unauthorized", vec![("WWW-Authenticate", self.challenge(get))], Vec::new());
        }
        let Some(path) = get.target.strip_prefix("/v2/me/quirk/") else { return Reply::not_found() };
        match path.split_once('/') {
            Some(("manifests", name)) => match self.manifests.get(name) {
                Some((media_type, text, said)) => {
                    let said = said.iter().map(|digest| ("Docker-Content-Digest", digest.clone()));
                    let headers = said.chain([("Content-Type", media_type.clone())]).collect();
                    Reply::Whole("200 OK", headers, text.clone())
                }
                None => Reply::not_found(),
            },
            Some(("blobs", name)) => self
                .blobs
                .get(name)
                .map_or_else(Reply::not_found, |blob| Reply::ok("application/octet-stream", &blob[..])),
            _ => Reply::not_found(),
        }
    }

    fn challenge(&self, get: &Get) -> String {
        match self.access {
            Access::Basic => "Basic realm=\"a registry\"".into(),
            _ => format!(
                "Bearer realm=\"http://{}/token\",service=\"a registry\",scope=\"repository:me/quirk:pull\"",
                get.host
            ),
        }
    }

    fn token(&self, get: &Get, query: &str) -> Reply {
        let mut pairs: Vec<_> = query.split('&').collect();
        pairs.sort_unstable();
        let scope = pairs.first().is_some_and(|pair| pair.starts_with("scope=repository") && pair.ends_with("pull"));
        let service = pairs.get(1).is_some_and(|pair| pair.starts_with("service=a") && pair.ends_with("registry"));
        let login = self.access == Access::AnonymousToken || get.authorization.as_deref() == Some("Basic dXNlcjpwYXNz");
        match (scope && service, login) {
            (true, true) => Reply::ok("application/json", r#"{"token":"the.token","expires_in":60}"#),
            (true, false) => Reply::Whole("401 Unauthorized", Vec::new(), Vec::new()),
            (false, _) => Reply::Whole("400 Bad Request", Vec::new(), Vec::new()),
        }
    }
}
