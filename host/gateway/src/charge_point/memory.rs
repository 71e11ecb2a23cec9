//! What one charge point's messages take of the memory for queued messages, and what happens when that is too much: nothing
//! more is read from it.

use super::ChargePoint;
use crate::socket::SMALL;
use ocpp_gateway_mqtt::{ASSURED, Acquire, MESSAGE_OVERHEAD, MemoryAccount, MemoryPermit};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};

/// What it has to do with it at the moment, if anything.
#[derive(Default)]
pub(super) struct Memory {
    /// Waits for memory for the message that is arriving.
    acquire: Option<Box<Acquire>>,
    waiting: Option<Box<Waiting>>,
}

struct Waiting {
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

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ChargePoint<S> {
    /// Ready when there is memory for more from the charge point.
    pub(super) fn poll_memory(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (wanted, uplink) = (self.socket.wanted(), self.outbox.memory());
        if poll_queued(uplink, cx, wanted.unwrap_or(0)).is_pending() {
            return Poll::Pending;
        }
        let Some(bytes) = wanted else { return Poll::Ready(()) };
        let acquire = self.memory.acquire.get_or_insert_with(|| Box::new(uplink.pool().acquire(bytes)));
        let Poll::Ready(reservation) = Pin::new(&mut **acquire).poll(cx) else { return Poll::Pending };
        self.memory.acquire = None;
        self.socket.admit(reservation, Instant::now() + self.hall.session_settings.call_timeout);
        Poll::Ready(())
    }

    /// Whether the charge point takes longer to send a message than a CALL may take, while others wait for the memory that is
    /// kept for it.
    pub(super) fn receives_too_slowly(&mut self, now: Instant) -> bool {
        let is_held = self.session.is_held();
        let Some(until) = self.socket.admitted_until().filter(|until| **until <= now) else { return false };
        *until = now + self.hall.session_settings.call_timeout;
        !is_held && self.outbox.memory().pool().is_awaited()
    }

    /// Charges for what waits in session and socket. Called when there is nothing else to do, so that what does not have to
    /// wait costs nothing.
    pub(super) fn charge_queued(&mut self) {
        let (count, bytes) = self.session.queued();
        let unsent = self.socket.unsent();
        let queued = bytes + count * MESSAGE_OVERHEAD + if unsent > SMALL { unsent } else { 0 };
        let held = self.session.held_bytes();
        if queued + held == 0 {
            self.memory.waiting = None;
            return;
        }
        let (uplink, downlink) = (self.outbox.memory(), self.inbox.memory());
        let waiting = self
            .memory
            .waiting
            .get_or_insert_with(|| Box::new(Waiting { held: uplink.charge(0), queued: downlink.charge(0) }));
        for (permit, bytes) in [(&mut waiting.queued, queued), (&mut waiting.held, held)] {
            if permit.bytes() != bytes {
                permit.resize(bytes);
            }
        }
    }
}
