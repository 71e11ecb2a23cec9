//! `transform new`: a folder that builds and passes its tests.

use super::args::NewArgs;
use super::hook::HookArg;
use super::language::{Language, NewTransform};
use super::verdict::{CommandResult, WrongUsage};
use std::path::Path;

pub(super) fn run(args: &NewArgs) -> anyhow::Result<CommandResult> {
    let NewArgs { name, lang, hooks } = args;
    lang.check_name(name).map_err(WrongUsage)?;
    create(Path::new(name), name, *lang, hooks)?;
    let file = format!("{name}.{}", lang.product().extension());
    println!("{name}/ has a new transform. Next:\n\n  cd {name}");
    println!("  ocpp-gateway transform build");
    println!("  ocpp-gateway transform test {file}\n");
    println!("Its README says more.");
    Ok(CommandResult::Good)
}

/// Creates the folder. Fails if it exists already.
fn create(folder: &Path, name: &str, language: &dyn Language, hooks: &[HookArg]) -> anyhow::Result<()> {
    let mut hooks = hooks.to_vec();
    hooks.sort();
    hooks.dedup();
    let new = NewTransform { name, hooks: &hooks, language: language.name() };
    language.scaffold(&new)?.write(folder)
}

#[cfg(test)]
mod tests {
    use super::super::language::{LANGUAGES, Project};
    use super::*;
    use clap::ValueEnum as _;
    use std::fs;

    #[test]
    fn each_hook_has_fixtures_in_each_language() {
        let parent = tempfile::tempdir().expect("a folder");
        for language in LANGUAGES {
            for hook in HookArg::value_variants() {
                let folder = parent.path().join(format!("{}-{hook}", language.name()));
                create(&folder, "my-quirk", language, &[*hook]).expect("created");
                let project = Project::open(&folder).expect("a transform");
                assert_eq!(project.name, "my-quirk", "{folder:?}");
                let cases = fs::read_dir(folder.join("fixtures")).expect("fixtures");
                let names = cases.map(|entry| entry.expect("an entry").file_name().into_string().expect("text"));
                let names: Vec<_> = names.collect();
                assert!(!names.is_empty() && names.iter().all(|name| name.starts_with(&hook.to_string())), "{names:?}");
                let readme = fs::read_to_string(folder.join("README.md")).expect("a page");
                assert!(readme.contains(&format!("`{hook}`")) && !readme.contains("{{"), "{readme}");
            }
        }
    }

    #[test]
    fn hooks_are_in_the_order_of_the_manual_and_once_each() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("mine");
        let hooks = [HookArg::Events, HookArg::Uplink, HookArg::Events];
        create(&folder, "mine", LANGUAGES[0], &hooks).expect("created");
        let library = fs::read_to_string(folder.join("src/lib.rs")).expect("a library");
        assert!(
            library.contains("mod uplink;\nmod events;") && library.contains("MyTransform: Uplink, Events)"),
            "{library}"
        );
    }
}
