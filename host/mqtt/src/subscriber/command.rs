//! Commands from callers to the connection's task.

use tokio::{sync::oneshot, time::Instant};

use super::recipient::SubscribeError;
use crate::message::QoS;

/// How many commands may be queued between the callers and the task.
pub(super) const COMMANDS: usize = 1024;

pub(super) type SubscribeDone = oneshot::Sender<Result<(), SubscribeError>>;

pub(super) enum SubscriberCommand<R> {
    Set { owner: u64, filters: Vec<(String, QoS)>, recipient: Option<R>, done: SubscribeDone },
    Remove { owner: u64 },
    Stop { deadline: Instant, done: oneshot::Sender<()> },
}
