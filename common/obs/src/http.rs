//! `/metrics`, `/health/live` and `/health/ready`, by themselves or within a program's own router.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Health, Metrics};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The three routes; merge it into another router, or serve it as it is.
pub fn routes(metrics: Metrics, health: Health) -> Router {
    let (live, ready) = (health.clone(), health);
    Router::new()
        .route(
            "/metrics",
            get(async move || ([(header::CONTENT_TYPE, OPEN_METRICS)], metrics.encode())),
        )
        .route("/health/live", get(async move || answer(live.live())))
        .route("/health/ready", get(async move || answer(ready.ready())))
}

fn answer(state: Result<(), String>) -> Response {
    match state {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason + "\n").into_response(),
    }
}

/// A bound HTTP server, not yet running.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    local: SocketAddr,
}

impl HttpServer {
    /// Listens on `address`; port 0 takes a free one.
    pub async fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("listen for HTTP on {address}"))?;
        let local = listener.local_addr()?;
        Ok(Self { listener, local })
    }

    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves until `shutdown`; requests under way are not waited for.
    pub async fn run(self, router: Router, shutdown: CancellationToken) -> anyhow::Result<()> {
        tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            result = async { axum::serve(self.listener, router).await } => {
                result.context("serve HTTP")
            }
        }
    }
}
