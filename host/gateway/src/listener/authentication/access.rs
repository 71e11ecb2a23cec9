//! All that a charge point has to show, and the files that say so.

use super::check::PasswordChecker;
use super::error::AuthError;
use super::live::{Live, Reload};
use super::tls::ChargePointTls;
use super::users::Users;
use crate::config::{AuthMode, Identities, OcppConfig};
use crate::operations::shutdown::on_hangup;
use crate::operations::watch::{Watch, may_matter};
use ocpp_gateway_core::Identity;
use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Certificate and key are written one after the other, and links are made in several steps: so long nothing may have
/// changed before the files are read again.
const SETTLED: Duration = Duration::from_millis(200);
/// Files are read after this long, even if something beside them changes all the time.
const LONGEST_UNREST: Duration = Duration::from_secs(2);

/// What a charge point has to show.
pub struct Security {
    /// `None`: any identity.
    pub identities: Option<Arc<Live<HashSet<String>>>>,
    /// `None`: no passwords.
    pub check: Option<PasswordChecker>,
    /// `None`: no TLS.
    pub tls: Option<ChargePointTls>,
    follows: Vec<Arc<dyn Reload>>,
}

/// What is wrong with a file of the configuration: its key, and what is the matter.
pub type FileFault = (&'static str, String);

impl Security {
    /// Reads all files, and says what is wrong with each of them.
    pub fn load(ocpp: &OcppConfig) -> Result<Self, Vec<FileFault>> {
        let mut faults = Vec::new();
        let identities = keep(&mut faults, "ocpp.identities", identities(ocpp));
        let check = keep(&mut faults, "ocpp.auth.users", check(ocpp));
        let tls = keep(&mut faults, "ocpp.tls", ocpp.tls.as_ref().map(ChargePointTls::load).transpose());
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut follows: Vec<Arc<dyn Reload>> = Vec::new();
        if let Some(identities) = &identities {
            follows.push(Arc::clone(identities) as Arc<dyn Reload>);
        }
        if let Some((users, _)) = &check {
            follows.push(Arc::clone(users) as Arc<dyn Reload>);
        }
        if let Some(tls) = &tls {
            follows.push(tls.live());
        }
        Ok(Security { identities, check: check.map(|(_, check)| check), tls, follows })
    }

    /// Whether a charge point has to show who it is.
    pub fn wants_credentials(&self) -> bool {
        self.check.is_some() || self.tls.as_ref().is_some_and(ChargePointTls::wants_certificate)
    }

    /// Refuses identities that are not on the list. Where credentials are asked for it is to be called when they have been
    /// shown, and answers as to wrong ones: the list does not tell strangers which names exist.
    pub fn check_list(&self, identity: &Identity) -> Result<(), AuthError> {
        if self.identities.as_ref().is_none_or(|known| known.get().contains(identity.as_str())) {
            return Ok(());
        }
        if self.check.is_some() {
            return Err(AuthError::wrong("it is not in ocpp.identities"));
        }
        Err(AuthError::NotListed { identity: identity.clone(), has_certificate: self.wants_credentials() })
    }

    /// Reads files again when they change, as long as the answer lives.
    pub fn follow(&self) -> notify::Result<Watch> {
        let follows = self.follows.clone();
        let mut watch = Watch::start("security-watcher", may_matter, move |changes| {
            while settled(&changes) {
                follows.iter().for_each(|follow| follow.reload());
            }
        })?;
        for file in self.follows.iter().flat_map(|follow| follow.files()) {
            watch.follow(file)?;
        }
        Ok(watch)
    }

    /// Reads those files again that have changed, at every SIGHUP: not every file system tells of changes.
    pub fn reload_on_hangup(&self) -> io::Result<()> {
        let follows = self.follows.clone();
        on_hangup(move || follows.iter().for_each(|follow| follow.reload()))
    }
}

/// Waits for changes to begin and to end; false: there will be no more.
fn settled(changes: &mpsc::Receiver<PathBuf>) -> bool {
    if changes.recv().is_err() {
        return false;
    }
    let by = Instant::now() + LONGEST_UNREST;
    while changes.recv_timeout(SETTLED).is_ok() && Instant::now() < by {}
    true
}

fn keep<T>(faults: &mut Vec<FileFault>, key: &'static str, read: Result<Option<T>, String>) -> Option<T> {
    read.unwrap_or_else(|problem| {
        faults.push((key, problem));
        None
    })
}

fn identities(ocpp: &OcppConfig) -> Result<Option<Arc<Live<HashSet<String>>>>, String> {
    let Some(identities) = ocpp.identities.clone() else { return Ok(None) };
    let files = match &identities {
        Identities::List(_) => Vec::new(),
        Identities::File(file) => vec![file.clone()],
    };
    Live::new("ocpp.identities", files, move |_| identities.read().map_err(|error| error.to_string()))
        .map(|live| Some(Arc::new(live)))
}

type Checked = (Arc<Live<Users>>, PasswordChecker);

fn check(ocpp: &OcppConfig) -> Result<Option<Checked>, String> {
    let Some(file) = ocpp.auth.users.clone().filter(|_| ocpp.auth.mode == AuthMode::Basic) else { return Ok(None) };
    let users = Live::new("ocpp.auth.users", vec![file.clone()], move |before| Users::read(&file, before))?;
    let users = Arc::new(users);
    // The other half is for TLS and for the answer.
    let check = PasswordChecker::new(Arc::clone(&users), ocpp.handshake_timeout.get() / 2)
        .map_err(|error| error.to_string())?;
    Ok(Some((users, check)))
}
