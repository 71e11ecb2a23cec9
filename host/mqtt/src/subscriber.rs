//! The subscribing connection.

mod command;
mod filter_tree;
mod recipient;
mod subscriptions;
mod task;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

pub(crate) use self::filter_tree::FilterTree;
pub use self::recipient::{Recipient, SubscribeError, UnroutedHandler};
pub use self::subscriptions::is_topic_filter;
use self::{
    command::{COMMANDS, SubscriberCommand},
    task::SubscriberTask,
};
use crate::{message::QoS, options::Options, stats::SubscriberStats};

/// Subscribes on behalf of many owners over one connection. Clones share it; it stops with the last of them.
///
/// Owners of the same topic filter share one subscription, which ends with the last of them. After a reconnect,
/// subscriptions that the broker no longer has are restored.
pub struct Subscriber<R> {
    commands: mpsc::Sender<SubscriberCommand<R>>,
    current: watch::Receiver<bool>,
    stats: Arc<SubscriberStats>,
}

impl<R> Clone for Subscriber<R> {
    fn clone(&self) -> Self {
        let Self { commands, current, stats } = self;
        Subscriber { commands: commands.clone(), current: current.clone(), stats: Arc::clone(stats) }
    }
}

impl<R: Recipient> Subscriber<R> {
    /// Starts the connection's task; it connects, and reconnects, on its own. Needs a tokio runtime.
    pub fn start(options: Arc<Options>, unrouted: UnroutedHandler) -> Self {
        // The publishing connection announces the status.
        let options =
            if options.status.is_some() { Options { status: None, ..(*options).clone() }.into() } else { options };
        let stats = Arc::new(SubscriberStats::default());
        let (commands, requests) = mpsc::channel(COMMANDS);
        let (current_sender, current) = watch::channel(false);
        tokio::spawn(SubscriberTask::new(requests, current_sender, unrouted, Arc::clone(&stats)).run(options));
        Subscriber { commands, current, stats }
    }

    /// Subscribes the owner to these filters and no others, and resolves once the broker has acknowledged all of them:
    /// from then on no message is missed. Filters that the owner had before are unsubscribed only then. On an error the
    /// owner keeps the filters that it had before. Waits while the broker is away.
    pub async fn subscribe(&self, owner: u64, filters: Vec<(String, QoS)>, recipient: R) -> Result<(), SubscribeError> {
        self.set(owner, filters, Some(recipient)).await
    }

    /// [`subscribe`](Self::subscribe) with the owner's present recipient.
    pub async fn replace(&self, owner: u64, filters: Vec<(String, QoS)>) -> Result<(), SubscribeError> {
        self.set(owner, filters, None).await
    }

    /// Ends the subscriptions of the owner. Messages already handed to its recipient still arrive.
    pub async fn unsubscribe(&self, owner: u64) {
        // An error: the task has stopped, and the subscriptions have ended with it.
        let _ = self.commands.send(SubscriberCommand::Remove { owner }).await;
    }

    /// Sends the unsubscribes that wait, waits for their acknowledgements no longer than the grace time, and
    /// disconnects. The broker keeps the session.
    pub async fn stop(&self, grace: Duration) {
        let (done, stopped) = oneshot::channel();
        if self.commands.send(SubscriberCommand::Stop { deadline: Instant::now() + grace, done }).await.is_ok() {
            let _ = stopped.await;
        }
    }

    /// True while connected and with all subscriptions restored that were wanted at the latest connect: answers to what
    /// is published now will arrive.
    pub fn current(&self) -> watch::Receiver<bool> {
        self.current.clone()
    }

    pub fn stats(&self) -> &Arc<SubscriberStats> {
        &self.stats
    }

    async fn set(&self, owner: u64, filters: Vec<(String, QoS)>, recipient: Option<R>) -> Result<(), SubscribeError> {
        let (done, settled) = oneshot::channel();
        let command = SubscriberCommand::Set { owner, filters, recipient, done };
        self.commands.send(command).await.map_err(|_| SubscribeError::Stopped)?;
        settled.await.unwrap_or(Err(SubscribeError::Stopped))
    }
}

/// Whether `topic` matches `filter` (MQTT 3.1.1 section 4.7).
pub fn topic_matches(topic: &str, filter: &str) -> bool {
    let mut levels = topic.split('/');
    for (depth, wanted) in filter.split('/').enumerate() {
        if matches!(wanted, "#" | "+") && depth == 0 && topic.starts_with('$') {
            return false;
        }
        match (wanted, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (_, Some(level)) if level == wanted => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_specification_says() {
        for (topic, filter, matching) in [
            ("a/b", "a/b", true),
            ("a/b", "a", false),
            ("a", "a/b", false),
            ("a/b", "a/+", true),
            ("a/b/c", "a/+", false),
            ("a/b/c", "a/#", true),
            ("a", "a/#", true),
            ("a", "#", true),
            ("$SYS/a", "#", false),
            ("$SYS/a", "+/a", false),
            ("é", "é", true),
            ("/a", "+/a", true),
        ] {
            assert_eq!(topic_matches(topic, filter), matching, "{topic} {filter}");
        }
    }
}
