//! Signals: when to stop, and when to read files again.

use std::future::Future;
use std::io;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

/// Ready at the first SIGTERM or SIGINT. A second one ends the process at once.
pub fn requested() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let mut next = async move || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        };
        // Outside of the macro, which does not evaluate its arguments if the level is switched off.
        let signal = next().await;
        info!("{signal}: stopping");
        tokio::spawn(async move {
            let signal = next().await;
            warn!("{signal} again: stopping at once, whatever is still open");
            std::process::exit(1);
        });
    })
}

/// Calls `run` at every SIGHUP, on a blocking thread.
pub fn on_hangup(run: impl Fn() + Send + Sync + 'static) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let run = Arc::new(run);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let run = Arc::clone(&run);
            if let Err(error) = tokio::task::spawn_blocking(move || run()).await {
                warn!("SIGHUP: {error}");
            }
        }
    });
    Ok(())
}
