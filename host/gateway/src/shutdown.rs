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
        info!("{}: stopping", next().await);
        tokio::spawn(async move {
            warn!("{} again: stopping at once, whatever is still open", next().await);
            std::process::exit(1);
        });
    })
}
