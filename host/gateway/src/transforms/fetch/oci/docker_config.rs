//! Logins from the configuration file of Docker, which `docker login`, `podman login`, `oras login` and others write.
//!
//! Only what is in the file counts. Programs that keep logins (`credsStore`, `credHelpers`) are not run: the gateway
//! starts no program that a file in a home directory names, and services rarely have the session that these need.

use super::super::address::basic;
use data_encoding::BASE64;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadDockerConfig {
    #[error("{}: not readable: {problem}", file.display())]
    Read { file: PathBuf, problem: io::Error },
    // The text of serde_json could quote a password.
    #[error(
        "{}: not JSON of the form {{\"auths\":{{\"registry\":{{\"auth\":\"…\"}}}}}}, near line {line}",
        file.display()
    )]
    Format { file: PathBuf, line: usize },
    #[error("{}: the login for {registry} is no base64 of user:password", file.display())]
    Encoding { file: PathBuf, registry: String },
}

/// User name and password for a registry. Neither `Debug` nor `Display`: it is a secret.
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

impl Credentials {
    /// The header `Authorization` for them.
    pub(super) fn authorization(&self) -> String {
        basic(&self.user, &self.password)
    }
}

/// What a configuration file has for a registry.
pub(super) struct Found {
    pub(super) credentials: Option<Credentials>,
    /// For the error, if the registry refuses.
    pub(super) login: Login,
}

/// With which login a registry was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Login {
    /// That of this file.
    File(PathBuf),
    /// None: the file has none for the registry, or does not exist.
    Missing { file: PathBuf, registry: String },
    /// None: it is kept by this program.
    Helper { file: PathBuf, program: String },
    /// None: neither `DOCKER_CONFIG` nor `HOME` is set.
    NoFile,
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Login::File(file) => write!(f, "the login in {} is refused, or has no access to it", file.display()),
            Login::Missing { file, registry } => {
                write!(f, "{} has no login for {registry}: write one under \"auths\"", file.display())
            }
            Login::Helper { file, program } => write!(
                f,
                "{} leaves the login to {program}, which the gateway does not run: write it under \"auths\"",
                file.display()
            ),
            Login::NoFile => f.write_str("no login: name the directory of a Docker config.json in DOCKER_CONFIG"),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    /// Base64 of `user:password`.
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

/// `$DOCKER_CONFIG/config.json`, or `~/.docker/config.json`.
pub(crate) fn default_file() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let dir = set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker")))?;
    Some(dir.join("config.json"))
}

/// The login for a registry. A file that does not exist has none.
pub(super) fn find(file: Option<&Path>, registry: &str) -> Result<Found, BadDockerConfig> {
    let Some(file) = file else { return Ok(Found { credentials: None, login: Login::NoFile }) };
    let without = |login| Ok(Found { credentials: None, login });
    let missing = || Login::Missing { file: file.to_owned(), registry: registry.to_owned() };
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return without(missing()),
        Err(problem) => return Err(BadDockerConfig::Read { file: file.to_owned(), problem }),
    };
    let config: File = serde_json::from_slice(&text)
        .map_err(|problem| BadDockerConfig::Format { file: file.to_owned(), line: problem.line() })?;
    let entry = config.auths.iter().find(|(key, _)| host(key) == host(registry)).map(|(_, entry)| entry);
    let credentials = match entry.map(Entry::credentials) {
        Some(Err(BadEncoding)) => {
            return Err(BadDockerConfig::Encoding { file: file.to_owned(), registry: registry.to_owned() });
        }
        Some(Ok(credentials)) => credentials,
        None => None,
    };
    if credentials.is_some() {
        return Ok(Found { credentials, login: Login::File(file.to_owned()) });
    }
    let own_helper = config.cred_helpers.iter().find(|(key, _)| host(key) == host(registry)).map(|(_, name)| name);
    // A store has logins for those registries that have an entry without one.
    match own_helper.or(config.creds_store.as_ref().filter(|_| entry.is_some())) {
        Some(name) => without(Login::Helper { file: file.to_owned(), program: format!("docker-credential-{name}") }),
        None => without(missing()),
    }
}

struct BadEncoding;

impl Entry {
    fn credentials(&self) -> Result<Option<Credentials>, BadEncoding> {
        if let (Some(user), Some(password)) = (&self.username, &self.password) {
            return Ok(Some(Credentials { user: user.clone(), password: password.clone() }));
        }
        let Some(auth) = self.auth.as_ref().filter(|auth| !auth.is_empty()) else { return Ok(None) };
        let decoded = BASE64.decode(auth.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let (user, password) = decoded.as_deref().and_then(|text| text.split_once(':')).ok_or(BadEncoding)?;
        // Docker writes some with zero bytes at the end.
        let password = password.trim_end_matches('\0');
        Ok(Some(Credentials { user: user.to_owned(), password: password.to_owned() }))
    }
}

/// The host and port of a key. Keys can be addresses; `https://index.docker.io/v1/` is that of Docker Hub.
fn host(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    match key.split('/').next().unwrap_or(key) {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, registry: &str) -> Result<(Option<String>, Login), BadDockerConfig> {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("config.json");
        fs::write(&file, text).expect("a file");
        let found = find(Some(&file), registry)?;
        Ok((found.credentials.map(|found| format!("{}/{}", found.user, found.password)), found.login))
    }

    fn login(text: &str, registry: &str) -> Option<String> {
        found(text, registry).expect("a valid file").0
    }

    #[test]
    fn login_is_found_by_host_and_port() {
        // user:pass:word
        let text = r#"{"auths":{"https://localhost:5000/v2/":{"auth":"dXNlcjpwYXNzOndvcmQ="},
            "b.example":{"username":"b","password":"c"},"https://index.docker.io/v1/":{"auth":"aHViOnB3"}}}"#;
        assert_eq!(login(text, "localhost:5000").as_deref(), Some("user/pass:word"));
        assert_eq!(login(text, "b.example").as_deref(), Some("b/c"));
        assert_eq!(login(text, "docker.io").as_deref(), Some("hub/pw"));
        for other in ["localhost", "localhost:5001", "a.b.example", "example"] {
            assert_eq!(login(text, other), None, "{other}");
        }
    }

    #[test]
    fn programs_that_keep_logins_are_named_and_not_run() {
        let text = r#"{"auths":{"a.example":{}},"credsStore":"desktop","credHelpers":{"b.example":"ecr-login"}}"#;
        for (registry, helper) in
            [("a.example", Some("desktop")), ("b.example", Some("ecr-login")), ("c.example", None)]
        {
            let (credentials, login) = found(text, registry).expect("a valid file");
            assert_eq!(credentials, None);
            let program = match login {
                Login::Helper { program, .. } => Some(program),
                _ => None,
            };
            assert_eq!(program, helper.map(|name| format!("docker-credential-{name}")), "{registry}");
        }
    }

    #[test]
    fn faults_of_the_file_do_not_show_its_secrets() {
        for text in [
            r#"{"auths":"c2VjcmV0"}"#,
            r#"{"auths":{"a":{"auth":"c2VjcmV0 "}}}"#,
            "c2VjcmV0",
            r#"{"auths":{"a":{"auth":"c2VjcmV0"}}}"#,
        ] {
            let fault = found(text, "a").expect_err(text).to_string();
            assert!(fault.contains("config.json") && !fault.contains("c2VjcmV0"), "{fault}");
        }
    }

    #[test]
    fn file_that_does_not_exist_has_no_login() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("config.json");
        let found = find(Some(&file), "a").expect("no fault");
        assert!(found.credentials.is_none());
        assert_eq!(found.login, Login::Missing { file, registry: "a".into() });
    }
}
