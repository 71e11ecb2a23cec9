//! Finds modules of a crate that use each other in a circle, in all crates of the workspace or in the packages named.
//!
//! Module A uses module B if anything in A, be it an import, a signature, a body, a macro's arguments or a path in an attribute,
//! names what B defines. Re-exports are followed to the definition, so a facade is no circle; a parent that names what its child
//! defines, while the child names what the parent defines, is one. Code for tests only (`#[cfg(test)]`) does not count.

mod circles;
mod modules;
mod scope;
#[cfg(test)]
mod tests;
mod uses;

use anyhow::{Context, Result, ensure};
use modules::ModuleTree;
use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> Result<ExitCode> {
    let packages: Vec<String> = env::args().skip(1).collect();
    let crates = crates(&packages)?;
    let mut tied = 0;
    for one in &crates {
        let tree = ModuleTree::read(&one.root, &|path| std::fs::read_to_string(path).ok())
            .with_context(|| format!("{}: {}", one.name, one.root.display()))?;
        let circles = circles::find(&uses::between(&tree));
        tied += usize::from(!circles.is_empty());
        for circle in circles {
            println!("{}: {} modules in a circle", one.name, circle.modules.len());
            for (from, to, names) in &circle.uses {
                println!("  {} -> {}: {names}", tree.label(*from), tree.label(*to));
            }
        }
    }
    println!("module circles: in {tied} of {} crates", crates.len());
    Ok(if tied == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A crate in the compiler's sense: a library, a program, an example, a file of tests.
struct Crate {
    name: String,
    root: PathBuf,
}

/// Those of the packages named, or of all.
fn crates(packages: &[String]) -> Result<Vec<Crate>> {
    let output = Command::new("cargo").args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = text(&package["name"]);
        for target in package["targets"].as_array().into_iter().flatten() {
            let label = format!("{name} ({} {})", text(&target["kind"][0]), text(&target["name"]));
            let root = Path::new(&text(&target["src_path"])).to_owned();
            found.entry(name.clone()).or_insert_with(Vec::new).push(Crate { name: label, root });
        }
    }
    for wanted in packages {
        ensure!(found.contains_key(wanted), "no package {wanted} in the workspace");
    }
    found.retain(|name, _| packages.is_empty() || packages.contains(name));
    Ok(found.into_values().flatten().collect())
}
