//! When to stop, and how long that may take.

use std::future::Future;
use std::io;
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
        // Not within the macro, which evaluates nothing where its level is switched off.
        let signal = next().await;
        info!("{signal}: stopping");
        tokio::spawn(async move {
            let signal = next().await;
            warn!("{signal} again: stopping at once, whatever is still open");
            std::process::exit(1);
        });
    })
}
