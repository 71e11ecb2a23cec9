//! The command that makes entries for the file of users.

use super::hashes::HashKind;
use super::users::entry;
use anyhow::{Context as _, ensure};
use ocpp_gateway_core::Identity;
use std::io::{IsTerminal as _, Read as _};

/// What a fast hash is for has at least so many bytes (OCPP 1.6 security white paper, 4.2: passwords of 16 to 40).
const SHORTEST_RANDOM: usize = 16;

/// An entry for `identity`, with a password from the standard input: asked for twice at a terminal, and otherwise all of it
/// but one line break at the end, whatever bytes it is made of.
pub fn user_entry(identity: &str, kind: HashKind) -> anyhow::Result<String> {
    Identity::new(identity, usize::MAX)?;
    ensure!(!identity.contains(':'), "Basic authentication cannot carry a user name with a colon");
    let password = if std::io::stdin().is_terminal() { ask(identity)? } else { read()? };
    ensure!(!password.is_empty(), "the password is empty");
    ensure!(
        kind != HashKind::Sha256 || password.len() >= SHORTEST_RANDOM,
        "a password of less than {SHORTEST_RANDOM} bytes can be guessed from a fast hash: leave out --hash sha256"
    );
    entry(identity, &password, kind)
}

fn ask(identity: &str) -> anyhow::Result<Vec<u8>> {
    let password = rpassword::prompt_password(format!("Password of {identity}: ")).context("cannot ask for it")?;
    let again = rpassword::prompt_password("Once more: ").context("cannot ask for it")?;
    ensure!(password == again, "these were two different passwords");
    Ok(password.into_bytes())
}

fn read() -> anyhow::Result<Vec<u8>> {
    let mut password = Vec::new();
    std::io::stdin().lock().read_to_end(&mut password).context("cannot read the password")?;
    for line_break in [&b"\r\n"[..], b"\n"] {
        if password.ends_with(line_break) {
            password.truncate(password.len() - line_break.len());
            break;
        }
    }
    Ok(password)
}
