//! What one charge point's messages take of the memory for queued messages, and what happens when that is too much: nothing
//! more is read from it.

use super::socket::{SMALL, Socket};
use ocpp_gateway_core::session::Session;
use ocpp_gateway_mqtt::{ASSURED, Acquire, MESSAGE_OVERHEAD, MemoryAccount, MemoryPermit};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};

/// What it has to do with it at the moment, if anything.
#[derive(Default)]
pub(super) struct Memory {
    /// Waits for memory for the message that is arriving.
    acquire: Option<Box<Acquire>>,
    waiting: Option<Box<MemoryRequest>>,
}

struct MemoryRequest {
    /// What was read, and waits in the session.
    held: MemoryPermit,
    /// What waits in session and socket for the charge point.
    queued: MemoryPermit,
}

/// Ready when more may be read, going by what is queued already. `message`: bytes of the message that is arriving, unless it
/// is small.
fn poll_queued(uplink: &MemoryAccount, cx: &mut Context<'_>, message: usize) -> Poll<()> {
    let pool = uplink.pool();
    uplink.poll_until(cx, |used, limit| match message {
        0 => used < ASSURED || used < limit && !pool.is_full(),
        // One that is larger than the limit passes when nothing else waits.
        _ => used == 0 || used + message <= limit,
    })
}

impl Memory {
    /// Ready when there is memory for more from the charge point. `longest`: how long it may take to send a message that is
    /// not small.
    pub(super) fn poll_for<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut Socket<S>,
        uplink: &MemoryAccount,
        longest: Duration,
    ) -> Poll<()> {
        let wanted = socket.wanted();
        if poll_queued(uplink, cx, wanted.unwrap_or(0)).is_pending() {
            return Poll::Pending;
        }
        let Some(bytes) = wanted else { return Poll::Ready(()) };
        let acquire = self.acquire.get_or_insert_with(|| Box::new(uplink.pool().acquire(bytes)));
        let Poll::Ready(reservation) = Pin::new(&mut **acquire).poll(cx) else { return Poll::Pending };
        self.acquire = None;
        socket.admit(reservation, Instant::now() + longest);
        Poll::Ready(())
    }

    /// Charges for what waits in session and socket, of which `unsent` are bytes in the latter. Called when there is nothing
    /// else to do, so that what does not have to wait costs nothing.
    pub(super) fn charge_queued(
        &mut self,
        session: &Session,
        unsent: usize,
        uplink: &Arc<MemoryAccount>,
        downlink: &Arc<MemoryAccount>,
    ) {
        let (count, bytes) = session.queued();
        let queued = bytes + count * MESSAGE_OVERHEAD + if unsent > SMALL { unsent } else { 0 };
        let held = session.held_bytes();
        if queued + held == 0 {
            self.waiting = None;
            return;
        }
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::new(MemoryRequest { held: uplink.charge(0), queued: downlink.charge(0) }));
        for (permit, bytes) in [(&mut waiting.queued, queued), (&mut waiting.held, held)] {
            if permit.bytes() != bytes {
                permit.resize(bytes);
            }
        }
    }
}
