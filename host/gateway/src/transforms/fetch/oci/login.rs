//! From the challenge of a registry to a header `Authorization` (RFC 7235; Distribution Specification of Docker,
//! "Token Authentication").

use super::super::address::{Address, BadAddress};
use super::super::http::{Answer, Client, Request};
use super::docker_config::{self, Found, Login};
use super::error::PullError;
use http_auth::{ChallengeRef, parse_challenges};
use serde::Deserialize;
use std::path::Path;
use ureq::http::StatusCode;
use ureq::http::header::WWW_AUTHENTICATE;

/// Tokens have up to some tens of kilobytes.
const MAX_TOKEN_ANSWER: usize = 256 << 10;

/// What a registry wants to see.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    /// A token from this address, which gets user name and password if there are some.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
    /// User name and password.
    Basic,
}

/// An answer to a challenge.
pub(super) struct Authorization {
    /// The header `Authorization`.
    pub(super) header: String,
    /// With which login, for the error if the registry refuses nevertheless.
    pub(super) login: Login,
}

/// The token server's answer. Either name is in use.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

/// Answers the challenge of `refused`, an answer 401 of the registry itself.
///
/// `repository`: what is to be pulled, if the challenge has no scope. `file`: the configuration file of Docker.
pub(super) fn authorize(
    client: &Client,
    refused: &Answer,
    registry: &str,
    repository: &str,
    file: Option<&Path>,
) -> Result<Authorization, PullError> {
    let headers = refused.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let challenge = challenge(headers).ok_or_else(|| PullError::Challenge { address: refused.address.clone() })?;
    let found = docker_config::find(file, registry)?;
    match challenge {
        Challenge::Basic => match found {
            Found { credentials: Some(credentials), login } => {
                Ok(Authorization { header: credentials.authorization(), login })
            }
            Found { login, .. } => {
                Err(PullError::Unauthorized { address: refused.address.clone(), status: refused.status, login })
            }
        },
        Challenge::Bearer { realm, service, scope } => {
            let bad = |problem| PullError::Realm { address: refused.address.clone(), problem };
            let address = Address::parse(&realm).map_err(bad)?;
            if !refused.address.may_lead_to(&address) {
                return Err(bad(BadAddress::Unencrypted));
            }
            let scope = scope.unwrap_or_else(|| format!("repository:{repository}:pull"));
            let header = format!("Bearer {}", token(client, address, service.as_deref(), &scope, &found)?);
            Ok(Authorization { header, login: found.login })
        }
    }
}

fn token(
    client: &Client,
    address: Address,
    service: Option<&str>,
    scope: &str,
    found: &Found,
) -> Result<String, PullError> {
    let mut query = vec![("scope", scope)];
    query.extend(service.map(|service| ("service", service)));
    let basic = found.credentials.as_ref().map(docker_config::Credentials::authorization);
    let authorization = basic.as_deref();
    let answer = client.get(Request { address, accept: "application/json", authorization, query: &query })?;
    if matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        let Answer { address, status, .. } = answer;
        return Err(PullError::Unauthorized { address, status, login: found.login.clone() });
    }
    let answer = answer.ok()?;
    let address = answer.address.clone();
    let read: Option<TokenAnswer> = serde_json::from_slice(&answer.bytes(MAX_TOKEN_ANSWER)?).ok();
    let token = read.and_then(|read| read.token.or(read.access_token)).filter(|token| is_token(token));
    token.ok_or(PullError::NoToken { address })
}

/// Whether a text can be sent as a token (RFC 6750, 2.1, and whatever else is visible).
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The challenge to answer, of those in the headers `WWW-Authenticate`: a token rather than a password. Invalid headers
/// are skipped.
fn challenge<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let mut basic = None;
    for offered in headers.filter_map(|header| parse_challenges(header).ok()).flatten() {
        let parameter = |name: &str| parameter(&offered, name);
        if offered.scheme.eq_ignore_ascii_case("bearer")
            && let Some(realm) = parameter("realm")
        {
            return Some(Challenge::Bearer { realm, service: parameter("service"), scope: parameter("scope") });
        }
        if offered.scheme.eq_ignore_ascii_case("basic") {
            basic = Some(Challenge::Basic);
        }
    }
    basic
}

fn parameter(challenge: &ChallengeRef<'_>, name: &str) -> Option<String> {
    let (_, value) = challenge.params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(value.to_unescaped())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_preferred_to_a_password() {
        let bearer = r#"Bearer realm="https://a.example/token",service="a.example",scope="repository:a/b:pull,push""#;
        let expected = Challenge::Bearer {
            realm: "https://a.example/token".into(),
            service: Some("a.example".into()),
            scope: Some("repository:a/b:pull,push".into()),
        };
        assert_eq!(challenge(["Basic realm=\"a\"", bearer].into_iter()), Some(expected));
        assert_eq!(challenge(["basic realm=\"a, Bearer b\""].into_iter()), Some(Challenge::Basic));
    }

    #[test]
    fn challenges_that_cannot_be_met_are_skipped() {
        assert_eq!(challenge(["Negotiate", "Bearer service=\"a\"", "=,=", ""].into_iter()), None);
    }
}
