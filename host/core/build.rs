//! Packs the published schemas (`schemas/`) into `$OUT_DIR/published.bin`, each compressed by itself. Writes their
//! offsets to `$OUT_DIR/published.rs` and the names of all actions to `$OUT_DIR/actions.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Name of the constant, folder, and suffix of the file names of requests.
const VERSIONS: [(&str, &str, &str); 3] =
    [("V1_6", "ocpp1.6", ""), ("V2_0_1", "ocpp2.0.1", "Request"), ("V2_1", "ocpp2.1", "Request")];

/// The kind of message that a schema is for.
#[derive(Clone, Copy)]
enum Kind {
    Call,
    Result,
    Send,
}

/// The schemas of one action, by [`Kind`], each as a Rust expression.
type SchemaFiles = [Option<String>; 3];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=schemas");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let (mut archive, mut text, mut names) = (Vec::new(), String::new(), BTreeSet::new());
    for (name, folder, request) in VERSIONS {
        let actions = pack(&Path::new("schemas").join(folder), request, &mut archive)?;
        writeln!(text, "static {name}: [Messages; {}] = [", actions.len())?;
        for (action, [call, result, send]) in &actions {
            let field = |schema: &Option<String>| schema.clone().unwrap_or_else(|| "None".into());
            writeln!(
                text,
                "    Messages {{ action: {action:?}, call: {}, result: {}, send: {} }},",
                field(call),
                field(result),
                field(send)
            )?;
        }
        writeln!(text, "];")?;
        names.extend(actions.into_keys());
    }
    fs::write(out.join("published.bin"), archive)?;
    fs::write(out.join("published.rs"), text)?;
    fs::write(out.join("actions.rs"), format!("{:?}", Vec::from_iter(names)))?;
    Ok(())
}

/// Appends the schemas in `folder` to `archive`. Returns the actions, sorted.
fn pack(folder: &Path, request: &str, archive: &mut Vec<u8>) -> Result<BTreeMap<String, SchemaFiles>, Box<dyn Error>> {
    let mut actions = BTreeMap::<String, SchemaFiles>::new();
    let mut files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    files.sort();
    for path in files {
        let file = path.file_name().and_then(|name| name.to_str()).ok_or("a file name that is not UTF-8")?;
        let stem = file.strip_suffix(".json").ok_or_else(|| format!("{}: not a .json file", path.display()))?;
        let (action, kind) = kind_of(stem, request);
        let schema = fs::read(&path)?;
        let packed = miniz_oxide::deflate::compress_to_vec(&schema, 9);
        let expression = format!("Some(Schema::new({file:?}, {}, {}, {}))", archive.len(), packed.len(), schema.len());
        archive.extend(packed);
        actions.entry(action.into()).or_default()[kind as usize] = Some(expression);
    }
    Ok(actions)
}

/// Splits a file name: `{Action}Request` or `{Action}Response`. A bare `{Action}` is a CALL in 1.6 and a SEND in later
/// versions.
fn kind_of<'s>(stem: &'s str, request: &str) -> (&'s str, Kind) {
    match (stem.strip_suffix("Response"), stem.strip_suffix(request)) {
        (Some(action), _) => (action, Kind::Result),
        (None, Some(action)) => (action, Kind::Call),
        (None, None) => (stem, Kind::Send),
    }
}
