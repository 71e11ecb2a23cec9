//! The files of a new transform.

use super::files::NewFiles;
use super::sdk;
use crate::devtools::hook::HookArg;
use anyhow::Context as _;
use include_dir::{Dir, include_dir};
use std::path::Path;

/// A folder for each language, the fixtures of each hook, and what several languages share.
static SCAFFOLD: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/scaffold");

/// The transform that `transform new` makes.
pub struct NewTransform<'a> {
    pub(crate) name: &'a str,
    pub(crate) hooks: &'a [HookArg],
    /// The folder of the language in the scaffold.
    pub(crate) language: &'a str,
}

impl NewTransform<'_> {
    /// A file of the language's scaffold, with the values that all languages use filled in.
    pub(super) fn text(&self, file: &str) -> anyhow::Result<String> {
        self.filled_in(&format!("{}/{file}", self.language))
    }

    /// The file of each hook in the language's scaffold.
    pub(super) fn hook_texts(&self, extension: &str) -> anyhow::Result<Vec<(HookArg, String)>> {
        self.hooks.iter().map(|hook| Ok((*hook, self.text(&format!("hooks/{hook}.{extension}"))?))).collect()
    }

    /// The files of all languages. `for_components`: whether its fixtures may have a configuration and schemas, which
    /// a program has not.
    pub(super) fn common_files(&self, for_components: bool) -> anyhow::Result<NewFiles> {
        let mut files = NewFiles::default();
        files.add("README.md", self.text("README.md")? + &self.filled_in("fixtures.md")?);
        for hook in self.hooks {
            let folder = format!("fixtures/{hook}");
            let of_components = format!("{folder}/components");
            let folders = if for_components { vec![folder, of_components] } else { vec![folder] };
            for folder in folders {
                let dir = SCAFFOLD.get_dir(&folder).with_context(|| format!("the scaffold has no {folder}"))?;
                for file in dir.files() {
                    let case = file.path().file_name().unwrap_or_default().to_string_lossy();
                    files.add(format!("fixtures/{hook}-{case}"), text_of(file.path())?);
                }
            }
        }
        Ok(files)
    }

    /// The world of the component, and the package that it refers to.
    pub(super) fn wit_files(&self) -> anyhow::Result<Vec<(&'static str, String)>> {
        let version = sdk::wit_version()?;
        let include = |hook: &str| format!("  include ocpp-gateway:transform/{hook}-hook@{version};");
        let mut includes = vec![include("lifecycle")];
        includes.extend(self.hooks.iter().map(|hook| include(&hook.to_string())));
        let world = self.filled_in("world.wit")?.replace("{{includes}}", &includes.join("\n"));
        Ok(vec![("wit/world.wit", world), ("wit/deps/ocpp-gateway-transform.wit", sdk::wit()?.to_owned())])
    }

    fn filled_in(&self, path: &str) -> anyhow::Result<String> {
        let hooks: Vec<_> = self.hooks.iter().map(|hook| format!("`{hook}`")).collect();
        let hooks =
            if hooks.len() == 1 { format!("the hook {}", hooks[0]) } else { format!("the hooks {}", hooks.join(", ")) };
        let text = text_of(Path::new(path))?.replace("{{name}}", self.name).replace("{{hooks}}", &hooks);
        Ok(text.replace("{{module}}", &module(self.name)).replace("{{version}}", sdk::wit_version()?))
    }
}

/// The module in Python of a transform with this name.
pub(super) fn module(name: &str) -> String {
    name.replace('-', "_")
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    let text = SCAFFOLD.get_file(path).and_then(|file| file.contents_utf8());
    text.map(str::to_owned).with_context(|| format!("the scaffold has no {}", path.display()))
}
