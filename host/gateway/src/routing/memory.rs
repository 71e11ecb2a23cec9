//! The memory that queued messages may take (`runtime.queue_memory`, `ocpp.queue_memory`).
//!
//! Half of each is for messages from charge points, half for those to them: otherwise CALLs that wait for a charge point could
//! keep its answers from being read, which they wait for.

use crate::config::Config;
use crate::operations::metrics::collect::{collector, write_family};
use crate::operations::names;
use ocpp_gateway_core::session::Direction;
use ocpp_gateway_mqtt::{MemoryAccount, MemoryPool};
use prometheus_client::collector::Collector;
use prometheus_client::metrics::gauge::ConstGauge;
use std::sync::Arc;

/// All of it.
#[derive(Debug, Clone)]
pub struct QueueMemory {
    /// From charge points: what is being received, and what waits for the broker.
    pub uplink: Arc<MemoryPool>,
    /// To them: what waits for them, and messages that did not reach them, while they are reported.
    pub downlink: Arc<MemoryPool>,
    /// Of one charge point, in one direction.
    per_charge_point: usize,
}

impl QueueMemory {
    pub fn new(config: &Config) -> Self {
        let half = config.runtime.queue_memory.get() / 2;
        let (uplink, downlink) = (MemoryPool::new(half), MemoryPool::new(half));
        QueueMemory { uplink, downlink, per_charge_point: config.ocpp.queue_memory.get() / 2 }
    }

    /// For one charge point.
    pub fn account(&self, direction: Direction) -> Arc<MemoryAccount> {
        MemoryAccount::new(Arc::clone(self.pool(direction)), self.per_charge_point)
    }

    /// For what belongs to no charge point.
    pub fn common_account(&self, direction: Direction) -> Arc<MemoryAccount> {
        let pool = self.pool(direction);
        MemoryAccount::new(Arc::clone(pool), pool.limit() / 4)
    }

    pub fn pool(&self, direction: Direction) -> &Arc<MemoryPool> {
        match direction {
            Direction::Uplink => &self.uplink,
            Direction::Downlink => &self.downlink,
        }
    }

    /// What of it is in use.
    pub fn metrics(&self) -> Box<dyn Collector> {
        let this = self.clone();
        collector(move |encoder| {
            let help = "Memory that queued messages take, as runtime.queue_memory counts it";
            let used = names::DIRECTIONS.map(|direction| {
                ([("direction", names::direction(direction))], ConstGauge::new(this.pool(direction).used()))
            });
            write_family(encoder, "queue_memory_bytes", help, used)
        })
    }
}
