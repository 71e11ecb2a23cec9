//! The command that makes entries of the file of users.

use super::password_hash::HashKind;
use super::users::entry;
use anyhow::{Context as _, ensure};
use ocpp_gateway_core::Identity;
use std::io::{IsTerminal as _, Read as _};

/// Bytes that a password needs for a fast hash (OCPP 1.6 security white paper, section 4.2: passwords of 16 to 40).
const MIN_FAST_LENGTH: usize = 16;

/// An entry for `identity`. The password comes from standard input: from a terminal, it is prompted for twice;
/// otherwise it is all bytes of the input without one line break at the end.
pub fn user_entry(identity: &str, kind: HashKind) -> anyhow::Result<String> {
    Identity::new(identity, usize::MAX)?;
    ensure!(!identity.contains(':'), "Basic authentication cannot carry a user name with a colon");
    let password = if std::io::stdin().is_terminal() { prompt(identity)? } else { read()? };
    ensure!(!password.is_empty(), "the password is empty");
    ensure!(
        kind != HashKind::Sha256 || password.len() >= MIN_FAST_LENGTH,
        "a password of less than {MIN_FAST_LENGTH} bytes can be guessed from a fast hash: leave out --hash sha256"
    );
    entry(identity, &password, kind)
}

fn prompt(identity: &str) -> anyhow::Result<Vec<u8>> {
    let password =
        rpassword::prompt_password(format!("Password of {identity}: ")).context("cannot prompt for the password")?;
    let again = rpassword::prompt_password("Repeat password: ").context("cannot prompt for the password")?;
    ensure!(password == again, "the two passwords differ");
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
