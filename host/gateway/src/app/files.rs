//! The files that a configuration names: keys, certificates, passwords, lists. Their faults are reported together with
//! those of the configuration itself.

use crate::admin::AdminTls;
use crate::config::{self, Config, ConfigFaults, LoadedConfig};
use crate::listener::authentication::{HashWorkers, Security};
use ocpp_gateway_mqtt::BrokerUrl;
use std::path::Path;

/// [`config::read`], and every file that the configuration names.
pub fn read(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> LoadedConfig {
    let mut loaded = config::read(file, environment);
    for (key, problem) in faults(&loaded.config) {
        loaded.fault(&key, problem);
    }
    loaded
}

/// [`config::load`], and every file that the configuration names.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigFaults> {
    read(file, environment).into_result()
}

/// The faults of the files: the key that names the file, and the problem.
fn faults(config: &Config) -> Vec<(String, String)> {
    let listeners = config.all_listeners();
    let workers = HashWorkers::new();
    let mut faults: Vec<_> = listeners.iter().filter_map(|one| Security::load(one, &workers).err()).flatten().collect();
    let url = config.mqtt.url.as_deref().and_then(|url| url.parse::<BrokerUrl>().ok());
    if url.is_some_and(|url| url.tls)
        && let Err(error) = config.mqtt.tls_files().check()
    {
        faults.push(("mqtt.tls".into(), error.to_string()));
    }
    if let Err(error) = config.mqtt.resolve_password() {
        faults.push(("mqtt.password_file".into(), error.to_string()));
    }
    faults.extend(config.admin.token_file_faults().into_iter().map(|(key, problem)| (key.to_owned(), problem)));
    let admin_tls = config.admin.tls.as_ref().map(AdminTls::load);
    faults.extend(admin_tls.and_then(Result::err).map(|problem| ("admin.tls".into(), problem)));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_gateway_testkit::authority::{Authority, Certified, KeyKind, NextUpdate};

    /// A list of a CA named `ca`, as `openssl ca -gencrl` writes it without `crl_extensions`.
    const VERSION_1: &str = "-----BEGIN X509 CRL-----
MIGUMDswCgYIKoZIzj0EAwIwDTELMAkGA1UEAwwCY2EXDTI2MTEzMDIxNTkwOFoY
DzI4NDgwNDE0MjE1OTA4WjAKBggqhkjOPQQDAgNJADBGAiEAkDxpn7jgyJhbJL3A
s0YmjZnjVbHBfcDB3NKG3O0u05QCIQDC75A3OI9+9Fc771qpb1cgZVKRY2KTk9vY
zdpZn9xlUA==
-----END X509 CRL-----
";

    #[test]
    fn unusable_files_are_faults_of_their_keys() {
        for (text, wanted) in [
            (
                "[mqtt]\nurl = \"mqtts://b\"\n[mqtt.tls]\nca = \"/nowhere/at/all\"",
                "mqtt.tls: /nowhere/at/all: I/O error: No such file",
            ),
            (
                "[ocpp.auth]\nmode = \"basic\"\nusers = \"/nowhere/at/all\"",
                "ocpp.auth.users: /nowhere/at/all: No such file",
            ),
            (
                "[ocpp.tls]\ncert = \"/nowhere/at/all\"\nkey = \"/dev/null\"",
                "ocpp.tls: /nowhere/at/all: I/O error: No such file",
            ),
            (
                "[ocpp.tls]\ncert = \"/dev/null\"\nkey = \"/dev/null\"",
                "ocpp.tls: /dev/null: there is no certificate in it",
            ),
            ("[ocpp.tls]\nkey = \"/dev/null\"\ncertificates = []", "ocpp.tls: missing field `cert`: key is of no"),
            ("[ocpp.tls]\nclient_ca = \"/dev/null\"", "ocpp.tls: has no certificate: cert and key are missing, or"),
            (
                "[ocpp.tls]\ncert = \"a\"\nkey = \"b\"\ncertificates = [{ cert = \"c\", key = \"d\" }]",
                "ocpp.tls: certificates contradicts cert and key: move these two into the list, as { cert",
            ),
            (
                "[mqtt]\nurl = \"mqtt://b\"\nusername = \"u\"\npassword_file = \"/nowhere/at/all\"",
                "mqtt.password_file: /nowhere/at/all: No such file",
            ),
            ("[admin]\ntoken_file = \"/nowhere/at/all\"", "admin.token_file: /nowhere/at/all: No such file"),
            (
                "[admin]\ntoken = \"0123456789abcdef\"\nviewer_token_file = \"/nowhere/at/all\"",
                "admin.viewer_token_file: /nowhere/at/all: No such file",
            ),
            (
                "[admin.tls]\ncert = \"/dev/null\"\nkey = \"/dev/null\"",
                "admin.tls: /dev/null: there is no certificate in it",
            ),
            ("[ocpp]\nidentities = \"/nowhere/at/all\"", "ocpp.identities: /nowhere/at/all: No such file"),
        ] {
            let faults = faults_of(text);
            assert!(faults.len() == 1 && faults[0].starts_with(wanted), "{text}: {faults:?}");
        }
    }

    #[test]
    fn key_of_another_certificate_is_a_fault_that_names_both_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let ca = Authority::new(folder.path(), "ca");
        let [ecdsa, rsa] = [KeyKind::Ecdsa, KeyKind::Rsa].map(|kind| ca.server_of("it", kind));
        let both = |cert: &Certified, key: &Certified| {
            faults_of(&format!("[ocpp.tls]\ncertificates = [{{ cert = {:?}, key = {:?} }}]", cert.cert, key.key))
        };
        for (cert, key) in [(&ecdsa, &rsa), (&rsa, &ecdsa)] {
            let names = format!("{} with {}", cert.cert.display(), key.key.display());
            let fault = format!("ocpp.tls: {names}: the key does not belong to the certificate");
            assert_eq!(both(cert, key), [fault]);
        }
    }

    #[test]
    fn revocation_list_that_is_of_no_ca_of_charge_points_is_a_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        let (ca, other) = (Authority::new(folder.path(), "ca"), Authority::new(folder.path(), "other"));
        let namesake = tempfile::tempdir().expect("a folder");
        let namesake = Authority::new(namesake.path(), "ca");
        let Certified { cert, key, .. } = ca.server();
        let with = |clients: &Path, list: &Path| {
            let clients = format!("client_ca = {clients:?}\nclient_crl = [{list:?}]");
            faults_of(&format!("[ocpp.tls]\ncert = {cert:?}\nkey = {key:?}\n{clients}"))
        };
        let [both, version_1] = ["both.pem", "version-1.crl"].map(|name| folder.path().join(name));
        std::fs::write(&version_1, VERSION_1).expect("written");
        let pem = |authority: &Authority| std::fs::read_to_string(authority.pem()).expect("read");
        std::fs::write(&both, pem(&ca) + &pem(&namesake)).expect("written");
        let ca = ca.pem();
        for (clients, list, problem) in [
            (&ca, other.revoke(&[], NextUpdate::Later), "it is the list of CN=other, which is no CA in client_ca: add"),
            (&ca, namesake.revoke(&[], NextUpdate::Later), "the list of CN=ca is signed with another key than that of"),
            (&both, namesake.revoke(&[], NextUpdate::Later), "client_ca has two CAs named CN=ca, with different keys"),
            (&ca, version_1, "the list of CN=ca is not of version 2: OpenSSL writes one with crl_extensions"),
            (&ca, ca.clone(), "there is no revocation list in it, neither in PEM nor in DER"),
            (&ca, "/nowhere/at/all".into(), "No such file"),
        ] {
            let faults = with(clients, &list);
            let fault = format!("ocpp.tls: {}: {problem}", list.display());
            assert!(faults.len() == 1 && faults[0].starts_with(&fault), "{faults:?}");
        }
    }

    #[test]
    fn faults_of_files_are_reported_with_those_of_the_configuration() {
        let faults = faults_of("[ocpp]\nquue = 1\nidentities = \"/nowhere/at/all\"");
        let [key, file] = &faults[..] else { panic!("{faults:?}") };
        assert!(key.starts_with("ocpp.quue: unknown key") && file.starts_with("ocpp.identities: "), "{faults:?}");
    }

    /// The faults of a configuration file with this text, without the path of the file.
    fn faults_of(text: &str) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("written");
        let prefix = format!("{}: ", file.path().display());
        let ConfigFaults(faults) = load(Some(file.path()), []).expect_err(text);
        faults.into_iter().map(|fault| format!("{}: {}", fault.place, fault.problem).replace(&prefix, "")).collect()
    }
}
