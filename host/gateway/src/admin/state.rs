//! What the pages are made of.

use super::guard::Guard;
use super::operator_call_ids::OperatorCallIds;
use crate::charge_point::Context;
use crate::operations::metrics::process_registry;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Uploads under way, from the first byte until what was uploaded runs or is refused. One is compiled while the other comes.
pub(super) const UPLOADS: usize = 2;

/// What the pages are made of.
pub struct AdminState {
    pub(super) context: Arc<Context>,
    pub(super) metrics: Registry,
    pub(super) process_metrics: Registry,
    /// Cancelled once the gateway was asked to stop.
    pub(super) stopping: CancellationToken,
    pub(super) guard: Guard,
    pub(super) operator_call_ids: OperatorCallIds,
    /// Of components: each may be large, and is held until it runs or does not.
    pub(super) uploads: Arc<Semaphore>,
}

pub(super) type SharedAdminState = Arc<AdminState>;

impl AdminState {
    /// `token`: what a request has to show. None: nothing, as the listener can be reached from this machine only.
    pub fn new(context: Arc<Context>, metrics: Registry, stopping: CancellationToken, token: Option<&str>) -> Self {
        let uploads = Arc::new(Semaphore::new(UPLOADS));
        AdminState {
            context,
            metrics,
            process_metrics: process_registry(),
            stopping,
            guard: Guard::new(token),
            operator_call_ids: OperatorCallIds::new(),
            uploads,
        }
    }
}
