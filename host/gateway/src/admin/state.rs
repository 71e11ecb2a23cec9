//! The state that the pages share.

use super::audit_history::AuditHistory;
use super::guard::Guard;
use super::operator_call_ids::OperatorCallIds;
use crate::charge_point::Context;
use crate::config::AdminTokens;
use crate::listener::Listeners;
use crate::operations::figures::{FigureSampler, FigureSources};
use crate::operations::log::TransformLines;
use crate::operations::metrics::process_registry;
use crate::operations::tls::CertificateList;
use crate::transforms::Changer;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Uploads at the same time, each from its first byte until the component runs or is refused. One can be received while
/// the other is compiled.
pub(super) const MAX_UPLOADS: usize = 2;

/// Messages that are tried at the same time.
pub(super) const MAX_TRIES: usize = 2;

/// The state that the pages share.
pub struct AdminState {
    pub(super) context: Arc<Context>,
    pub(super) changer: Arc<Changer>,
    pub(super) metrics: Registry,
    pub(super) process_metrics: Registry,
    /// Cancelled when the gateway begins to stop.
    pub(super) stopping: CancellationToken,
    pub(super) guard: Guard,
    pub(super) operator_call_ids: OperatorCallIds,
    /// Permits for uploads. A component may be large, and stays in memory until it runs or is refused.
    pub(super) uploads: Arc<Semaphore>,
    /// Permits for messages that are tried.
    pub(super) tries: Arc<Semaphore>,
    /// Whether those who watch messages may see their payloads.
    pub(super) shows_payloads: bool,
    /// The latest lines of the log about each transform.
    pub(super) transform_lines: TransformLines,
    /// When the gateway was started.
    pub(super) started: SystemTime,
    pub(super) figures: Arc<FigureSampler>,
    pub(super) listeners: Arc<Listeners>,
    /// When certificates end.
    pub(super) certificates: Arc<CertificateList>,
    /// What callers have changed.
    pub(super) audit: Arc<AuditHistory>,
}

pub(super) type SharedAdminState = Arc<AdminState>;

impl AdminState {
    /// `tokens`: what requests have to contain; without one, only this machine can reach the listener.
    pub fn new(
        context: Arc<Context>,
        changer: Arc<Changer>,
        metrics: Registry,
        stopping: CancellationToken,
        tokens: &AdminTokens,
        listeners: Arc<Listeners>,
        certificates: Arc<CertificateList>,
    ) -> Self {
        let config = changer.config();
        let (shows_payloads, has_tls) = (config.admin.tap_payloads, config.admin.tls.is_some());
        let figures = Arc::new(FigureSampler::new(figure_sources(&context)));
        let uploads = Arc::new(Semaphore::new(MAX_UPLOADS));
        AdminState {
            context,
            changer,
            metrics,
            process_metrics: process_registry(),
            stopping,
            guard: Guard::new(tokens, has_tls),
            operator_call_ids: OperatorCallIds::new(),
            uploads,
            tries: Arc::new(Semaphore::new(MAX_TRIES)),
            shows_payloads,
            transform_lines: TransformLines::of_process(),
            started: SystemTime::now(),
            figures,
            listeners,
            certificates,
            audit: Arc::default(),
        }
    }

    /// The figures that the pages show.
    pub fn figures(&self) -> &Arc<FigureSampler> {
        &self.figures
    }
}

/// The counters that the figures are made of.
fn figure_sources(context: &Context) -> FigureSources {
    let router = &context.router;
    FigureSources {
        metrics: router.metrics.clone(),
        publisher: Arc::clone(router.publisher.stats()),
        subscriber: Arc::clone(context.subscriber.stats()),
        pipeline: router.pipeline.clone(),
        events: Arc::clone(&router.events),
    }
}
