//! `transform dev`: builds and tests a transform after each change, and pushes it to a running gateway.

use super::args::DevArgs;
use super::candidate::{self, Candidate};
use super::language::{Product, Project, SOURCE_FOLDERS};
use super::verdict::{CommandResult, WrongUsage};
use super::{component, test};
use crate::ctl::client::{Answer, ApiError, Client};
use crate::ctl::connection::{DEFAULT_URL, URL_VARIABLE};
use crate::ctl::new_version::{ChangeOptions, NewVersion};
use crate::operations::log::printable;
use anyhow::{Context as _, bail};
use notify::{EventKind, RecursiveMode, Watcher as _};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use std::{env, fs};

/// Changes with no more than this between them count as one, because an editor saves in several steps. This is for all
/// files together: the debouncers for `notify` wait for each path separately, or take the reads of a build for changes.
const QUIET_TIME: Duration = Duration::from_millis(100);

pub(super) fn run(args: &DevArgs) -> anyhow::Result<CommandResult> {
    component::show_log();
    // Faults of the arguments end it at once; faults of sources do not.
    let project = Project::open(&args.dir)?;
    candidate::destination(&project, args.out.as_deref())?;
    let gateway = gateway(args, project.product())?;
    if gateway.is_none() && args.name.is_some() {
        let reason = "--name is for an upload: name the gateway as well, with --gateway, or leave --out away";
        return Err(WrongUsage(reason.into()).into());
    }
    let dir = fs::canonicalize(&args.dir)?;
    let (sender, changes) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(sender)?;
    watcher.watch(&dir, RecursiveMode::NonRecursive)?;
    // Missing ones are not watched.
    for folder in SOURCE_FOLDERS.map(|folder| dir.join(folder)).iter().filter(|folder| folder.is_dir()) {
        watcher.watch(folder, RecursiveMode::Recursive)?;
    }
    loop {
        if let Err(error) = build_and_push(args, gateway.as_ref()) {
            eprintln!("\nocpp-gateway: {error:#}");
        }
        println!("\nWaiting for a change in {} …", args.dir.display());
        wait(&changes, &project, &dir)?;
    }
}

/// The gateway to push to. `None`: it follows the file that a program in jq is written to.
fn gateway(args: &DevArgs, product: Product) -> anyhow::Result<Option<Client>> {
    if product == Product::JqProgram && args.out.is_some() && args.gateway.is_none() {
        return Ok(None);
    }
    let url = args.gateway.clone().or_else(|| env::var(URL_VARIABLE).ok());
    Ok(Some(args.token.client(url.as_deref().unwrap_or(DEFAULT_URL))?))
}

/// Builds and tests the transform. If it passes, writes it to its file, and pushes it to the gateway.
fn build_and_push(args: &DevArgs, gateway: Option<&Client>) -> anyhow::Result<()> {
    let project = Project::open(&args.dir)?;
    let candidate = Candidate::build(&project)?;
    let fixtures = args.dir.join("fixtures");
    if fixtures.is_dir()
        && test::run_all(&candidate.transform, &fixtures, component::MEMORY, &candidate.compiled)? == CommandResult::Bad
    {
        bail!("neither written nor pushed, as cases fail");
    }
    if let Some(file) = candidate::destination(&project, args.out.as_deref())? {
        candidate.write(&file)?;
        println!("written to {}", file.display());
    }
    if let Some(gateway) = gateway {
        let name = args.name.as_deref().unwrap_or(&project.name);
        let version = match project.product() {
            Product::Component => NewVersion::of_component(candidate.content),
            Product::JqProgram => NewVersion::of_program(str::from_utf8(&candidate.content)?),
        };
        let answer = push(gateway, name, &version).context("not pushed")?;
        println!("pushed to {} as {name}\n{}", gateway.url(), printable(answer.text.trim_end()));
    }
    Ok(())
}

/// Pushes a version to the gateway, which may not have the transform yet.
fn push(gateway: &Client, name: &str, version: &NewVersion) -> Result<Answer, ApiError> {
    match version.replace(gateway, name, ChangeOptions::default()) {
        Err(error) if error.is_not_found() => version.add(gateway, name, ChangeOptions::default()),
        result => result,
    }
}

/// Waits until a source has changed, and no more changes follow. `dir`: the absolute path of the folder.
fn wait(changes: &Receiver<notify::Result<notify::Event>>, project: &Project, dir: &Path) -> anyhow::Result<()> {
    while !is_change_of_source(&changes.recv()??, project, dir) {}
    while changes.recv_timeout(QUIET_TIME).is_ok() {}
    Ok(())
}

/// Whether the event is a change of a source. Reads, and outputs of the build, are not.
fn is_change_of_source(event: &notify::Event, project: &Project, dir: &Path) -> bool {
    !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| project.is_source(path, dir))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::test_gateway::{Reply, TestGateway};
    use notify::event::{AccessKind, ModifyKind};

    /// Pushes to a gateway that answers like this. Returns its requests and the outcome.
    fn push_to(replies: &[Reply], version: &NewVersion) -> (Vec<String>, Result<Answer, ApiError>) {
        let gateway = TestGateway::start(replies);
        let client = Client::new(&gateway.url, None, None).expect("a client");
        let outcome = push(&client, "mine", version);
        (gateway.requests(), outcome)
    }

    #[test]
    fn program_that_is_written_to_a_file_is_pushed_only_to_a_named_gateway() {
        let to = |arguments: &[&str], product| {
            #[derive(clap::Parser)]
            struct CommandLine {
                #[command(flatten)]
                args: DevArgs,
            }
            let CommandLine { args } = clap::Parser::parse_from(["dev"].iter().chain(arguments));
            let gateway = gateway(&args, product).expect("a client");
            gateway.map(|gateway| gateway.url().to_owned())
        };
        let (file, named) = (["--out", "a.jq"], ["--gateway", "http://localhost:1/"]);
        let url = Some("http://localhost:1".to_owned());
        assert_eq!(to(&file, Product::JqProgram), None);
        assert_eq!(to(&[file, named].concat(), Product::JqProgram), url);
        assert_eq!(to(&[file, named].concat(), Product::Component), url);
        assert!(to(&[], Product::JqProgram).is_some() && to(&file, Product::Component).is_some());
    }

    #[test]
    fn component_replaces_the_one_of_the_gateway() {
        let component = NewVersion::of_component(b"the component".to_vec());
        let (requests, outcome) = push_to(&[Reply::json(200, "mine 0.2\n")], &component);
        let [request] = &requests[..] else { panic!("{requests:?}") };
        assert!(request.starts_with("PUT /api/v1/transforms/mine HTTP/1.1\r\n"), "{request}");
        assert!(request.to_lowercase().contains("content-type: application/wasm\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\nthe component"), "{request}");
        assert_eq!(outcome.expect("pushed").text, "mine 0.2\n");
    }

    #[test]
    fn unknown_transform_is_added() {
        let unknown = Reply::problem(404, "there is no transform mine");
        let program = NewVersion::of_program("def uplink: .;");
        let (requests, outcome) = push_to(&[unknown, Reply::json(201, "{}")], &program);
        let [replace, add] = &requests[..] else { panic!("{requests:?}") };
        assert!(replace.starts_with("PUT /api/v1/transforms/mine "), "{replace}");
        assert!(replace.ends_with(r#"{"component":"builtin:jq","config":{"program":"def uplink: .;"}}"#), "{replace}");
        assert!(add.starts_with("POST /api/v1/transforms HTTP/1.1\r\n"), "{add}");
        assert!(add.to_lowercase().contains("content-type: application/json\r\n"), "{add}");
        assert!(add.ends_with(r#""name":"mine"}"#), "{add}");
        outcome.expect("added");
    }

    #[test]
    fn refusal_of_the_gateway_is_reported() {
        let component = NewVersion::of_component(b"the component".to_vec());
        let (_, outcome) = push_to(&[Reply::problem(422, "no hook")], &component);
        let error = outcome.expect_err("refused").to_string();
        assert!(error.contains("422") && error.contains("no hook"), "{error}");
    }

    #[test]
    fn only_changes_of_sources_count() {
        let changed = |path: &Path| notify::Event::new(EventKind::Modify(ModifyKind::Any)).add_path(path.into());
        let everywhere = ["fixtures/a.toml", "wit/world.wit", "src/deep/a"];
        let nowhere =
            ["mine.wasm", "mine.wasm.new", "Cargo.lock", "package-lock.json", "target/a", "node_modules/a.js"];
        let nowhere = nowhere.into_iter().chain([".venv/lib/a.py", "__pycache__/a.pyc", ".a.js", ".b.py", "README.md"]);
        for (manifest, content, sources) in [
            ("Cargo.toml", "[package]\nname = \"mine\"", vec!["Cargo.toml", "ocpp-transform/src/lib.rs"]),
            ("package.json", "{\"name\":\"mine\"}", vec!["package.json", "mine.js", "other.mjs"]),
            ("pyproject.toml", "[project]\nname = \"mine\"", vec!["pyproject.toml", "requirements.txt", "mine.py"]),
            ("mine.jq", "def uplink: .;", vec!["mine.jq"]),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            fs::write(folder.path().join(manifest), content).expect("written");
            let project = Project::open(folder.path()).expect("a transform");
            let dir = Path::new("/x/mine");
            for path in sources.into_iter().chain(everywhere) {
                assert!(is_change_of_source(&changed(&dir.join(path)), &project, dir), "{manifest}: {path}");
            }
            for path in nowhere.clone() {
                assert!(!is_change_of_source(&changed(&dir.join(path)), &project, dir), "{manifest}: {path}");
            }
            let read = notify::Event::new(EventKind::Access(AccessKind::Any)).add_path(dir.join(manifest));
            assert!(!is_change_of_source(&read, &project, dir));
        }
    }
}
