//! `v_intent`: the intent of a log in the form that the fold reads, one row per step, as JSON.

use crate::error::StoreError;
use crate::tables::Table;
use verdict_fold::Intent;

/// The row of an intent.
pub(crate) fn encode(intent: &Intent) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(intent).map_err(|error| StoreError::Views(format!("an intent could not be written: {error}")))
}

/// What a row says.
pub(crate) fn decode(step: u64, row: &[u8]) -> Result<Intent, StoreError> {
    serde_json::from_slice(row).map_err(|error| StoreError::corrupt(Table::Intent, format!("step {step}: {error}")))
}
