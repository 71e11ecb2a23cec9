//! The task behind a [`Publisher`](super::Publisher): publications in, connection out.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use tokio::{sync::watch, time::sleep_until};

use super::{
    command::{Drain, PublisherCommand},
    state::PublisherTask,
};
use crate::{
    dialer::{Dialer, ExistingSession},
    link::{Link, LinkError},
    options::Options,
};

/// Publications taken from the queue at once while none can be sent.
const MAX_COLLECTED: usize = 256;

impl PublisherTask {
    pub(super) async fn run(mut self, options: Arc<Options>) {
        let client_id = format!("{}-pub", options.client_id);
        let mut dialer =
            Dialer::new(options, client_id, ExistingSession::Discard, Arc::clone(&self.shared.stats.connection));
        while let Some((mut link, session_present)) = self.connect(&mut dialer).await {
            self.shared.connected.send_replace(true);
            let served = self.serve(&mut link, session_present).await;
            self.shared.connected.send_replace(false);
            self.recover_qos0(&link);
            match served {
                Ok(()) => {
                    link.disconnect().await;
                    dialer.closed();
                    break;
                }
                Err(error) => dialer.lost(&error),
            }
        }
        self.finish();
    }

    /// Collects publications until there is a connection. `None` when it is time to stop.
    async fn connect(&mut self, dialer: &mut Dialer) -> Option<(Link, bool)> {
        let mut dial = pin!(dialer.dial());
        while !self.is_finished() {
            tokio::select! {
                connected = &mut dial => return Some(connected),
                count = self.queue.recv_many(&mut self.received, MAX_COLLECTED), if !self.queue_closed => {
                    self.move_to_backlog(count);
                    self.trim();
                }
                Some(command) = self.commands.recv(), if self.drain.is_none() => self.handle(command, false),
                () = deadline(&self.drain) => return None,
            }
        }
        None
    }

    /// Runs one connection. `Ok` when it is time to stop.
    async fn serve(&mut self, link: &mut Link, session_present: bool) -> Result<(), LinkError> {
        let mut resumed = false;
        // Packets that arrived together with CONNACK.
        self.read(link)?;
        loop {
            self.qos0_tracker.pinged(link.pings());
            let may_send = self.drain.is_some() || *self.shared.current.borrow_and_update();
            if may_send {
                self.withdrawing = false;
                if !std::mem::replace(&mut resumed, true) {
                    self.resume(link, session_present);
                    self.announce_online();
                }
                self.send_backlog(link)?;
            }
            if self.is_finished() && link.is_flushed() {
                return Ok(());
            }
            self.update_gauges();
            let room = self.room(link, may_send);
            tokio::select! {
                driven = link.drive() => {
                    driven?;
                    self.qos0_tracker.written(link.written().0);
                    self.read(link)?;
                }
                count = self.queue.recv_many(&mut self.received, room), if room > 0 => {
                    self.move_to_backlog(count);
                    self.gather(room.saturating_sub(count)).await;
                    if !may_send {
                        self.trim();
                    }
                }
                () = changed(&mut self.shared.current), if !may_send => {}
                Some(command) = self.commands.recv(), if self.drain.is_none() => self.handle(command, may_send),
                () = deadline(&self.drain) => return Ok(()),
            }
        }
    }

    /// How many publications to take from the queue. Those left in it make the callers wait.
    fn room(&self, link: &Link, may_send: bool) -> usize {
        match (self.queue_closed, may_send) {
            (true, _) => 0,
            (false, false) => MAX_COLLECTED,
            (false, true) if self.backlog.is_empty() && link.has_room() => self.window.room().min(MAX_COLLECTED),
            (false, true) => 0,
        }
    }

    /// Lets the tasks run that are ready to publish too, so that one write serves them all. The first publication of a
    /// burst wakes this task, which would otherwise run next and write that one alone. With several worker threads the
    /// others run those tasks already, and yielding would only wake threads that find no work.
    async fn gather(&mut self, room: usize) {
        if !self.single_threaded {
            return;
        }
        yield_local().await;
        let waiting = self.queue.len().min(room);
        if waiting > 0 {
            let count = self.queue.recv_many(&mut self.received, waiting).await;
            self.move_to_backlog(count);
        }
    }

    fn handle(&mut self, command: PublisherCommand, may_send: bool) {
        match command {
            PublisherCommand::Drain(drain) => {
                self.queue.close();
                self.drain = Some(drain);
            }
            PublisherCommand::Withdraw(done) => {
                self.withdrawing = !may_send;
                // The caller may have stopped waiting.
                let _ = done.send((!may_send).then(|| self.withdraw()));
            }
        }
    }
}

/// Lets every ready task of this thread run once. Unlike tokio's `yield_now` it does not poll the system for events,
/// which costs a system call and finds nothing whenever messages arrive one at a time.
async fn yield_local() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        // A task that wakes itself goes to the end of the queue.
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn deadline(drain: &Option<Drain>) {
    match drain {
        Some(drain) => sleep_until(drain.deadline).await,
        None => std::future::pending().await,
    }
}

/// Waits for a change; for ever when there can be none.
async fn changed(current: &mut watch::Receiver<bool>) {
    if current.changed().await.is_err() {
        std::future::pending().await
    }
}
