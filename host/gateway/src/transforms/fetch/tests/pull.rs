//! `oci://`.

use super::registry::{Access, Content as Repository, OCI_MANIFEST, descriptor, digest, manifest};
use super::server::{Reply, Server};
use super::*;
use serde_json::{Value, json};
use std::fs;

const WASM: &str = "application/wasm";
const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A repository with the component under the tag `latest`, as `wkg` pushes it.
fn repository() -> Repository {
    Repository::new().blob(COMPONENT).tagged("latest", &manifest(&[descriptor(WASM, COMPONENT, None)]))
}

/// Pulls `me/quirk` with what follows that.
fn pull_from(server: &Server, version: &str) -> Result<Fetched, FetchError> {
    fetcher().fetch(&source(&format!("oci://{}/me/quirk{version}", server.host())), true)
}

fn pull(repository: Repository) -> Result<Fetched, FetchError> {
    pull_from(&repository.serve(), "")
}

fn pulled(repository: Repository) -> Vec<u8> {
    pull(repository).expect("a component").bytes
}

fn pull_error(result: Result<Fetched, FetchError>) -> PullError {
    match result.expect_err("refused") {
        FetchError::Pull(error) => error,
        other => panic!("{other}"),
    }
}

/// Pulls with a configuration file of Docker, in which `REGISTRY` is the registry.
fn pull_with_login(server: &Server, config: &str) -> Result<Fetched, FetchError> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.json");
    fs::write(&file, config.replace("REGISTRY", &server.host())).expect("a file");
    let fetcher = Fetcher { docker_config: Some(file), ..fetcher() };
    fetcher.fetch(&source(&format!("oci://{}/me/quirk", server.host())), false)
}

// user:pass and user:wrong
const LOGIN: &str = r#"{"auths":{"REGISTRY":{"auth":"dXNlcjpwYXNz"}}}"#;
const WRONG_LOGIN: &str = r#"{"auths":{"REGISTRY":{"auth":"dXNlcjp3cm9uZw=="}}}"#;

#[test]
fn component_is_pulled_by_tag_and_by_digest() {
    let document = manifest(&[descriptor(WASM, COMPONENT, None)]);
    let server = Repository::new().blob(COMPONENT).tagged("1.2", &document).serve();
    let named = digest(document.to_string().as_bytes());
    for version in [":1.2", &format!("@{named}"), &format!(":other@{named}")] {
        let fetched = pull_from(&server, version).expect(version);
        assert_eq!(fetched, Fetched { bytes: COMPONENT.to_vec(), signature: None });
    }
    let error = http_error(pull_from(&server, "").expect_err("no tag latest"));
    assert!(matches!(error, HttpError::Status { .. }), "{error}");
    assert!(error.to_string().contains("/v2/me/quirk/manifests/latest: answers 404"), "{error}");
}

#[test]
fn layouts_of_several_tools_are_understood() {
    let other = || descriptor("text/markdown", b"# Readme", Some("README.md"));
    for layers in [
        vec![other(), descriptor(WASM, COMPONENT, None)],
        vec![descriptor("application/vnd.wasm.content.layer.v1+wasm", COMPONENT, None)],
        vec![descriptor(TAR, COMPONENT, Some("quirk.wasm"))],
        vec![other(), descriptor(TAR, COMPONENT, Some("quirk.wasm"))],
        vec![descriptor("application/octet-stream", COMPONENT, None)],
    ] {
        let repository = Repository::new().blob(COMPONENT).tagged("latest", &manifest(&layers));
        assert_eq!(pulled(repository), COMPONENT, "{layers:?}");
    }
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let mut document = manifest(&[descriptor(WASM, COMPONENT, None)]);
    document["mediaType"] = docker.into();
    assert_eq!(pulled(Repository::new().blob(COMPONENT).tagged("latest", &document)), COMPONENT);
}

#[test]
fn several_layers_that_could_be_meant_are_listed() {
    let layers = [descriptor(TAR, COMPONENT, Some("a.tar")), descriptor(TAR, b"b", None)];
    let text = pull_error(pull(Repository::new().tagged("latest", &manifest(&layers)))).to_string();
    assert!(text.contains("\"a.tar\"") && text.contains(TAR) && text.contains("wanted one layer"), "{text}");
    let layers = [descriptor(WASM, COMPONENT, None), descriptor(WASM, b"b", None)];
    let text = pull_error(pull(Repository::new().tagged("latest", &manifest(&layers)))).to_string();
    assert!(text.contains(WASM), "{text}");
    let many: Vec<_> = (0..10).map(|n: u8| descriptor(TAR, &[n], None)).collect();
    let text = pull_error(pull(Repository::new().tagged("latest", &manifest(&many)))).to_string();
    assert!(text.ends_with("and 2 more"), "{text}");
    let text = pull_error(pull(Repository::new().tagged("latest", &manifest(&[])))).to_string();
    assert!(text.contains("has no layer"), "{text}");
}

fn index(entries: &[(&Value, Option<(&str, &str)>)]) -> Value {
    let entries: Vec<_> = entries
        .iter()
        .map(|(document, platform)| {
            let mut entry = descriptor(OCI_MANIFEST, document.to_string().as_bytes(), None);
            if let Some((os, architecture)) = platform {
                entry["platform"] = json!({"os": os, "architecture": architecture});
            }
            entry
        })
        .collect();
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
}

#[test]
fn entry_of_an_index_for_wasm_is_pulled() {
    let wasm = manifest(&[descriptor(WASM, COMPONENT, None)]);
    let linux = manifest(&[descriptor(TAR, b"linux", None)]);
    let base = || Repository::new().blob(COMPONENT).tagged("a", &wasm).tagged("b", &linux);
    let both = index(&[(&linux, Some(("linux", "amd64"))), (&wasm, Some(("wasi", "wasm")))]);
    assert_eq!(pulled(base().tagged("latest", &both)), COMPONENT);
    assert_eq!(pulled(base().tagged("latest", &index(&[(&wasm, None)]))), COMPONENT);

    let none = index(&[(&linux, Some(("linux", "amd64"))), (&wasm, Some(("linux", "arm64")))]);
    let text = pull_error(pull(base().tagged("latest", &none))).to_string();
    assert!(text.contains("\"linux/amd64\", \"linux/arm64\""), "{text}");
    let inner = index(&[(&wasm, None)]);
    let nested = base().tagged("inner", &inner).tagged("latest", &index(&[(&inner, None)]));
    let text = pull_error(pull(nested)).to_string();
    assert!(text.contains("index in an index"), "{text}");
}

#[test]
fn content_with_another_digest_is_refused() {
    let document = manifest(&[descriptor(WASM, COMPONENT, None)]);
    let (text, wrong) = (document.to_string().into_bytes(), digest(b"other"));
    let base = || Repository::new().blob(COMPONENT);
    // The registry says another digest than its answer has.
    let lies = base().named("latest", OCI_MANIFEST, &text, Some(wrong.clone()));
    assert!(matches!(pull_error(pull(lies)), PullError::Digest { .. }));
    // The reference has another digest than the answer.
    let server = base().named(&wrong, OCI_MANIFEST, &text, None).serve();
    let error = pull_error(pull_from(&server, &format!("@{wrong}")));
    assert!(matches!(error, PullError::Digest { .. }), "{error}");
    assert!(error.to_string().ends_with(&format!("has the digest {} instead of {wrong}", digest(&text))), "{error}");
    // The manifest has another digest than the blob.
    let mut broken = base().tagged("latest", &document);
    broken.blobs.insert(digest(COMPONENT), b"\0asm\x0d\0\x01\0 of another".to_vec());
    assert!(matches!(pull_error(pull(broken)), PullError::Digest { .. }));
}

#[test]
fn component_that_the_manifest_says_is_too_large_is_not_asked_for() {
    let mut layer = descriptor(WASM, COMPONENT, None);
    layer["size"] = 2_000_000_000_u64.into();
    let server = Repository::new().blob(COMPONENT).tagged("latest", &manifest(&[layer])).serve();
    let error = http_error(pull_from(&server, "").expect_err("too large"));
    assert!(matches!(error, HttpError::TooLarge { size: Some(2_000_000_000), .. }), "{error}");
    assert_eq!(server.targets(), ["/v2/me/quirk/manifests/latest"]);
}

#[test]
fn what_is_no_manifest_is_named() {
    for (text, said) in [
        (&b"<!doctype html><p>"[..], "is an HTML page"),
        (b"{}", "is no manifest"),
        (br#"{"layers":[],"manifests":[]}"#, "is no manifest"),
        (br#"{"layers":[{"digest":"md5:1","size":1}]}"#, "\"md5:1\" is no digest"),
        (b"[", "is no manifest"),
    ] {
        let repository = Repository::new().named("latest", "text/html", text, None);
        let error = pull_error(pull(repository)).to_string();
        assert!(error.contains(said), "{error}");
    }
    let endless = Server::start(|_| Reply::Endless);
    let error = http_error(pull_from(&endless, "").expect_err("too large"));
    assert!(matches!(error, HttpError::TooLarge { size: None, limit, .. } if limit == 4 << 20), "{error}");
}

#[test]
fn blob_that_is_no_component_is_refused() {
    let archive = b"\x1f\x8b\x08 an archive";
    let layers = [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", archive, None)];
    let error = pull_error(pull(Repository::new().blob(archive).tagged("latest", &manifest(&layers))));
    assert!(error.to_string().contains("is a gzip archive"), "{error}");
}

#[test]
fn signature_is_an_annotation_of_the_manifest() {
    let signed = |annotation: &str| {
        let mut document = manifest(&[descriptor(WASM, COMPONENT, None)]);
        document["annotations"] = json!({"ocpp-gateway.minisig": annotation});
        Repository::new().blob(COMPONENT).tagged("latest", &document)
    };
    let packed = data_encoding::BASE64.encode(SIGNATURE.as_bytes());
    for annotation in [SIGNATURE, &packed, &format!("{}\n{}\n", &packed[..60], &packed[60..])] {
        assert_eq!(pull(signed(annotation)).expect("a component").signature.as_deref(), Some(SIGNATURE));
    }
    let server = signed("no signature").serve();
    let error = pull_error(pull_from(&server, ""));
    assert!(error.to_string().contains("annotation ocpp-gateway.minisig"), "{error}");
    // Without a key to check it, it is not looked at.
    let without = fetcher().fetch(&source(&format!("oci://{}/me/quirk", server.host())), false);
    assert_eq!(without.expect("a component").signature, None);
}

#[test]
fn token_is_requested_without_a_login_and_used_for_all_requests() {
    let server = repository().access(Access::AnonymousToken).serve();
    assert_eq!(pull_from(&server, "").expect("a component").bytes, COMPONENT);
    let seen: Vec<_> = server.requests().into_iter().map(|get| get.authorization).collect();
    let token = Some("Bearer the.token".to_owned());
    assert_eq!(seen, [None, None, token.clone(), token]);
}

#[test]
fn token_is_requested_with_the_login_of_the_docker_config() {
    let server = repository().access(Access::Token).serve();
    assert_eq!(pull_with_login(&server, LOGIN).expect("a component").bytes, COMPONENT);
    let error = pull_error(pull_with_login(&server, WRONG_LOGIN));
    assert!(matches!(error, PullError::Unauthorized { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("/token: answers 401") && text.contains("config.json is refused"), "{text}");
}

#[test]
fn password_is_sent_to_a_registry_that_wants_it() {
    let server = repository().access(Access::Basic).serve();
    assert_eq!(pull_with_login(&server, LOGIN).expect("a component").bytes, COMPONENT);
    // It is sent only after the registry has asked for it.
    assert_eq!(server.requests()[0].authorization, None);
    for (config, said) in [
        (WRONG_LOGIN, "config.json is refused"),
        (r#"{"auths":{"other.example":{"auth":"dXNlcjpwYXNz"}}}"#, "has no login for 127.0.0.1:"),
        (r#"{"credHelpers":{"REGISTRY":"pass"}}"#, "docker-credential-pass, which the gateway does not run"),
    ] {
        let error = pull_error(pull_with_login(&server, config));
        assert!(matches!(error, PullError::Unauthorized { .. }), "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
    let error = pull_error(pull_from(&server, ""));
    assert!(error.to_string().contains("DOCKER_CONFIG"), "{error}");
    assert!(matches!(pull_error(pull_with_login(&server, "[")), PullError::DockerConfig(_)));
}

#[test]
fn token_server_without_encryption_gets_no_password() {
    let challenge = "Bearer realm=\"http://example.org/token\"".to_owned();
    let server = Server::start(move |_| {
        Reply::Whole("401 Unauthorized", vec![("WWW-Authenticate", challenge.clone())], Vec::new())
    });
    let error = pull_error(pull_with_login(&server, LOGIN));
    assert!(matches!(error, PullError::Realm { problem: BadAddress::Unencrypted, .. }), "{error}");
    let server = Server::start(|_| Reply::Whole("401 Unauthorized", Vec::new(), Vec::new()));
    assert!(matches!(pull_error(pull_with_login(&server, LOGIN)), PullError::Challenge { .. }));
}

#[test]
fn answer_without_a_token_is_refused() {
    for answer in ["{}", "<html>", r#"{"token":""}"#, "{\"token\":\"a\\r\\nb: c\"}"] {
        let content = repository().access(Access::AnonymousToken);
        let server = Server::start(move |get| match get.target.starts_with("/token") {
            true => Reply::ok("application/json", answer),
            false => content.reply(get),
        });
        assert!(matches!(pull_error(pull_from(&server, "")), PullError::NoToken { .. }), "{answer}");
    }
}

#[test]
fn store_that_a_registry_redirects_to_gets_no_login() {
    let store = Server::start(|_| Reply::ok("application/octet-stream", COMPONENT));
    let (there, content) = (store.host(), repository().access(Access::Basic));
    let server = Server::start(move |get| match (&get.authorization, get.target.contains("/blobs/")) {
        (Some(_), true) => Reply::redirect(format!("http://{there}/blob?signature=1")),
        _ => content.reply(get),
    });
    assert_eq!(pull_with_login(&server, LOGIN).expect("a component").bytes, COMPONENT);
    assert_eq!(store.targets(), ["/blob?signature=1"]);
    assert_eq!(store.requests()[0].authorization, None);
}

#[test]
fn store_that_a_registry_redirects_to_cannot_ask_for_the_login() {
    let store = Server::start(|_| {
        let challenge = ("WWW-Authenticate", "Basic realm=\"give it to me\"".to_owned());
        Reply::Whole("401 Unauthorized", vec![challenge], Vec::new())
    });
    let there = store.host();
    let server = Server::start(move |_| Reply::redirect(format!("http://{there}/manifest")));
    let error = http_error(pull_with_login(&server, LOGIN).expect_err("refused"));
    assert!(matches!(error, HttpError::Status { .. }), "{error}");
    assert!(server.requests().iter().chain(&store.requests()).all(|get| get.authorization.is_none()));
}
