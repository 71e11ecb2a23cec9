//! The admin API for operators: `/healthz`, `/readyz`, `/metrics` and `/api/v1`; and the console, a page that uses it.

mod audit;
mod audit_history;
mod audit_list;
mod audited_call;
mod charge_points;
mod configuration;
mod console;
mod events;
mod figures;
mod guard;
mod health;
mod listeners;
mod log_level;
mod me;
mod messages;
mod openapi;
mod operator_call_ids;
mod pages;
mod problem;
mod problems;
mod query;
mod refusals;
mod schemas;
mod server;
mod state;
mod tls;
mod transforms;
mod try_message;

pub use pages::router;
pub use server::serve;
pub use state::AdminState;
pub use tls::AdminTls;
