//! The end of a connection.

use super::connection::{ChargePoint, owner};
use super::delivery::Departure;
use super::disconnect_reason::DisconnectReason;
use crate::operations::events::GatewayEvent;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{info, warn};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ChargePoint<S> {
    /// Clears up: whoever waited for this charge point is told, and its topics are left.
    pub(super) async fn leave(mut self: Box<Self>, reason: DisconnectReason) {
        let ChargePoint { context, peer, .. } = &*self;
        let router = &context.router;
        context.registry.leave(peer);
        router.metrics.closed(reason.name());
        if self.outbox.is_subscribed() {
            router.metrics.subscribed.dec();
        }
        // Last, so that there never are more subscribed than connected.
        router.metrics.connections.dec();
        macro_rules! log {
            ($level:ident) => {
                $level!(charge_point = %peer.identity, reason = reason.name(), "disconnected: {reason}")
            };
        }
        match reason {
            // It is the broker that has to be told something, and it will not be by the charge point.
            DisconnectReason::NotSubscribed(_) => log!(warn),
            _ => log!(info),
        }
        router.events.tell(|| GatewayEvent::Disconnected {
            charge_point: peer.identity.to_string(),
            reason: reason.name(),
            text: reason.to_string(),
        });

        if matches!(reason, DisconnectReason::BrokerAway) {
            self.outbox.withdraw();
        }
        for delivery in self.mailbox.close() {
            self.open(delivery);
        }
        self.session.handle_disconnect();
        // What is for the charge point itself comes too late.
        while let Some(output) = self.session.poll() {
            self.handle_notice(output);
        }
        self.publish(self.context.router.disconnected(self.generations.current(), &self.peer, reason.name()));
        self.publish(self.context.presence.disconnected(&self.peer, &self.address, reason.name()));
        self.mailbox.depart(Departure::Announced);
        let ChargePoint { context, peer, socket, outbox, mailbox, .. } = &mut *self;
        let unsubscribed = async {
            // What comes while the gateway is being restarted waits with the broker: it gets an answer afterwards.
            if !matches!(reason, DisconnectReason::Shutdown) {
                context.subscriber.unsubscribe(owner(peer)).await;
            }
        };
        let published = async {
            outbox.finish(&peer.identity).await;
            context.registry.left(peer);
            mailbox.depart(Departure::Complete);
        };
        tokio::join!(unsubscribed, reason.close(socket), published);
    }
}
