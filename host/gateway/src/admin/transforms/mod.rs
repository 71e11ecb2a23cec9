//! `/api/v1/transforms`: lists the running transforms, and changes them.
//!
//! - `summary`: what runs, with its history; the drop-in directory.
//! - `body`: the component and the settings of a request.
//! - `change`: changes, and their answers; `trial`: versions beside those that run.
//! - `log`: the latest lines of the log about one.

mod body;
mod change;
mod log;
mod summary;
mod trial;

use super::state::SharedAdminState;
use crate::transforms::MAX_COMPONENT_SIZE;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post, put};
pub(super) use body::ChangeBody;
use body::MAX_SETTINGS;
pub(super) use change::refusal;

/// The largest request body, in bytes: a component, and its settings in a multipart body.
pub(super) const MAX_BODY: usize = MAX_COMPONENT_SIZE + MAX_SETTINGS;

pub(super) fn router() -> Router<SharedAdminState> {
    Router::new()
        .route("/api/v1/transforms", get(summary::list).post(change::add))
        .route("/api/v1/transforms/order", put(change::order).layer(DefaultBodyLimit::max(MAX_SETTINGS)))
        .route("/api/v1/transforms/{name}", get(summary::show).put(change::replace).delete(change::remove))
        .route("/api/v1/transforms/{name}/log", get(log::show))
        .route("/api/v1/transforms/{name}/config", put(change::configure))
        .route("/api/v1/transforms/{name}/rollback", post(change::roll_back))
        .route("/api/v1/transforms/{name}/fetch", post(change::fetch))
        .route("/api/v1/transforms/{name}/trial", post(trial::start).get(trial::show).delete(trial::end))
        .route("/api/v1/transforms/{name}/trial/promote", post(trial::promote))
        .route("/api/v1/transforms/{name}/upload", delete(change::revert))
        .route("/api/v1/drop-ins", get(summary::list_drop_ins))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}
