//! The state of one charge point's connection.

use super::call_time::CallTime;
use super::client_address::ClientAddress;
use super::context::Context;
use super::delivery::PendingCalls;
use super::generations::Generations;
use super::mailbox::MailboxReceiver;
use super::message_rate::MessageRateLimiter;
use super::missing_back_ends::BackEndState;
use super::outbox::Outbox;
use super::read_memory::ReadMemory;
use super::socket::Socket;
use super::tap::ConnectionTap;
use ocpp_gateway_core::Peer;
use ocpp_gateway_core::session::Session;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use tokio::time::Sleep;

/// A connected charge point.
pub struct ChargePoint<S> {
    pub(super) context: Arc<Context>,
    pub(super) peer: Peer,
    pub(super) address: ClientAddress,
    pub(super) socket: Socket<S>,
    pub(super) session: Session,
    pub(super) outbox: Outbox,
    pub(super) mailbox: MailboxReceiver,
    pub(super) generations: Generations,
    /// CALLs of operators that are not answered yet.
    pub(super) pending_calls: PendingCalls,
    pub(super) rate_limiter: MessageRateLimiter,
    pub(super) call_time: CallTime,
    pub(super) memory: ReadMemory,
    /// Who watches.
    pub(super) tap: ConnectionTap,
    pub(super) back_end: BackEndState,
    /// The missing back end is logged already.
    pub(super) no_back_end_logged: bool,
    /// Set once the gateway stops: the connection ends when no CALL is open, at the latest at this instant.
    pub(super) stop_by: Option<Instant>,
    pub(super) timer: Pin<Box<Sleep>>,
    /// The deadline that the timer is set to. `None`: not set, or not certain to wake this task.
    pub(super) timer_deadline: Option<Instant>,
}

/// The number under which the subscriber knows this connection.
pub(super) fn owner(peer: &Peer) -> u64 {
    u64::from(peer.connection)
}
