//! What a charge point has to prove before it may connect, as the configured files say.

use super::client_certificate::{ClientCertificates, VerifiedClient};
use super::error::AuthError;
use super::hash_workers::HashWorkers;
use super::password_check::PasswordChecker;
use super::tls::ChargePointTls;
use super::users::Users;
use crate::config::{Identities, Listener};
use crate::listener::proxies::ProxiedTls;
use crate::operations::live_files::{Live, Reload};
use ocpp_gateway_core::Identity;
use std::collections::HashSet;
use std::sync::Arc;

/// What a charge point has to prove before it may connect.
pub struct Security {
    /// `None`: any identity.
    pub identities: Option<IdentityList>,
    /// `None`: no passwords.
    pub password_checker: Option<PasswordChecker>,
    /// `None`: no TLS.
    pub tls: Option<ChargePointTls>,
    /// `None`: proxies verify no certificates.
    proxied: Option<ClientCertificates>,
    /// The key that lists these proxies.
    proxies: String,
    reloads: Vec<Arc<dyn Reload>>,
}

/// An error in a file of the configuration: the configuration key, and the problem.
pub type FileFault = (String, String);

impl Security {
    /// Reads all files. The error has the faults of all of them. `workers`: those that compute password hashes.
    pub fn load(listener: &Listener, workers: &Arc<HashWorkers>) -> Result<Self, Vec<FileFault>> {
        let mut faults = Vec::new();
        let [of_list, of_users, of_tls] = ["identities", "auth.users", "tls"].map(|name| listener.key(name));
        let identities = identities(of_list.clone(), listener.identities.clone());
        let identities = or_add_fault(&mut faults, of_list, identities);
        let passwords = or_add_fault(&mut faults, of_users.clone(), passwords(of_users, listener, workers));
        let tls = listener.tls.as_ref().map(|tls| ChargePointTls::load(of_tls.clone(), tls)).transpose();
        let tls = or_add_fault(&mut faults, of_tls, tls);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut reloads: Vec<Arc<dyn Reload>> = Vec::new();
        if let Some(identities) = &identities {
            reloads.push(Arc::clone(identities) as Arc<dyn Reload>);
        }
        if let Some((users, _)) = &passwords {
            reloads.push(Arc::clone(users) as Arc<dyn Reload>);
        }
        if let Some(tls) = &tls {
            reloads.push(tls.live());
        }
        // The header has no organization: the proxy checks that.
        let auth = &listener.auth;
        let proxied = auth
            .proxy_certificate
            .then(|| ClientCertificates { identities: auth.proxy_identities.clone(), organization: None });
        let password_checker = passwords.map(|(_, checker)| checker);
        let proxies = listener.key("trusted_proxies");
        Ok(Security { identities, password_checker, tls, proxied, proxies, reloads })
    }

    /// Whether charge points have to authenticate, with a password or a certificate.
    pub fn wants_credentials(&self) -> bool {
        let wants_certificate = self.tls.as_ref().is_some_and(ChargePointTls::wants_certificate);
        self.password_checker.is_some() || wants_certificate || self.proxied.is_some()
    }

    /// The client whose certificate a trusted proxy has verified. `None`: it needs no such certificate.
    pub(in crate::listener) fn proxied_client(&self, tls: &ProxiedTls) -> Result<Option<VerifiedClient>, AuthError> {
        self.proxied.as_ref().map(|clients| clients.proxied_client(tls, &self.proxies)).transpose()
    }

    /// Refuses identities that are not on the list. With passwords, call it after the password check: the error is the
    /// same as for a wrong password, so that the list does not reveal which names exist.
    pub fn check_list(&self, identity: &Identity) -> Result<(), AuthError> {
        if self.identities.as_ref().is_none_or(|known| known.get().contains(identity.as_str())) {
            return Ok(());
        }
        if self.password_checker.is_some() {
            return Err(AuthError::wrong("it is not in the list of identities"));
        }
        Err(AuthError::NotListed { identity: identity.clone(), has_certificate: self.wants_credentials() })
    }

    /// What is read again when its files change.
    pub fn reloads(&self) -> Vec<Arc<dyn Reload>> {
        self.reloads.clone()
    }
}

/// The value; an error is added to `faults`.
fn or_add_fault<T>(faults: &mut Vec<FileFault>, key: String, read: Result<Option<T>, String>) -> Option<T> {
    read.unwrap_or_else(|problem| {
        faults.push((key, problem));
        None
    })
}

type IdentityList = Arc<Live<HashSet<String>>>;

fn identities(key: String, identities: Option<Identities>) -> Result<Option<IdentityList>, String> {
    let Some(identities) = identities else { return Ok(None) };
    let files = match &identities {
        Identities::List(_) => Vec::new(),
        Identities::File(file) => vec![file.clone()],
    };
    let live = Live::new(key, files, move |_| identities.read().map_err(|error| error.to_string()))?;
    Ok(Some(Arc::new(live)))
}

type Passwords = (Arc<Live<Users>>, PasswordChecker);

fn passwords(key: String, listener: &Listener, workers: &Arc<HashWorkers>) -> Result<Option<Passwords>, String> {
    let Some(file) = listener.auth.users.clone().filter(|_| listener.auth.mode.is_basic()) else { return Ok(None) };
    let users = Live::new(key, vec![file.clone()], move |before| Users::read(&file, before))?;
    let users = Arc::new(users);
    // The other half of the timeout is for TLS and the response.
    let longest_wait = listener.handshake_timeout / 2;
    let checker = PasswordChecker::new(Arc::clone(&users), Arc::clone(workers), &listener.name, longest_wait);
    Ok(Some((users, checker.map_err(|error| error.to_string())?)))
}
