//! `transform dev`: builds and tests a transform after each change, and pushes it to a running gateway.

use super::args::DevArgs;
use super::candidate::{self, Candidate};
use super::language::{Product, Project, SOURCE_FOLDERS};
use super::verdict::{CommandResult, WrongUsage};
use super::{component, test};
use anyhow::{Context as _, bail};
use notify::{EventKind, RecursiveMode, Watcher as _};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use std::{env, fs};

/// Changes with no more than this between them count as one, because an editor saves in several steps. This is for all
/// files together: the debouncers for `notify` wait for each path separately, or take the reads of a build for changes.
const QUIET_TIME: Duration = Duration::from_millis(100);

const DEFAULT_GATEWAY: &str = "http://127.0.0.1:8080";

pub(super) fn run(args: &DevArgs) -> anyhow::Result<CommandResult> {
    component::show_log();
    // Faults of the arguments end it at once; faults of sources do not.
    let project = Project::open(&args.dir)?;
    candidate::destination(&project, args.out.as_deref())?;
    if project.product() == Product::JqProgram && (args.gateway.is_some() || args.name.is_some()) {
        let reason = "--gateway and --name are for components; a program in jq reaches a gateway by a file: --out FILE";
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
        if let Err(error) = build_and_push(args) {
            eprintln!("\nocpp-gateway: {error:#}");
        }
        println!("\nWaiting for a change in {} …", args.dir.display());
        wait(&changes, &project, &dir)?;
    }
}

/// Builds and tests the transform. If it passes, writes it to its file, and pushes a component to the gateway.
fn build_and_push(args: &DevArgs) -> anyhow::Result<()> {
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
    if project.product() == Product::Component {
        let gateway = args.gateway.as_deref().unwrap_or(DEFAULT_GATEWAY);
        let name = args.name.as_deref().unwrap_or(&project.name);
        let answer = push(gateway, name, &candidate.content)?;
        println!("pushed to {gateway} as {name}\n{answer}");
    }
    Ok(())
}

/// Pushes a component to the gateway, and returns its answer.
fn push(gateway: &str, name: &str, component: &[u8]) -> anyhow::Result<String> {
    let url = format!("{}/api/v1/transforms/{name}", gateway.trim_end_matches('/'));
    let mut request = ureq::put(&url).content_type("application/wasm");
    if let Ok(token) = env::var("OCPP_GATEWAY_TOKEN") {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.config().http_status_as_error(false).build();
    let mut response = request.send(component).with_context(|| format!("not pushed: {url}"))?;
    let answer = response.body_mut().read_to_string().with_context(|| format!("{url} does not answer"))?;
    if !response.status().is_success() {
        bail!("not pushed: {url} answers {}\n{}", response.status(), answer.trim_end());
    }
    Ok(answer.trim_end().to_owned())
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
    use notify::event::{AccessKind, ModifyKind};
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    /// Pushes to a gateway that answers like this. Returns its request and the outcome.
    fn push_to(answer: &'static str) -> (String, anyhow::Result<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let gateway = thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("a connection");
            let (mut request, mut part) = (Vec::new(), [0; 4096]);
            while !request.ends_with(b"component") {
                let length = socket.read(&mut part).expect("a request");
                assert_ne!(length, 0, "the request ends early");
                request.extend_from_slice(&part[..length]);
            }
            socket.write_all(answer.as_bytes()).expect("an answer");
            String::from_utf8(request).expect("text")
        });
        let outcome = push(&url, "mine", b"the component");
        (gateway.join().expect("it has answered"), outcome)
    }

    #[test]
    fn accepted_component_is_pushed() {
        let (request, outcome) = push_to("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nmine 0.2\n");
        assert!(request.starts_with("PUT /api/v1/transforms/mine HTTP/1.1\r\n"), "{request}");
        assert!(request.to_lowercase().contains("content-type: application/wasm\r\n"), "{request}");
        assert_eq!(outcome.expect("pushed"), "mine 0.2");
    }

    #[test]
    fn refusal_of_the_gateway_is_reported() {
        let (_, outcome) = push_to("HTTP/1.1 422 Unprocessable Content\r\ncontent-length: 7\r\n\r\nno hook");
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
