//! `transform dev`: from a saved file to a running gateway, again and again.

use super::build::Package;
use super::{Dev, Verdict, desk, test};
use anyhow::{Context as _, bail};
use notify::{EventKind, RecursiveMode, Watcher as _};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use std::{env, fs};

/// An editor saves in several steps: they count as one change if no more than this lies between them.
const SETTLED: Duration = Duration::from_millis(100);

/// Folders with what a transform is made of; those that it does not have are not watched.
const FOLDERS: [&str; 4] = ["src", "fixtures", "ocpp-transform/src", "wit"];

pub(super) fn run(asked: &Dev) -> anyhow::Result<Verdict> {
    desk::show_log();
    // Without a manifest there is nothing to wait for.
    Package::of(&asked.dir)?;
    let dir = fs::canonicalize(&asked.dir)?;
    let (said, changes) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(said)?;
    watcher.watch(&dir, RecursiveMode::NonRecursive)?;
    for folder in FOLDERS.map(|folder| dir.join(folder)).iter().filter(|folder| folder.is_dir()) {
        watcher.watch(folder, RecursiveMode::Recursive)?;
    }
    loop {
        match round(asked) {
            Ok(()) => {}
            Err(error) => eprintln!("\nocpp-gateway: {error:#}"),
        }
        println!("\nWaiting for a change in {} …", asked.dir.display());
        wait(&changes, &dir)?;
    }
}

/// Builds, tests and pushes what is there.
fn round(asked: &Dev) -> anyhow::Result<()> {
    let package = Package::of(&asked.dir)?;
    let component = package.build(None)?;
    let fixtures = asked.dir.join("fixtures");
    if fixtures.is_dir() && test::run_all(&component, &fixtures, desk::MEMORY)? == Verdict::Bad {
        bail!("not pushed, as cases fail");
    }
    push(asked, asked.name.as_deref().unwrap_or(&package.name), &component)
}

/// Hands the component to the gateway, which takes it or says why not.
fn push(asked: &Dev, name: &str, component: &Path) -> anyhow::Result<()> {
    let url = format!("{}/api/v1/transforms/{name}", asked.gateway.trim_end_matches('/'));
    let mut request = ureq::put(&url).content_type("application/wasm");
    if let Ok(token) = env::var("OCPP_GATEWAY_TOKEN") {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.config().http_status_as_error(false).build();
    let mut response = request.send(fs::read(component)?).with_context(|| format!("not pushed: {url}"))?;
    let answer = response.body_mut().read_to_string().unwrap_or_default();
    if !response.status().is_success() {
        bail!("not pushed: {url} answers {}\n{}", response.status(), answer.trim_end());
    }
    println!("pushed to {url}\n{}", answer.trim_end());
    Ok(())
}

/// Until something has changed that a transform is made of, and no more changes come.
fn wait(changes: &Receiver<notify::Result<notify::Event>>, dir: &Path) -> anyhow::Result<()> {
    while !matters(&changes.recv()??, dir) {}
    while changes.recv_timeout(SETTLED).is_ok() {}
    Ok(())
}

/// Whether it is a change, and not one of our own making.
fn matters(event: &notify::Event, dir: &Path) -> bool {
    let is_source =
        |path: &Path| path == dir.join("Cargo.toml") || FOLDERS.iter().any(|folder| path.starts_with(dir.join(folder)));
    !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| is_source(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{AccessKind, ModifyKind};

    #[test]
    fn only_changes_of_sources_matter() {
        let changed = |path: &str| notify::Event::new(EventKind::Modify(ModifyKind::Any)).add_path(path.into());
        let dir = Path::new("/x/mine");
        for path in ["/x/mine/src/lib.rs", "/x/mine/Cargo.toml", "/x/mine/fixtures/a.toml"] {
            assert!(matters(&changed(path), dir), "{path}");
        }
        for path in ["/x/mine/mine.wasm", "/x/mine/Cargo.lock", "/x/mine/target/a"] {
            assert!(!matters(&changed(path), dir), "{path}");
        }
        let read = notify::Event::new(EventKind::Access(AccessKind::Any)).add_path("/x/mine/src/lib.rs".into());
        assert!(!matters(&read, dir));
    }
}
