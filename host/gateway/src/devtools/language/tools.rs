//! Programs of others.

use anyhow::{Context as _, bail};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

/// Runs a program to its end. `missing`: what to do if it is not there.
pub(super) fn run(command: &mut Command, missing: &str) -> anyhow::Result<()> {
    let program = command.get_program().display().to_string();
    let name = Path::new(&program).file_name().map_or(program.clone(), |name| name.display().to_string());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("{name}: {status}"),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("{name} is needed: {missing}"),
        Err(error) => Err(error).context(program),
    }
}

/// Runs `install` in a folder, unless it has succeeded there with the same content of `files`. Those that are missing
/// count as empty. `stamp`: a file in what the installation makes and removes, to remember that.
pub(super) fn install_once(
    dir: &Path,
    stamp: &str,
    files: &[&str],
    install: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stamp = dir.join(stamp);
    // A copy of the folder is installed anew: installations have absolute paths in them.
    let place = fs::canonicalize(dir).with_context(|| dir.display().to_string())?;
    let state = || {
        let contents = files.iter().map(|file| fs::read_to_string(dir.join(file)).unwrap_or_default());
        place.display().to_string() + "\n" + &contents.collect::<Vec<_>>().join("\n")
    };
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == state()) {
        return Ok(());
    }
    install()?;
    // An installation without packages may make no folder.
    fs::create_dir_all(stamp.parent().unwrap_or(dir)).with_context(|| stamp.display().to_string())?;
    // After it, because an installation may write a lock file.
    fs::write(&stamp, state()).with_context(|| stamp.display().to_string())
}

/// The content of the file that `build` writes to the path that it is given.
pub(super) fn output_file(build: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<Vec<u8>> {
    let dir = tempfile::tempdir().context("a temporary folder")?;
    let file = dir.path().join("output");
    build(&file)?;
    fs::read(&file).context("the build has written no file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_program_is_reported_with_what_to_do() {
        let error = run(&mut Command::new("no-such-program"), "install it").expect_err("it is missing").to_string();
        assert_eq!(error, "no-such-program is needed: install it");
        let error = run(&mut Command::new("false"), "-").expect_err("it fails").to_string();
        assert!(error.starts_with("false: exit status"), "{error}");
    }

    #[test]
    fn installation_is_repeated_when_it_failed_or_its_files_have_changed() {
        let dir = tempfile::tempdir().expect("a folder");
        let count = |outcome: fn() -> anyhow::Result<()>| {
            let mut runs = 0;
            let _ = install_once(dir.path(), "made/stamp", &["manifest", "lock"], || {
                runs += 1;
                outcome()
            });
            runs
        };
        assert_eq!(count(|| bail!("no network")), 1);
        assert_eq!((count(|| Ok(())), count(|| Ok(()))), (1, 0));
        fs::write(dir.path().join("manifest"), "one more").expect("written");
        assert_eq!((count(|| Ok(())), count(|| Ok(()))), (1, 0));
        fs::remove_file(dir.path().join("made/stamp")).expect("removed");
        assert_eq!(count(|| Ok(())), 1);
    }
}
