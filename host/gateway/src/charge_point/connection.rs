//! One charge point and its connection.

use super::call_retries::Now;
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
use ocpp_gateway_core::session::{Session, UplinkFrame};
use ocpp_gateway_mqtt::{Availability, Publication};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
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

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ChargePoint<S> {
    pub(super) fn report(&mut self, report: &UplinkFrame<'static>) {
        let generation = self.generations.of(report.generation);
        self.publish(self.context.router.report(generation, &self.peer, &report.frame));
    }

    /// It holds on later connections of this charge point too, which need not boot again.
    pub(super) fn remember_interval(&self, interval: Option<Duration>) {
        self.context.registry.remember_interval(&self.peer.identity, interval);
    }

    pub(super) fn publish(&mut self, publications: Vec<Publication>) {
        for publication in publications {
            // The publisher counts and logs what it refuses.
            let _ = self.outbox.push(publication);
        }
    }

    pub(super) fn now(&mut self) -> Now {
        now(&mut self.session, self.context.router.publisher.availability())
    }
}

/// Under which name the subscriber knows this connection.
pub(super) fn owner(peer: &Peer) -> u64 {
    u64::from(peer.connection)
}

/// The time by both clocks. The session learns how far the one by which CALLs of the charge point time out is behind.
fn now(session: &mut Session, availability: &Availability) -> Now {
    let wall = Instant::now();
    let behind = availability.behind(wall);
    session.set_back_end_clock(behind, availability.is_away());
    Now { wall, broker: wall.checked_sub(behind).unwrap_or(wall) }
}
