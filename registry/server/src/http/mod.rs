//! HTTP: the page, the JSON behind it, metrics and health. Reads only; every replica serves what it has applied.
//!
//! **Invariant:** nothing that a client sends changes anything, takes memory beyond its connection's buffers,
//! or keeps a connection for longer than [`limits::CONNECTION_MAX`].

mod assets;
mod guard;
mod hardening;
mod limits;
mod metrics;
mod web;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::status::{MapJson, Seen};
pub(crate) use web::Web;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A bound HTTP server, not yet running.
pub(crate) struct HttpServer {
    listener: TcpListener,
    local: SocketAddr,
}

impl HttpServer {
    /// Listens; port 0 takes a free one.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let local = listener.local_addr()?;
        Ok(Self { listener, local })
    }

    pub(crate) const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves until dropped; returns only when it cannot go on.
    pub(crate) async fn run(self, web: Arc<Web>) -> io::Error {
        let served = axum::serve(guard::GuardedListener::new(self.listener), router(web)).await;
        served
            .err()
            .unwrap_or_else(|| io::Error::other("it ended by itself"))
    }
}

fn router(web: Arc<Web>) -> Router {
    Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/map", get(map))
        .route("/metrics", get(show_metrics))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/health/cluster", get(cluster))
        .with_state(web)
        .merge(assets::routes())
        .fallback(async || (StatusCode::NOT_FOUND, "not found\n"))
        .layer(middleware::from_fn(hardening::harden))
}

async fn status(State(web): State<Arc<Web>>) -> Response {
    json(&web, StatusCode::OK, |seen| {
        serde_json::to_vec(&seen.status())
    })
}

async fn map(State(web): State<Arc<Web>>) -> Response {
    json(&web, StatusCode::OK, |seen| {
        serde_json::to_vec(&MapJson::new(&seen.view.map))
    })
}

/// 200 while everything works, if only with less redundancy; 503 when something does not.
async fn cluster(State(web): State<Arc<Web>>) -> Response {
    let mut status = StatusCode::OK;
    let response = json(&web, StatusCode::OK, |seen| {
        let health = seen.health_json();
        if health.severity == "down" {
            status = StatusCode::SERVICE_UNAVAILABLE;
        }
        serde_json::to_vec(&health)
    });
    (status, response).into_response()
}

async fn show_metrics(State(web): State<Arc<Web>>) -> Response {
    match web.encode_metrics() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(fault) => unreadable(&fault),
    }
}

async fn live(State(web): State<Arc<Web>>) -> Response {
    state_of_process(web.live())
}

async fn ready(State(web): State<Arc<Web>>) -> Response {
    state_of_process(web.ready())
}

fn state_of_process(state: Result<(), String>) -> Response {
    match state {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason + "\n").into_response(),
    }
}

fn json(
    web: &Web,
    status: StatusCode,
    write: impl FnOnce(&Seen) -> serde_json::Result<Vec<u8>>,
) -> Response {
    let seen = match web.look() {
        Ok(seen) => seen,
        Err(fault) => return unreadable(&fault),
    };
    match write(&seen) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => unreadable(&error),
    }
}

fn unreadable(error: &dyn std::fmt::Display) -> Response {
    tracing::error!(%error, "the registry's state cannot be shown");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "the state of this replica cannot be read\n",
    )
        .into_response()
}
