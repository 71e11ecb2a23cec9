//! What a charge point's task does about back ends that are away.

use super::connection::ChargePoint;
use super::delivery::Told;
use ocpp_gateway_mqtt::{Publication, Tracking};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::info;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ChargePoint<S> {
    /// What the CALL of this number has become: whom to tell when nobody subscribes to its topic.
    pub(super) fn track(&self, publication: &mut Publication, number: u32) {
        publication.tracking = Some(Tracking { observer: self.mailbox.observer(), number, confirm: false });
    }

    pub(super) fn hear_of_calls(&mut self, all_told: Vec<Told>) {
        let (now, wait) = (self.now(), self.context.wait_for_back_end);
        for told in all_told {
            match told {
                Told::Delivered(number) => {
                    self.outbox.delivered(number);
                    self.misses_back_end = false;
                }
                Told::NoSubscriber(publication) => {
                    if let Some(publication) = self.outbox.came_back(publication, wait, now) {
                        self.give_up(&publication);
                    }
                }
            }
        }
    }

    /// Nobody has subscribed to this CALL, which is answered with an error.
    fn give_up(&mut self, Publication { topic, tracking, .. }: &Publication) {
        let Some(Tracking { number, .. }) = tracking else { return };
        // Each of them is counted; the log has the first.
        if !std::mem::replace(&mut self.misses_back_end, true) {
            info!(charge_point = %self.peer.identity, topic, "no back end is subscribed to it: CALLs fail");
        }
        self.session.handle_no_back_end(*number, topic);
    }
}
