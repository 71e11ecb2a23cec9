//! The share of one charge point in the memory for queued messages. Back-pressure: while its share is used up, nothing
//! is read from it.

use super::socket::{SMALL, Socket};
use ocpp_gateway_core::session::Session;
use ocpp_gateway_mqtt::{Acquire, MESSAGE_OVERHEAD, MemoryAccount, MemoryPermit, POOL_STEP};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};

/// Memory that one charge point holds or waits for. Empty while nothing is queued.
#[derive(Default)]
pub(super) struct ReadMemory {
    /// Waits for memory for the message that is arriving.
    acquire: Option<Box<Acquire>>,
    charged: Option<Box<ChargedQueues>>,
}

struct ChargedQueues {
    /// For text from the charge point that the session holds.
    held: MemoryPermit,
    /// For messages to the charge point, in session and socket.
    queued: MemoryPermit,
}

/// Ready when the queued bytes allow more to be read. `message`: size in bytes of the arriving message, 0 if it is
/// small.
fn poll_queued(uplink: &MemoryAccount, cx: &mut Context<'_>, message: usize) -> Poll<()> {
    let pool = uplink.pool();
    uplink.poll_until(cx, |used, limit| match message {
        0 => used < POOL_STEP || used < limit && !pool.is_full(),
        // A message that is larger than the limit is accepted while nothing else is queued.
        _ => used == 0 || used + message <= limit,
    })
}

impl ReadMemory {
    /// Ready when there is memory to read more from the charge point. `longest`: how long a message that is not small
    /// may take to arrive.
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
        socket.reserve(reservation, Instant::now() + longest);
        Poll::Ready(())
    }

    /// Charges for what is queued in session and socket; `unsent`: bytes in the socket. Called when the task is about
    /// to wait, so that messages that do not wait cost nothing.
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
            self.charged = None;
            return;
        }
        let charged = self
            .charged
            .get_or_insert_with(|| Box::new(ChargedQueues { held: uplink.charge(0), queued: downlink.charge(0) }));
        for (permit, bytes) in [(&mut charged.queued, queued), (&mut charged.held, held)] {
            if permit.bytes() != bytes {
                permit.resize(bytes);
            }
        }
    }
}
