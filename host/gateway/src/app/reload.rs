//! SIGHUP: the configuration is read again while charge points are connected.

use crate::admin::AdminTls;
use crate::config::{Config, ConfigFaults};
use crate::listener::Listeners;
use crate::operations::shutdown;
use crate::transforms::{HotSwap, log_faults};
use std::io;
use std::sync::Arc;

/// At every SIGHUP, replaces transforms, validation and listeners by those of the configuration, or none of them if it has a
/// fault; and reads files of certificates, passwords and identities again. Other keys require a restart.
pub(super) fn on_hangup(
    hot_swap: Arc<HotSwap>,
    listeners: Arc<Listeners>,
    admin_tls: Option<Arc<AdminTls>>,
    read: impl Fn() -> Result<Config, ConfigFaults> + Send + Sync + 'static,
) -> io::Result<()> {
    let runtime = tokio::runtime::Handle::current();
    shutdown::on_hangup(move || {
        let _runtime = runtime.enter();
        // Not every file system reports changes.
        let of_admin = admin_tls.as_ref().map(|tls| tls.reload());
        listeners.reloads().into_iter().chain(of_admin).for_each(|files| files.reload());
        match read() {
            Ok(config) => reload(&hot_swap, &listeners, config),
            Err(faults) => log_faults(&faults),
        }
    })
}

fn reload(hot_swap: &HotSwap, listeners: &Listeners, config: Config) {
    match listeners.prepare(&hot_swap.with_live_keys(&config).all_listeners()) {
        Ok(prepared) if hot_swap.reload(config) => listeners.replace(prepared),
        Ok(_) => {}
        Err(fault) => log_faults(&fault),
    }
}
