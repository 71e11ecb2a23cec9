//! Who waits for the answers to CALLs of the gateway's own.

use crate::mailbox::Question;
use ocpp_gateway_core::session::OwnAnswer;
use tokio::sync::oneshot;

/// No more than the session's queue holds; most charge points are never asked.
#[derive(Default)]
pub(super) struct Asked(Vec<(String, oneshot::Sender<OwnAnswer>)>);

impl Asked {
    pub(super) fn add(&mut self, Question { id, answer, .. }: Question) {
        self.0.push((id, answer));
    }

    /// Hands over what has become of the CALL `id`.
    pub(super) fn answer(&mut self, id: &str, answer: OwnAnswer) {
        if let Some(place) = self.0.iter().position(|(asked, _)| asked == id) {
            // Whoever asked may have given up.
            let _ = self.0.swap_remove(place).1.send(answer);
        }
    }
}
