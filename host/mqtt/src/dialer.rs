//! Connects to the broker, and connects again after increasing pauses.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::{
    link::{Link, LinkError},
    options::Options,
    stats::ConnectionStats,
};

/// What to do with a session that an earlier process left on the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExistingSession {
    /// Take it over: messages may wait in it.
    Accept,
    /// Clear it: it may hold packet ids of publishes that this process does not know.
    Discard,
}

pub(crate) struct Dialer {
    options: Arc<Options>,
    client_id: String,
    existing_session: ExistingSession,
    backoff: ExponentialBuilder,
    /// The pauses before the next attempts, until connected again.
    pauses: ExponentialBackoff,
    pause: Duration,
    connected_at: Option<Instant>,
    stats: Arc<ConnectionStats>,
    last_error: String,
}

impl Dialer {
    pub(crate) fn new(
        options: Arc<Options>,
        client_id: String,
        existing_session: ExistingSession,
        stats: Arc<ConnectionStats>,
    ) -> Self {
        let backoff = backoff(options.reconnect_min, options.reconnect_max);
        Dialer {
            options,
            client_id,
            existing_session,
            backoff,
            pauses: backoff.build(),
            pause: Duration::ZERO,
            connected_at: None,
            stats,
            last_error: String::new(),
        }
    }

    /// Tries until the broker accepts the connection. Returns whether it kept the session. Can be dropped and called
    /// again.
    pub(crate) async fn dial(&mut self) -> (Link, bool) {
        loop {
            sleep(self.pause).await;
            match self.attempt().await {
                Ok((link, session_present)) => {
                    info!(client = self.client_id, broker = %self.options.broker, session_present, "MQTT connected");
                    self.stats.up();
                    self.connected_at = Some(Instant::now());
                    self.last_error.clear();
                    return (link, session_present);
                }
                Err(error) => self.failed(&error),
            }
        }
    }

    /// Records why the latest connection ended. The next [`dial`](Self::dial) pauses first.
    pub(crate) fn lost(&mut self, error: &LinkError) {
        warn!(client = self.client_id, broker = %self.options.broker, %error, "MQTT connection lost");
        if self.connected_at.take().is_some_and(|since| since.elapsed() > self.pause) {
            self.pauses = self.backoff.build();
        }
        self.pause = self.next_pause();
        self.stats.down(Some(error.to_string()));
    }

    /// Records that the connection was ended on purpose.
    pub(crate) fn closed(&self) {
        self.stats.down(None);
    }

    async fn attempt(&mut self) -> Result<(Link, bool), LinkError> {
        let (link, session_present) = self.connect(false).await?;
        if self.existing_session == ExistingSession::Accept {
            return Ok((link, session_present));
        }
        if !session_present {
            self.existing_session = ExistingSession::Accept;
            return Ok((link, false));
        }
        link.disconnect().await;
        self.connect(true).await?.0.disconnect().await;
        self.existing_session = ExistingSession::Accept;
        self.connect(false).await
    }

    async fn connect(&self, clean_session: bool) -> Result<(Link, bool), LinkError> {
        Link::connect(&self.options, &self.client_id, clean_session, Arc::clone(&self.stats)).await
    }

    fn next_pause(&mut self) -> Duration {
        self.pauses.next().expect("the number of attempts has no limit")
    }

    fn failed(&mut self, error: &LinkError) {
        self.pause = self.next_pause();
        self.stats.failures.add(1);
        let (text, pause) = (error.to_string(), self.pause);
        // One warning per cause: repetitions during a long outage are logged at level debug.
        if text == self.last_error {
            debug!(client = self.client_id, error = text, ?pause, "MQTT broker still not reached");
        } else {
            warn!(
                client = self.client_id, broker = %self.options.broker, error = text, ?pause, "MQTT broker not reached"
            );
            self.stats.down(Some(text.clone()));
            self.last_error = text;
        }
    }
}

/// Pauses that double up to a limit, each of random length between half and all of it, so that many clients do not
/// reconnect at once.
fn backoff(min: Duration, max: Duration) -> ExponentialBuilder {
    let min = min.max(Duration::from_millis(1));
    // The jitter is added to the delay, and is smaller than the delay.
    let builder = ExponentialBuilder::new().with_min_delay(min / 2).with_max_delay(max.max(min) / 2);
    builder.with_jitter().without_max_times()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_their_limit_and_start_again() {
        let ms = Duration::from_millis;
        let backoff = backoff(ms(100), ms(350));
        let mut pauses = backoff.build();
        for full in [100, 200, 350, 350] {
            let pause = pauses.next().expect("no end");
            assert!((ms(full) / 2..=ms(full)).contains(&pause), "{pause:?} of {full}");
        }
        assert!(backoff.build().next().expect("a pause") <= ms(100));
    }
}
