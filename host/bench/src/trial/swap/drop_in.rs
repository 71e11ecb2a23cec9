//! A jq program in the drop-in directory, saved in the ways of different editors and tools.

use anyhow::Result;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How long a slow copy pauses in the middle.
const PAUSE: Duration = Duration::from_millis(20);

/// Saves a program that publishes under `mount_point`. `number` selects the way of saving.
pub(super) fn save(directory: &Path, mount_point: &str, number: u32) -> Result<()> {
    let directory = directory.join("transforms.d");
    fs::create_dir_all(&directory)?;
    let file = directory.join("10-mount-point.jq");
    // The first line alone is a valid program, which publishes under the mount point of the mapping.
    let program = format!("def uplink: .;\ndef outbound: .topic |= \"{mount_point}\" + .[4:];\n");
    match number % 4 {
        0 => fs::write(&file, program)?,
        1 => {
            let beside = directory.join(".10-mount-point.jq.new");
            fs::write(&beside, program)?;
            fs::rename(&beside, &file)?;
        }
        2 => {
            let backup = directory.join("10-mount-point.jq~");
            // There is no file at the first swap.
            let _ = fs::rename(&file, &backup);
            fs::write(&file, program)?;
            let _ = fs::remove_file(&backup);
        }
        _ => {
            let (first, rest) = program.split_at(program.find('\n').unwrap_or_default());
            let mut slow = File::create(&file)?;
            slow.write_all(first.as_bytes())?;
            thread::sleep(PAUSE);
            slow.write_all(rest.as_bytes())?;
        }
    }
    Ok(())
}
