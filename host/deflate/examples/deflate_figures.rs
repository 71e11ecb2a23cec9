//! What compression of MeterValues costs and saves: nanoseconds and bytes a message for each level, in the layer alone.
//!
//! Run it in release mode.

use cpu_time::ProcessTime;
use ocpp_gateway_deflate::{Agreed, DeflateStream, Limits, Settings, negotiate};
use std::fmt::Write as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

const MESSAGES: u32 = 236;
const ROUNDS: u32 = 40;
const LIMITS: Limits = Limits { max_message_size: 1 << 20, waits_for_memory: true };

fn main() {
    let mut random = fastrand::Rng::with_seed(1);
    let day: Vec<String> = (0..MESSAGES).map(|minute| meter_values(minute, &mut random)).collect();
    let frames: Vec<Vec<u8>> = day.iter().map(|text| frame(text)).collect();
    let plain: usize = frames.iter().map(Vec::len).sum();
    println!("{MESSAGES} MeterValues, {} bytes a message with its header", plain / frames.len());
    let (nanos, _) = write(&frames, None);
    println!("without the extension: {nanos} ns to write, {} ns to read", read(&masked(&frames), None).0);
    println!("takeover level  bytes  share   deflate ns  inflate ns");
    for takeover in [false, true] {
        for level in 1..=9 {
            let settings =
                Settings { level, server_takeover: takeover, client_takeover: takeover, ..Settings::default() };
            let agreed = negotiate(["permessage-deflate"], &settings);
            let (deflate, packed) = write(&frames, agreed);
            let bytes: usize = packed.iter().map(Vec::len).sum();
            let (inflate, shown) = read(&masked(&packed), agreed);
            assert!(shown >= plain);
            println!(
                "{:8} {level:5} {:6} {:5.1} % {deflate:12} {inflate:11}",
                if takeover { "yes" } else { "no" },
                bytes / packed.len(),
                100.0 * bytes as f64 / plain as f64
            );
        }
    }
}

/// A CALL of 1.5 KB, as a charge point with three phases sends it: each value and the message id are new.
fn meter_values(minute: u32, random: &mut fastrand::Rng) -> String {
    let mut sampled = String::new();
    let phases = [
        ("Voltage", "V", 230),
        ("Current.Import", "A", 16),
        ("Power.Active.Import", "W", 3600),
        ("Power.Offered", "W", 3700),
    ];
    for (measurand, unit, value) in phases {
        for phase in 1..=3 {
            let decimals = random.u32(0..100);
            let _ = write!(
                sampled,
                r#"{{"value":"{value}.{decimals:02}","context":"Sample.Periodic","measurand":"{measurand}","phase":"L{phase}","unit":"{unit}"}},"#
            );
        }
    }
    sampled += r#"{"value":"31","context":"Sample.Periodic","measurand":"Temperature","unit":"Celsius"},"#;
    let _ =
        write!(sampled, r#"{{"value":"{}","measurand":"Energy.Active.Import.Register","unit":"Wh"}}"#, 1000 + minute);
    let id = random.u128(..);
    format!(
        r#"[2,"{id:032x}","MeterValues",{{"connectorId":1,"transactionId":1,"meterValue":[{{"timestamp":"2026-01-01T{:02}:{:02}:00Z","sampledValue":[{sampled}]}}]}}]"#,
        minute / 60 % 24,
        minute % 60
    )
}

/// A text message of a server.
fn frame(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[0x81, 126], &length[..], text.as_bytes()].concat()
}

/// The same frames as a client sends them.
fn masked(frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let frame = |frame: &Vec<u8>| {
        let head = if frame[1] < 126 { 2 } else { 4 };
        let payload = frame[head..].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        [frame[0], frame[1] | 0x80]
            .into_iter()
            .chain(frame[2..head].iter().copied())
            .chain(mask)
            .chain(payload)
            .collect()
    };
    frames.iter().map(frame).collect()
}

/// Writes the frames: nanoseconds a message, and what the client gets.
fn write(frames: &[Vec<u8>], agreed: Option<Agreed>) -> (u128, Vec<Vec<u8>>) {
    let mut best = u128::MAX;
    let mut written = Vec::new();
    for _ in 0..ROUNDS {
        written.clear();
        let mut stream = layer(Memory::default(), agreed);
        let begin = ProcessTime::now();
        for frame in frames {
            ready(stream.write_all(frame));
            ready(stream.flush());
            written.push(std::mem::take(&mut stream.get_mut().written));
        }
        best = best.min(begin.elapsed().as_nanos() / frames.len() as u128);
    }
    (best, written)
}

/// Reads the frames, as tungstenite does it: nanoseconds a message, and the bytes read.
fn read(frames: &[Vec<u8>], agreed: Option<Agreed>) -> (u128, usize) {
    let (mut best, mut bytes) = (u128::MAX, 0);
    let mut buffer = vec![0; 2 << 10];
    for _ in 0..ROUNDS {
        bytes = 0;
        let mut stream = layer(Memory::default(), agreed);
        let begin = ProcessTime::now();
        for frame in frames {
            stream.get_mut().received.clone_from(frame);
            loop {
                bytes += ready(stream.read(&mut buffer));
                if stream.get_ref().received.is_empty() && stream.is_idle() {
                    break;
                }
            }
        }
        best = best.min(begin.elapsed().as_nanos() / frames.len() as u128);
    }
    (best, bytes)
}

fn layer(memory: Memory, agreed: Option<Agreed>) -> DeflateStream<Memory> {
    match agreed {
        Some(agreed) => DeflateStream::new(memory, [], agreed, LIMITS),
        None => DeflateStream::plain(memory),
    }
}

/// Runs a job that is never pending.
fn ready<T: Default>(job: impl Future<Output = io::Result<T>>) -> T {
    match pin!(job).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(done)) => done,
        Poll::Ready(Err(error)) => panic!("{error}"),
        Poll::Pending => panic!("pending"),
    }
}

/// A stream in memory.
#[derive(Default)]
struct Memory {
    received: Vec<u8>,
    written: Vec<u8>,
}

impl AsyncRead for Memory {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = self.received.len().min(buffer.remaining());
        buffer.put_slice(&self.received[..length]);
        self.received.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
