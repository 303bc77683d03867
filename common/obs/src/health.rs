//! Whether a process should be given work, and whether it should be restarted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Health of a process; a clone is the same. A new one is alive and not ready.
#[derive(Clone, Debug)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    not_ready: Option<String>,
    dead: Option<String>,
}

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            not_ready: Some("starting".to_owned()),
            dead: None,
        })))
    }
}

impl Health {
    /// Work is welcome.
    pub fn set_ready(&self) {
        self.lock().not_ready = None;
    }

    /// Work is not welcome; `reason` is a phrase for people.
    pub fn set_not_ready(&self, reason: impl Into<String>) {
        self.lock().not_ready = Some(reason.into());
    }

    /// Only a restart helps; there is no way back.
    pub fn set_dead(&self, reason: impl Into<String>) {
        self.lock().dead = Some(reason.into());
    }

    /// `Err` with the reason if the process should be restarted.
    pub fn live(&self) -> Result<(), String> {
        self.lock().dead.clone().map_or(Ok(()), Err)
    }

    /// `Err` with the reason if it should not be given work.
    pub fn ready(&self) -> Result<(), String> {
        let state = self.lock();
        let reason = state.dead.as_ref().or(state.not_ready.as_ref());
        reason.cloned().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Both fields are set whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
