//! Compressors and decompressors, and the few of them that each thread keeps.

use crate::error::DeflateError;
use crate::settings::Compression;
use std::cell::RefCell;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status};

/// What ends a flushed stream, and is left out of each message (RFC 7692 section 7.2.1).
pub(crate) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// How many idle compressors and decompressors a thread keeps. They have 400 KiB and 48 KiB. A thread uses one
/// compressor at a time; it needs several if clients agree on different windows.
const COMPRESSORS: usize = 3;
const DECOMPRESSORS: usize = 4;

/// Bytes that a compressor writes at a time.
const OUTPUT: usize = 4 << 10;

thread_local! {
    static IDLE: RefCell<Idle> = const { RefCell::new(Idle { compressors: Vec::new(), decompressors: Vec::new() }) };
}

struct Idle {
    compressors: Vec<Compressor>,
    decompressors: Vec<Decompressor>,
}

/// Inflates messages with windows of any size.
pub(crate) struct Decompressor(Box<Inflate>);

/// What a call of [`Decompressor::run`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inflated {
    pub(crate) read: usize,
    pub(crate) written: usize,
    /// The bytes read end with a final block (BFINAL = 1).
    pub(crate) is_end: bool,
}

impl Decompressor {
    /// One without a history.
    pub(crate) fn borrow() -> Self {
        let idle = IDLE.try_with(|idle| idle.try_borrow_mut().ok()?.decompressors.pop()).ok().flatten();
        // A new one has 15 bits after the first reset anyway. The window is always allocated for 15.
        let mut idle = idle.unwrap_or_else(|| Decompressor(Box::new(Inflate::new(false, 15))));
        idle.reset();
        idle
    }

    /// For other messages.
    pub(crate) fn give_back(self) {
        let _ = IDLE.try_with(|idle| {
            if let Ok(mut idle) = idle.try_borrow_mut()
                && idle.decompressors.len() < DECOMPRESSORS
            {
                idle.decompressors.push(self);
            }
        });
    }

    /// Forgets its history.
    pub(crate) fn reset(&mut self) {
        self.0.reset(false);
    }

    /// Inflates until `input` is read, `output` is full, or a final block ends.
    pub(crate) fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<Inflated, DeflateError> {
        let (read, written) = (self.0.total_in(), self.0.total_out());
        let status = self.0.decompress(input, output, InflateFlush::SyncFlush);
        let status =
            status.map_err(|error| DeflateError::Invalid(self.0.error_message().unwrap_or_else(|| error.as_str())))?;
        let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
        Ok(Inflated {
            read: count(self.0.total_in(), read).min(input.len()),
            written: count(self.0.total_out(), written).min(output.len()),
            is_end: status == Status::StreamEnd,
        })
    }
}

/// Deflates messages with one level and window.
pub(crate) struct Compressor {
    deflate: Box<Deflate>,
    level: u8,
    bits: u8,
    output: Vec<u8>,
}

impl Compressor {
    /// One without a history that stays with its connection.
    pub(crate) fn new(compression: Compression) -> Self {
        let (level, bits) = key(compression);
        let config = DeflateConfig { level: level.into(), window_bits: -i32::from(bits), ..DeflateConfig::default() };
        Compressor { deflate: Box::new(Deflate::new_with_config(config)), level, bits, output: Vec::new() }
    }

    /// Runs `job` with a compressor of this thread without a history.
    pub(crate) fn with_idle<T>(compression: Compression, job: impl FnOnce(&mut Compressor) -> T) -> T {
        let (level, bits) = key(compression);
        let is_right = |idle: &Compressor| (idle.level, idle.bits) == (level, bits);
        let idle = IDLE.try_with(|idle| {
            let idle = &mut idle.try_borrow_mut().ok()?.compressors;
            idle.iter().position(is_right).map(|found| idle.remove(found))
        });
        let mut compressor = idle.ok().flatten().unwrap_or_else(|| Compressor::new(compression));
        let done = job(&mut compressor);
        compressor.deflate.reset();
        let _ = IDLE.try_with(|idle| {
            if let Ok(mut idle) = idle.try_borrow_mut() {
                // The latest is last.
                if idle.compressors.len() == COMPRESSORS {
                    idle.compressors.remove(0);
                }
                idle.compressors.push(compressor);
            }
        });
        done
    }

    /// Appends the payload of a compressed message to `to`. `None`: the compressor failed, which no input is known to
    /// cause.
    pub(crate) fn run(&mut self, message: &[u8], to: &mut Vec<u8>) -> Option<()> {
        self.output.resize(OUTPUT, 0);
        let mut left = message;
        loop {
            let (read, written) = (self.deflate.total_in(), self.deflate.total_out());
            self.deflate.compress(left, &mut self.output, DeflateFlush::SyncFlush).ok()?;
            left = left.get(usize::try_from(self.deflate.total_in() - read).ok()?..)?;
            let written = usize::try_from(self.deflate.total_out() - written).ok()?;
            to.extend_from_slice(self.output.get(..written)?);
            if written < OUTPUT && left.is_empty() {
                break;
            }
            if written == 0 {
                return None;
            }
        }
        to.ends_with(&TAIL).then(|| to.truncate(to.len() - TAIL.len()))
    }
}

/// Level and window of the compressor. zlib takes no window of 8 bits: see [`negotiate`](crate::negotiate).
fn key(compression: Compression) -> (u8, u8) {
    (compression.level, compression.window.get().max(9))
}
