//! One connection, over TCP or TLS, that speaks MQTT: bytes to packets and back.
//!
//! The packets are rumqttc's. Its event loop is not used: it writes each publish with a system call of its own, and loses
//! or collides publishes around a reconnect.

mod codec;
mod error;
mod keep_alive;
mod oversized;
mod packet;
mod reason;
mod stream;

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWrite},
    time::timeout,
};

use self::{
    codec::Codec,
    keep_alive::{KeepAlive, KeepAliveAction},
    oversized::Skip,
    stream::Stream,
};
use crate::{options::Options, stats::ConnectionStats};

pub(crate) use self::{
    error::LinkError,
    packet::{ConnAck, InboundPacket, OutboundPacket, Publish, ServerLimits},
    reason::{AckResult, Reason},
};

/// Room offered to each read. Larger packets grow the buffer.
const READ_SIZE: usize = 16 << 10;
/// Unwritten bytes above which no more should be added.
const WRITE_MARK: usize = 64 << 10;
/// How long a polite goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

pub(crate) struct Link {
    stream: Stream,
    /// TLS holds back what was written until it is flushed.
    unflushed: bool,
    input: BytesMut,
    output: BytesMut,
    /// Bytes written so far.
    written: u64,
    /// PINGREQ packets added so far.
    pings: u64,
    codec: Codec,
    limits: ServerLimits,
    skip: Skip,
    keep_alive: KeepAlive,
    stats: Arc<ConnectionStats>,
}

impl Link {
    /// Connects and says whether the broker kept a session of this client.
    pub(crate) async fn connect(
        options: &Options,
        client_id: &str,
        clean_session: bool,
        stats: Arc<ConnectionStats>,
    ) -> Result<(Link, bool), LinkError> {
        let limit = options.connect_timeout;
        let connecting = async {
            let mut link = Link {
                stream: stream::connect(options).await?,
                unflushed: false,
                input: BytesMut::new(),
                output: BytesMut::new(),
                written: 0,
                pings: 0,
                codec: Codec::new(options),
                limits: ServerLimits::NONE,
                skip: Skip::default(),
                keep_alive: KeepAlive::new(options.keep_alive),
                stats,
            };
            link.codec.connect(&mut link.output, options, client_id, clean_session)?;
            let ConnAck { session_present, limits, keep_alive } = link.connack().await?;
            link.limits = limits;
            link.obey(options.keep_alive, keep_alive);
            Ok((link, session_present))
        };
        timeout(limit, connecting).await.unwrap_or(Err(LinkError::ConnectTimeout(limit)))
    }

    async fn connack(&mut self) -> Result<ConnAck, LinkError> {
        loop {
            self.turn().await?;
            match self.next()? {
                None => {}
                Some(InboundPacket::ConnAck(answer)) => return answer.map_err(LinkError::Refused),
                Some(_) => return Err(LinkError::NotConnAck),
            }
        }
    }

    /// A broker gives up who is silent for longer than it said (MQTT 5, 3.2.2.3.14). Asking it more often than that is no
    /// offence, and what we want to know does not change.
    fn obey(&mut self, ours: Duration, brokers: Option<Duration>) {
        if let Some(brokers) = brokers.filter(|brokers| !brokers.is_zero() && *brokers < ours) {
            self.keep_alive = KeepAlive::new(brokers);
        }
    }

    /// Adds a packet to what the next [`turn`](Self::turn) writes.
    pub(crate) fn send(&mut self, packet: OutboundPacket<'_>) -> Result<(), LinkError> {
        self.codec.write(&mut self.output, packet)
    }

    /// The same for a PUBLISH. `expires` is for the broker, should it not get rid of the message before.
    pub(crate) fn publish(&mut self, publish: &Publish, expires: Option<Instant>) -> Result<(), LinkError> {
        self.codec.publish(&mut self.output, publish, expires)
    }

    /// What the broker takes.
    pub(crate) fn limits(&self) -> ServerLimits {
        self.limits
    }

    /// False when the broker would end the connection for the size of this publish.
    pub(crate) fn takes(&self, publish: &Publish, expires: Option<Instant>) -> bool {
        let limit = self.limits.packet_size;
        limit == usize::MAX || self.codec.size(publish, expires) <= limit
    }

    pub(crate) fn has_room(&self) -> bool {
        self.output.len() < WRITE_MARK
    }

    /// How many bytes have left for the network, and how many will have when all that waits has.
    pub(crate) fn written(&self) -> (u64, u64) {
        (self.written, self.written + self.output.len() as u64)
    }

    /// How many times the broker has been asked whether it is there.
    pub(crate) fn pings(&self) -> u64 {
        self.pings
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.output.is_empty() && !self.unflushed
    }

    /// Writes what waits, in one go, and reads what has come; neither waits for the other. Returns once either made
    /// progress. Dropping the future loses nothing.
    pub(crate) async fn turn(&mut self) -> Result<(), LinkError> {
        std::future::poll_fn(|cx| self.poll_turn(cx)).await
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        self.check_pulse(cx)?;
        let written = self.poll_write(cx)?;
        let read = self.poll_read(cx)?;
        if written || read { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn check_pulse(&mut self, cx: &mut Context<'_>) -> Result<(), LinkError> {
        while let Poll::Ready(pulse) = self.keep_alive.poll(cx) {
            match pulse {
                KeepAliveAction::Fine => {}
                KeepAliveAction::Ping => {
                    self.send(OutboundPacket::PingReq)?;
                    self.pings += 1;
                }
                KeepAliveAction::Dead => return Err(LinkError::Silent),
            }
        }
        Ok(())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<bool, LinkError> {
        let mut progress = false;
        while !self.output.is_empty() {
            let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(cx, &self.output) else { break };
            match written? {
                0 => return Err(LinkError::Closed),
                n => {
                    self.output.advance(n);
                    self.written += n as u64;
                }
            }
            progress = true;
            self.unflushed = true;
            self.keep_alive.sent();
            self.stats.writes.add(1);
        }
        if self.unflushed && Pin::new(&mut self.stream).poll_flush(cx)?.is_ready() {
            self.unflushed = false;
            progress = true;
        }
        Ok(progress)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Result<bool, LinkError> {
        if self.input.capacity() - self.input.len() < READ_SIZE / 4 {
            self.input.reserve(READ_SIZE);
        }
        // Not `try_read`: a poll that reads less than it had room for knows that nothing is left, and the next one does
        // not ask the system again.
        match pin!(self.stream.read_buf(&mut self.input)).poll(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(error)) => Err(error.into()),
            Poll::Ready(Ok(0)) => Err(LinkError::Closed),
            Poll::Ready(Ok(_)) => {
                self.keep_alive.received();
                Ok(true)
            }
        }
    }

    /// Takes the next complete packet out of what was read.
    pub(crate) fn next(&mut self) -> Result<Option<InboundPacket>, LinkError> {
        if !self.skip.advance(&mut self.input) {
            return Ok(None);
        }
        let inbound = self.codec.read(&mut self.input)?;
        if let Some(InboundPacket::Oversized(head)) = &inbound {
            self.skip.begin(head.size);
        }
        Ok(inbound)
    }

    /// Writes what waits and DISCONNECT, then waits for the broker to close. It keeps the session.
    pub(crate) async fn disconnect(mut self) {
        let goodbye = async {
            self.send(OutboundPacket::Disconnect)?;
            loop {
                self.turn().await?;
                // What comes now is not acknowledged, so the broker will send it again.
                self.input.clear();
            }
        };
        match timeout(GOODBYE, goodbye).await {
            Ok(Err::<(), _>(LinkError::Closed)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the connection ended while saying goodbye"),
            Ok(Ok(())) | Err(_) => tracing::debug!("the broker did not close the connection after DISCONNECT"),
        }
    }
}
