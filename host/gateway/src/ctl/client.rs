//! Requests to the admin API, and what can go wrong with them.

use crate::operations::tls::{certificate_fault, client_config, roots_in, system_roots};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};
use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, EXPECT};
use ureq::http::{HeaderValue, Method, Request, Response, StatusCode};
use ureq::{Agent, AsSendBody, Body, BodyReader};

/// How long a connection may take. Answers may take minutes: a component is compiled, or a charge point is asked.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const HTTPS: &str = "https://";
/// The longest accepted answer, in bytes.
const MAX_ANSWER: u64 = 64 << 20;
/// The longest part of an answer that is no problem of RFC 9457 in an error, in characters.
const MAX_FOREIGN_TEXT: usize = 200;

/// What a segment of a path cannot have as it is: all but the unreserved characters of RFC 3986.
const NOT_IN_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("{0}")]
    Refused(Box<Refusal>),
    #[error("no gateway answers at {url}: {error}; OCPP_GATEWAY_URL or an option names another")]
    Unreachable { url: String, error: io::Error },
    #[error(
        "{url} shows a certificate that is not trusted: {problem}; --ca or OCPP_GATEWAY_CA names a file with the \
         certificates to trust"
    )]
    Certificate { url: String, problem: rustls::Error },
    #[error("the file with the certificates to trust: {0}")]
    CaFile(String),
    #[error("{url} is no URL of an admin listener, such as http://127.0.0.1:8080: {error}")]
    BadUrl { url: String, error: String },
    #[error("{url} answers with something else than an admin API does: {text}")]
    Foreign { url: String, text: String },
    #[error("the token file {}: {error}", path.display())]
    TokenFile { path: PathBuf, error: io::Error },
    #[error("the token has characters that a header cannot have: it is one line of visible ASCII characters")]
    BadToken,
}

impl ApiError {
    fn foreign(url: String, text: &str) -> Self {
        ApiError::Foreign { url, text: text.chars().take(MAX_FOREIGN_TEXT).collect() }
    }

    /// Whether the gateway says that it has no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, ApiError::Refused(refusal) if refusal.is_not_found())
    }
}

/// A refusal by the API: a problem of RFC 9457.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) detail: String,
    /// The charge point's CALLERROR, if that is the problem.
    pub(crate) call_error: Option<CallErrorAnswer>,
    /// The whole answer, as the gateway has sent it.
    pub(crate) body: String,
}

impl Refusal {
    pub(crate) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.status)?;
        if let Some(CallErrorAnswer { code, description, details }) = &self.call_error {
            let details = details.as_ref().map_or("null", |details| details.get());
            write!(f, "\ncode: {code}\ndescription: {description}\ndetails: {details}")?;
        }
        if self.status == StatusCode::UNAUTHORIZED {
            f.write_str("; --token-file, OCPP_GATEWAY_TOKEN_FILE or OCPP_GATEWAY_TOKEN sets the token")?;
        }
        Ok(())
    }
}

/// A CALLERROR of a charge point.
#[derive(Debug, Deserialize)]
pub(crate) struct CallErrorAnswer {
    pub(crate) code: String,
    pub(crate) description: String,
    pub(crate) details: Option<Box<RawValue>>,
}

/// A problem of RFC 9457.
#[derive(Debug, Deserialize)]
struct Problem {
    detail: String,
    call_error: Option<CallErrorAnswer>,
}

/// An answer of the API: JSON, or nothing.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) url: String,
    pub(crate) text: String,
}

/// The body of a request that uploads, and what its head says about it.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
    /// The signature of a component or program, in Base64.
    pub(super) signature: Option<String>,
}

impl Answer {
    pub(crate) fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ApiError> {
        self.read_part(&self.text)
    }

    /// Reads a part of the answer, which is JSON.
    pub(crate) fn read_part<'a, T: Deserialize<'a>>(&self, part: &'a str) -> Result<T, ApiError> {
        serde_json::from_str(part).map_err(|error| ApiError::foreign(self.url.clone(), &error.to_string()))
    }
}

/// A client of one gateway.
pub(crate) struct Client {
    agent: Agent,
    url: String,
    authorization: Option<HeaderValue>,
}

impl Client {
    /// `url`: that of the admin listener, such as `http://127.0.0.1:8080`. `ca`: the file with the certificates that are
    /// trusted for `https://`; `None`: those that the operating system trusts.
    pub(crate) fn new(url: &str, token: Option<&str>, ca: Option<&Path>) -> Result<Self, ApiError> {
        let is_https = url.get(..HTTPS.len()).is_some_and(|start| start.eq_ignore_ascii_case(HTTPS));
        let roots = match ca {
            Some(file) => roots_in(file).map_err(ApiError::CaFile)?,
            // Hundreds of files.
            None if is_https => system_roots(),
            None => Vec::new(),
        };
        let authorization = token.map(|token| HeaderValue::try_from(format!("Bearer {token}"))).transpose();
        let mut authorization = authorization.map_err(|_| ApiError::BadToken)?;
        authorization.iter_mut().for_each(|value| value.set_sensitive(true));
        let agent = Agent::config_builder()
            .tls_config(client_config(&roots))
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            // The API redirects nowhere, and the listener is on this machine or near it: no other party gets the token.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("ocpp-gateway/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Client { agent, url: url.trim_end_matches('/').to_owned(), authorization })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn get(&self, path: &str) -> Result<Answer, ApiError> {
        self.accepted(Method::GET, path, &[], ())
    }

    pub(crate) fn delete(&self, path: &str) -> Result<Answer, ApiError> {
        self.accepted(Method::DELETE, path, &[], ())
    }

    pub(crate) fn post(&self, path: &str) -> Result<Answer, ApiError> {
        self.accepted(Method::POST, path, &[], &[][..])
    }

    /// A request with JSON.
    pub(crate) fn send_json(&self, method: Method, path: &str, json: &str) -> Result<Answer, ApiError> {
        self.accepted(method, path, &[(CONTENT_TYPE.as_str(), "application/json")], json)
    }

    /// The answer and whether its status is 200. `other`: the status with which the page answers in the same form.
    pub(crate) fn get_either(&self, path: &str, other: StatusCode) -> Result<(bool, Answer), ApiError> {
        let (status, answer) = self.answered(Method::GET, path, &[], ())?;
        if status == other && serde_json::from_str::<Problem>(&answer.text).is_err() {
            return Ok((false, answer));
        }
        Ok((true, accept(status, answer)?))
    }

    /// A stream of server-sent events, which does not end by itself.
    pub(crate) fn stream(&self, path: &str) -> Result<BodyReader<'static>, ApiError> {
        let response = self.send(Method::GET, path, &[(ACCEPT.as_str(), "text/event-stream")], ())?;
        if response.status() == StatusCode::OK {
            return Ok(response.into_body().into_reader());
        }
        let (status, answer) = self.read(path, response)?;
        let Answer { url, text } = accept(status, answer)?;
        Err(ApiError::foreign(url, &text))
    }

    /// Sends a new version of a transform to a page.
    pub(super) fn upload(&self, method: Method, path: &str, upload: &Upload) -> Result<Answer, ApiError> {
        let mut headers = vec![(CONTENT_TYPE.as_str(), upload.content_type.as_str())];
        // The gateway may refuse before it has read the body.
        headers.push((EXPECT.as_str(), "100-continue"));
        headers.extend(upload.signature.as_deref().map(|signature| ("minisign-signature", signature)));
        self.accepted(method, path, &headers, &upload.body[..])
    }

    fn accepted(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsSendBody,
    ) -> Result<Answer, ApiError> {
        let (status, answer) = self.answered(method, path, headers, body)?;
        accept(status, answer)
    }

    fn answered(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsSendBody,
    ) -> Result<(StatusCode, Answer), ApiError> {
        let response = self.send(method, path, headers, body)?;
        self.read(path, response)
    }

    fn read(&self, path: &str, mut response: Response<Body>) -> Result<(StatusCode, Answer), ApiError> {
        let text = response.body_mut().with_config().limit(MAX_ANSWER).lossy_utf8(true).read_to_string();
        let text = text.map_err(|error| self.failed(error))?;
        Ok((response.status(), Answer { url: format!("{}{path}", self.url), text }))
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsSendBody,
    ) -> Result<Response<Body>, ApiError> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(body).map_err(|error| self.bad_url(&error))?;
        self.agent.run(request).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: ureq::Error) -> ApiError {
        match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => self.bad_url(&error),
            error => match certificate_fault(&error) {
                Some(problem) => ApiError::Certificate { url: self.url.clone(), problem },
                None => ApiError::Unreachable { url: self.url.clone(), error: error.into_io() },
            },
        }
    }

    fn bad_url(&self, error: &dyn std::fmt::Display) -> ApiError {
        ApiError::BadUrl { url: self.url.clone(), error: error.to_string() }
    }
}

/// The answer, unless the status is that of a refusal.
fn accept(status: StatusCode, answer: Answer) -> Result<Answer, ApiError> {
    if status.is_success() {
        return Ok(answer);
    }
    match serde_json::from_str(&answer.text) {
        Ok(Problem { detail, call_error }) => {
            Err(ApiError::Refused(Box::new(Refusal { status, detail, call_error, body: answer.text })))
        }
        Err(_) => {
            let text = format!("{status} {}", answer.text.trim());
            Err(ApiError::foreign(answer.url, text.trim_end()))
        }
    }
}

/// A path below `/api/v1`, of these segments.
pub(crate) fn path(segments: &[&str]) -> String {
    let segments = segments.iter().map(|segment| format!("/{}", utf8_percent_encode(segment, NOT_IN_SEGMENT)));
    "/api/v1".to_owned() + &segments.collect::<String>()
}

/// The path with the parameters of a query. Their values are text of any kind.
pub(crate) fn with_query(path: String, parameters: &[(&str, &str)]) -> String {
    let parameters =
        parameters.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NOT_IN_SEGMENT)));
    let parameters = parameters.collect::<Vec<_>>().join("&");
    if parameters.is_empty() { path } else { format!("{path}?{parameters}") }
}
