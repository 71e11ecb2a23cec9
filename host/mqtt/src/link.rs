//! One MQTT connection over TCP or TLS: bytes to packets and back.
//!
//! The packets are rumqttc's. Its event loop is not used: it writes each publish with a separate system call, and loses
//! publishes or has their packet ids collide around a reconnect.

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

/// Buffer space for each read, in bytes. Larger packets grow the buffer.
const READ_SIZE: usize = 16 << 10;
/// Unwritten bytes above which no more should be added.
const WRITE_MARK: usize = 64 << 10;
/// How long the broker may take to close the connection after DISCONNECT.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

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
    /// Connects. Returns whether the broker kept a session of this client.
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
            link.adopt_keep_alive(options.keep_alive, keep_alive);
            Ok((link, session_present))
        };
        timeout(limit, connecting).await.unwrap_or(Err(LinkError::ConnectTimeout(limit)))
    }

    async fn connack(&mut self) -> Result<ConnAck, LinkError> {
        loop {
            self.drive().await?;
            match self.next()? {
                None => {}
                Some(InboundPacket::ConnAck(answer)) => return answer.map_err(LinkError::Refused),
                Some(_) => return Err(LinkError::NotConnAck),
            }
        }
    }

    /// Takes over the keep alive of the broker if it is shorter than ours: a broker closes a connection that is silent
    /// for longer (MQTT 5 section 3.2.2.3.14). A longer one is ignored, because pinging more often is allowed.
    fn adopt_keep_alive(&mut self, ours: Duration, brokers: Option<Duration>) {
        if let Some(brokers) = brokers.filter(|brokers| !brokers.is_zero() && *brokers < ours) {
            self.keep_alive = KeepAlive::new(brokers);
        }
    }

    /// Adds a packet to what the next [`drive`](Self::drive) writes.
    pub(crate) fn send(&mut self, packet: OutboundPacket<'_>) -> Result<(), LinkError> {
        self.codec.write(&mut self.output, packet)
    }

    /// Adds a PUBLISH. `expires` tells the broker when to drop the message if it is not delivered before.
    pub(crate) fn publish(&mut self, publish: &Publish, expires: Option<Instant>) -> Result<(), LinkError> {
        self.codec.publish(&mut self.output, publish, expires)
    }

    /// The limits of the broker.
    pub(crate) fn limits(&self) -> ServerLimits {
        self.limits
    }

    /// False when the broker would end the connection because of the size of this publish.
    pub(crate) fn accepts(&self, publish: &Publish, expires: Option<Instant>) -> bool {
        let limit = self.limits.packet_size;
        limit == usize::MAX || self.codec.size(publish, expires) <= limit
    }

    pub(crate) fn has_room(&self) -> bool {
        self.output.len() < WRITE_MARK
    }

    /// How many bytes are written, and how many will be once the output is empty.
    pub(crate) fn written(&self) -> (u64, u64) {
        (self.written, self.written + self.output.len() as u64)
    }

    /// How many PINGREQs were added so far.
    pub(crate) fn pings(&self) -> u64 {
        self.pings
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.output.is_empty() && !self.unflushed
    }

    /// Writes the output at once, and reads what has arrived. Neither waits for the other. Returns once either made
    /// progress. Dropping the future loses nothing.
    pub(crate) async fn drive(&mut self) -> Result<(), LinkError> {
        std::future::poll_fn(|cx| self.poll_drive(cx)).await
    }

    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        self.check_keep_alive(cx)?;
        let written = self.poll_write(cx)?;
        let read = self.poll_read(cx)?;
        if written || read { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn check_keep_alive(&mut self, cx: &mut Context<'_>) -> Result<(), LinkError> {
        while let Poll::Ready(action) = self.keep_alive.poll(cx) {
            match action {
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
        // Not `try_read`: after a read that does not fill the buffer tokio knows that nothing is left, and the next
        // poll makes no system call.
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

    /// Writes the output and DISCONNECT, then waits for the broker to close the connection. The broker keeps the
    /// session.
    pub(crate) async fn disconnect(mut self) {
        let disconnecting = async {
            self.send(OutboundPacket::Disconnect)?;
            loop {
                self.drive().await?;
                // Packets that arrive now are not acknowledged, so the broker sends them again.
                self.input.clear();
            }
        };
        match timeout(DISCONNECT_TIMEOUT, disconnecting).await {
            Ok(Err::<(), _>(LinkError::Closed)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the connection failed after DISCONNECT"),
            Ok(Ok(())) | Err(_) => tracing::debug!("the broker did not close the connection after DISCONNECT"),
        }
    }
}
