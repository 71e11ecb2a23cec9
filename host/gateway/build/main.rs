//! Embeds the files of the console (`console/`): joins the modules of its first view, compresses each file into `$OUT_DIR/console`, and
//! writes the table of them to `$OUT_DIR/console.rs`.

mod join;

use join::Files;
use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("console");
    // Cargo looks at all that is in it.
    println!("cargo::rerun-if-changed={}", folder.display());
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let packed_folder = out.join("console");
    fs::create_dir_all(&packed_folder)?;
    let mut files = Files::new();
    read(&folder, "", &mut files)?;
    join::join(&mut files, "app.js", "/console/")?;
    let mut table = String::from("[\n");
    for (number, (name, content)) in files.iter().enumerate() {
        let packed = packed_folder.join(format!("{number}.gz"));
        let checksum = crc32fast::hash(content);
        fs::write(&packed, gzip(content, checksum)?)?;
        writeln!(
            table,
            "ConsoleFile {{ name: {name:?}, size: {}, checksum: {checksum}, gzip: include_bytes!({packed:?}) }},",
            content.len()
        )?;
    }
    table.push(']');
    fs::write(out.join("console.rs"), table)?;
    Ok(())
}

/// Reads all files in the folder; `path`: of it, with a slash at its end. Files of editors and file managers begin with a dot.
fn read(folder: &Path, path: &str, files: &mut Files) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name =
            entry.file_name().into_string().map_err(|name| format!("a file name that is not UTF-8: {name:?}"))?;
        match entry.file_type()? {
            _ if name.starts_with('.') => {}
            kind if kind.is_dir() => read(&entry.path(), &format!("{path}{name}/"), files)?,
            _ => _ = files.insert(format!("{path}{name}"), fs::read(entry.path())?),
        }
    }
    Ok(())
}

/// RFC 1952: a header without time and name, the compressed content, its checksum and its size.
fn gzip(content: &[u8], checksum: u32) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    packed.extend(miniz_oxide::deflate::compress_to_vec(content, 10));
    packed.extend(checksum.to_le_bytes());
    packed.extend(u32::try_from(content.len())?.to_le_bytes());
    Ok(packed)
}
