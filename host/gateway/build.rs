//! Embeds the files of the console (`console/`): compresses each into `$OUT_DIR/console`, and writes the table of them to
//! `$OUT_DIR/console.rs`.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("console");
    // Cargo looks at all that is in it.
    println!("cargo::rerun-if-changed={}", folder.display());
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let packed_folder = out.join("console");
    fs::create_dir_all(&packed_folder)?;
    let mut files = Vec::new();
    find(&folder, &mut files)?;
    files.sort();
    let mut table = String::from("[\n");
    for (number, file) in files.iter().enumerate() {
        let name = file.strip_prefix(&folder)?.to_str().ok_or("a file name that is not UTF-8")?;
        let content = fs::read(file)?;
        let packed = packed_folder.join(format!("{number}.gz"));
        let checksum = crc32fast::hash(&content);
        fs::write(&packed, gzip(&content, checksum)?)?;
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

/// Adds all files below the folder. Those of editors and file managers begin with a dot.
fn find(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()? {
            _ if entry.file_name().as_encoded_bytes().starts_with(b".") => {}
            kind if kind.is_dir() => find(&entry.path(), files)?,
            _ => files.push(entry.path()),
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
