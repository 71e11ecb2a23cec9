//! `transform new`: a folder that builds and passes its tests.

mod sdk;

use super::args::{HookArg, NewArgs};
use super::verdict::CommandResult;
use anyhow::{Context as _, bail};
use include_dir::{Dir, include_dir};
use std::fs;
use std::path::Path;

/// `common` is for all transforms; `hooks` has a folder for each hook.
static SCAFFOLD: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/scaffold");

pub(super) fn run(NewArgs { name, hook }: &NewArgs) -> anyhow::Result<CommandResult> {
    create(Path::new(name), name, *hook)?;
    println!("{name}/ is a transform with the hook {hook}. Next:\n\n  cd {name}");
    println!("  cargo test                       # its unit tests");
    println!("  ocpp-gateway transform build     # {name}.wasm");
    println!("  ocpp-gateway transform test {name}.wasm\n");
    println!("Its README says more.");
    Ok(CommandResult::Good)
}

/// Creates the folder. Fails if it exists already.
fn create(folder: &Path, name: &str, hook: HookArg) -> anyhow::Result<()> {
    if folder.exists() {
        bail!("{} exists already", folder.display());
    }
    let hook = hook.to_string();
    let common = |file: &str| {
        let text = SCAFFOLD.get_file(format!("common/{file}")).and_then(|file| file.contents_utf8());
        let text = text.with_context(|| format!("the scaffold has no {file}"))?;
        anyhow::Ok(text.replace("{{name}}", name).replace("{{hook}}", &hook))
    };
    let root = format!("hooks/{hook}");
    let own = SCAFFOLD.get_dir(&root).with_context(|| format!("the scaffold has no {root}"))?;

    fs::create_dir(folder).with_context(|| folder.display().to_string())?;
    fs::write(folder.join("Cargo.toml"), common("Cargo.toml")?)?;
    fs::write(folder.join("README.md"), common("README.md")?)?;
    fs::write(folder.join(".gitignore"), common("gitignore")?)?;
    for part in own.dirs() {
        let to = folder.join(part.path().strip_prefix(&root)?);
        fs::create_dir(&to)?;
        for file in part.files() {
            fs::write(to.join(file.path().file_name().unwrap_or_default()), file.contents())?;
        }
    }
    sdk::write(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn each_hook_has_an_example_and_two_fixtures() {
        let parent = tempfile::tempdir().expect("a folder");
        for hook in HookArg::value_variants() {
            let folder = parent.path().join(hook.to_string());
            create(&folder, "mine", *hook).expect("created");
            assert!(folder.join("src/lib.rs").is_file(), "{hook}");
            assert_eq!(fs::read_dir(folder.join("fixtures")).expect("fixtures").count(), 2, "{hook}");
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
            assert!(manifest.contains("name = \"mine\""), "{manifest}");
        }
    }

    #[test]
    fn existing_folder_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = create(folder.path(), "mine", HookArg::Uplink).expect_err("there already");
        assert!(error.to_string().contains("already"), "{error}");
    }
}
