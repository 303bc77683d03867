//! The registry in this process and as a program: wire, web pages, replicas.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod support;

mod dashboard;
mod http;
mod lost;
mod program;
mod slow;
mod three;
mod wire;
