//! Files of a folder by patterns: a name, or `*` with an ending.

use anyhow::Context as _;
use std::fs;
use std::path::Path;

/// Whether a file's name is like the pattern. Hidden files, as editors make them, match no `*`.
pub(super) fn is_like(name: &str, pattern: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(ending) => !name.starts_with('.') && name.ends_with(ending),
        None => name == pattern,
    }
}

/// The names of the files in a folder that are like the pattern, sorted.
pub(super) fn files_like(dir: &Path, pattern: &str) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry.with_context(|| dir.display().to_string())?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if is_like(&name, pattern) && entry.path().is_file() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_is_a_name_or_an_ending() {
        for (name, pattern) in [("a.js", "*.js"), ("package.json", "package.json"), (".x", ".x")] {
            assert!(is_like(name, pattern), "{name} {pattern}");
        }
        for (name, pattern) in [("a.json", "*.js"), (".a.js", "*.js"), ("a.js", "b.js"), ("js", "*.js")] {
            assert!(!is_like(name, pattern), "{name} {pattern}");
        }
    }

    #[test]
    fn only_files_are_found() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["b.py", "a.py", ".c.py", "d.txt"] {
            fs::write(dir.path().join(name), "").expect("written");
        }
        fs::create_dir(dir.path().join("e.py")).expect("a folder");
        assert_eq!(files_like(dir.path(), "*.py").expect("files"), ["a.py", "b.py"]);
        assert!(files_like(&dir.path().join("nowhere"), "*").is_err());
    }
}
