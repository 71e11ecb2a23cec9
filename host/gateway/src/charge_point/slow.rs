//! The turns of a charge point whose messages take long in transforms.

use super::event::Event;
use super::{ChargePoint, Ending};
use crate::long_calls::apart;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ChargePoint<S> {
    /// Handles a message once there is a permit of the slow share, beside the threads that serve the others. Meanwhile
    /// nothing more is read from the charge point, but it can be told to go.
    pub(super) async fn handle_in_turn(&mut self, message: Event) -> Option<Ending> {
        let mut permit = pin!(Arc::clone(&self.hall.slow_share).acquire_owned());
        self.session.handle_reading(false, Instant::now());
        let permit = loop {
            let turn = poll_fn(|cx| match permit.as_mut().poll(cx) {
                Poll::Ready(permit) => Poll::Ready(Ok(permit)),
                Poll::Pending => self.poll_urgent(cx).map(Err),
            });
            match turn.await {
                Ok(permit) => break permit,
                Err(urgent) => {
                    if let Some(ending) = self.handle(urgent) {
                        // Whoever sent it is to learn what becomes of it; what the charge point said counts as not read.
                        if let Event::Delivered(letter) = message {
                            self.open(letter);
                        }
                        return Some(ending);
                    }
                }
            }
        };
        let ending = apart(|| self.handle(message));
        drop(permit);
        // This thread may be no worker any more.
        tokio::task::yield_now().await;
        ending
    }
}
