//! The end of a connection.

use super::connection::{ChargePoint, owner};
use super::delivery::Departure;
use super::disconnect_reason::DisconnectReason;
use crate::operations::events::GatewayEvent;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{info, warn};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ChargePoint<S> {
    /// Ends the connection: reports what is undelivered, unsubscribes from the topics and closes the socket.
    pub(super) async fn leave(mut self: Box<Self>, reason: DisconnectReason) {
        let ChargePoint { context, peer, .. } = &*self;
        let router = &context.router;
        context.registry.unregister(peer, reason.name());
        router.metrics.closed(reason.name());
        if self.outbox.is_subscribed() {
            router.metrics.subscribed.dec();
        }
        // Last, so that the metrics never show more subscribed than connected.
        router.metrics.connections.dec();
        macro_rules! log {
            ($level:ident) => {
                $level!(charge_point = %peer.identity, reason = reason.name(), "disconnected: {reason}")
            };
        }
        match reason {
            // A warning: the cause is the broker or the mapping, and only the gateway's operator can fix it.
            DisconnectReason::NotSubscribed(_) => log!(warn),
            _ => log!(info),
        }
        router.events.publish(GatewayEvent::Disconnected {
            charge_point: peer.identity.to_string(),
            reason: reason.name(),
            text: reason.to_string(),
        });

        if matches!(reason, DisconnectReason::BrokerAway) {
            self.outbox.withdraw();
        }
        for delivery in self.mailbox.close() {
            self.handle_delivery(delivery);
        }
        self.session.handle_disconnect();
        // Outputs for the charge point itself are dropped.
        while let Some(output) = self.session.poll() {
            self.handle_notice(output);
        }
        self.publish(self.context.router.disconnected(self.generations.current(), &self.peer, reason.name()));
        self.publish(self.context.presence.disconnected(&self.peer, &self.address, reason.name()));
        self.mailbox.set_departure(Departure::Announced);
        let ChargePoint { context, peer, socket, outbox, mailbox, .. } = &mut *self;
        let unsubscribed = async {
            // On shutdown the subscription stays: the broker keeps messages until the gateway is back, which answers
            // them.
            if !matches!(reason, DisconnectReason::Shutdown) {
                context.subscriber.unsubscribe(owner(peer)).await;
            }
        };
        let published = async {
            outbox.finish(&peer.identity).await;
            context.registry.forget_leaving(peer);
            mailbox.set_departure(Departure::Complete);
        };
        tokio::join!(unsubscribed, reason.close(socket), published);
    }
}
