//! What callers want of the connection's task.

use tokio::{sync::oneshot, time::Instant};

use super::recipient::SubscribeError;
use crate::message::QoS;

/// Commands between the callers and the task.
pub(super) const COMMANDS: usize = 1024;

pub(super) type SubscribeDone = oneshot::Sender<Result<(), SubscribeError>>;

pub(super) enum SubscriberCommand<R> {
    Set { owner: u64, filters: Vec<(String, QoS)>, recipient: Option<R>, done: SubscribeDone },
    Remove { owner: u64 },
    StopRequest { deadline: Instant, done: oneshot::Sender<()> },
}
