//! One charge point and its connection.

use super::client_address::ClientAddress;
use super::context::Context;
use super::delivery::PendingCalls;
use super::generations::Generations;
use super::mailbox::MailboxReceiver;
use super::memory::Memory;
use super::message_rate::MessageRateLimiter;
use super::outbox::Outbox;
use super::slow_share::CallTime;
use super::socket::Socket;
use ocpp_gateway_core::Peer;
use ocpp_gateway_core::session::Session;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use tokio::time::Sleep;

/// One charge point and its connection.
pub struct ChargePoint<S> {
    pub(super) context: Arc<Context>,
    pub(super) peer: Peer,
    pub(super) address: ClientAddress,
    pub(super) socket: Socket<S>,
    pub(super) session: Session,
    pub(super) outbox: Outbox,
    pub(super) mailbox: MailboxReceiver,
    pub(super) generations: Generations,
    /// Who waits for the answers to CALLs of the gateway's own.
    pub(super) pending_calls: PendingCalls,
    pub(super) rate_limiter: MessageRateLimiter,
    pub(super) call_time: CallTime,
    pub(super) memory: Memory,
    /// It has been logged that no back end is subscribed.
    pub(super) misses_back_end: bool,
    /// Set once the gateway stops: this connection ends when nobody waits for an answer, at the latest then.
    pub(super) stop_by: Option<Instant>,
    pub(super) timer: Pin<Box<Sleep>>,
    /// When the timer wakes this task, once it has been set.
    pub(super) alarm: Option<Instant>,
}

/// Under which name the subscriber knows this connection.
pub(super) fn owner(peer: &Peer) -> u64 {
    u64::from(peer.connection)
}
