//! The file of users: salted password password_hash of charge points.

use super::password_hash::{HashKind, StoredHash};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// Keyed hash of a password that was verified before: see [`PasswordChecker`](super::password_check::PasswordChecker).
pub(super) type KeyedHash = [u8; 32];

/// All users of the file.
pub struct Users {
    entries: Vec<Arc<User>>,
    by_identity: HashMap<Box<str>, usize>,
}

/// An entry of the file.
pub(super) struct User {
    /// The hash as written in the file.
    text: Box<str>,
    pub(super) hash: StoredHash,
    keyed_hash: Mutex<Option<KeyedHash>>,
}

impl Users {
    /// Reads lines of `identity:hash`, in any format of `StoredHash`. Entries that are unchanged since `before` keep their
    /// keyed password_hash. The error names the numbers of faulty lines, and quotes none of their text.
    pub fn read(file: &Path, before: Option<&Users>) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut users = Users { entries: Vec::new(), by_identity: HashMap::new() };
        let mut faults = String::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Err(problem) = users.add(line, before) {
                let separator = if faults.is_empty() { "" } else { "\n" };
                // Writing to a string does not fail.
                let _ = write!(faults, "{separator}{}, line {}: {problem}", file.display(), number + 1);
            }
        }
        if faults.is_empty() { Ok(users) } else { Err(faults) }
    }

    fn add(&mut self, line: &str, before: Option<&Users>) -> Result<(), &'static str> {
        let (identity, text) = line.split_once(':').ok_or("it is not of the form identity:hash")?;
        let known = before.and_then(|before| before.entry(identity)).filter(|known| *known.text == *text);
        let entry = match known {
            Some(known) => known,
            None => Arc::new(User { hash: StoredHash::read(text)?, text: text.into(), keyed_hash: Mutex::new(None) }),
        };
        if self.by_identity.insert(identity.into(), self.entries.len()).is_some() {
            return Err("this identity has an entry already");
        }
        self.entries.push(entry);
        Ok(())
    }

    pub(super) fn entry(&self, identity: &str) -> Option<Arc<User>> {
        self.by_identity.get(identity).map(|index| Arc::clone(&self.entries[*index]))
    }

    /// An entry to check in place of a missing one, so that both take the same time. The same for the same number.
    pub(super) fn stand_in(&self, number: u64) -> Option<Arc<User>> {
        let count = u64::try_from(self.entries.len()).ok().filter(|count| *count > 0)?;
        self.entries.get(usize::try_from(number % count).ok()?).map(Arc::clone)
    }
}

impl User {
    pub(super) fn keyed_hash(&self) -> Option<KeyedHash> {
        *self.keyed_hash.lock()
    }

    pub(super) fn set_keyed_hash(&self, keyed_hash: KeyedHash) {
        *self.keyed_hash.lock() = Some(keyed_hash);
    }
}

/// An entry for the file: `identity:hash`, with a salt of its own.
pub(super) fn entry(identity: &str, password: &[u8], kind: HashKind) -> anyhow::Result<String> {
    Ok(format!("{identity}:{}", StoredHash::make(kind, password)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(identity: &str, password: &[u8]) -> anyhow::Result<String> {
        super::entry(identity, password, HashKind::Argon2id)
    }

    fn read(text: &str, before: Option<&Users>) -> Result<Users, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        Users::read(file.path(), before)
    }

    #[test]
    fn entry_verifies_only_its_password() {
        let password = b"a:b\xff\0";
        let users = read(&entry("CP1", password).expect("an entry"), None).expect("users");
        let user = users.entry("CP1").expect("CP1");
        assert!(user.hash.verify(password) && !user.hash.verify(b"a:b"));
        assert!(users.entry("CP2").is_none() && users.entry("").is_none());
        assert!(entry("CP1", password).ok() != entry("CP1", password).ok(), "each has a salt of its own");
    }

    #[test]
    fn reload_keeps_the_keyed_hash_of_an_unchanged_entry() {
        let (one, two) = (entry("CP1", b"one").expect("an entry"), entry("CP2", b"two").expect("an entry"));
        let before = read(&format!("{one}\n{two}"), None).expect("users");
        for name in ["CP1", "CP2"] {
            before.entry(name).expect(name).set_keyed_hash([7; 32]);
        }
        let after = read(&format!("# new\n{}\n\n  {two}", entry("CP1", b"one").expect("one")), Some(&before));
        let after = after.expect("users");
        assert_eq!(after.entry("CP1").expect("CP1").keyed_hash(), None);
        assert_eq!(after.entry("CP2").expect("CP2").keyed_hash(), Some([7; 32]));
    }

    #[test]
    fn faults_name_line_numbers_and_quote_no_text() {
        let good = entry("CP1", b"secret").expect("an entry");
        let hash = good.split_once(':').expect("an entry").1;
        let short = &hash[..hash.rfind('$').expect("a hash")];
        let text = [
            good.as_str(),
            "CP2",
            "CP3:secret",
            &format!("CP4:{}", hash.replace("argon2id", "argon2i")),
            &format!("CP5:{}", hash.replace("m=19456", "m=4000000")),
            &format!("CP6:{short}"),
            &good,
        ]
        .join("\n");
        let faults = read(&text, None).err().expect("faults");
        let numbers: Vec<_> = faults.lines().map(|line| line.split("line ").nth(1).expect("a line")).collect();
        assert_eq!(
            numbers,
            [
                "2: it is not of the form identity:hash",
                "3: what follows the identity is no password hash",
                "4: the hash is none of argon2id, pbkdf2-sha256, pbkdf2-sha512, sha256",
                "5: the hash asks for more than 1 GiB of memory",
                "6: the hash is not complete",
                "7: this identity has an entry already",
            ]
        );
        assert!(!faults.contains("secret") && !faults.contains(&hash[40..]), "{faults}");
    }
}
