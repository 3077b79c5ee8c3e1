//! What OPA's decision events and statuses have in common: who reports, and how fields are read.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;
use verdict_schemas::{Rejection, rule};
use verdict_store::StoreError;

use super::binding::{Binding, ScopeForm};
use super::canonical::{Notes, Place};
use super::document::{Document, elements, fields, text};

/// The agent for an OPA that names neither `agent` nor `app` among its labels.
const NAMELESS: &str = "opa";

/// What the labels that we add begin with.
const OURS: [&str; 2] = ["mapped/", "opa/"];

/// The OPA that reports.
#[derive(Debug)]
pub(crate) struct Agent<'a> {
    /// `labels.agent`, else `labels.app`, else `opa`.
    pub(crate) name: Cow<'a, str>,
    /// `labels.id`: new at each start.
    pub(crate) incarnation: Cow<'a, str>,
    /// `labels.workload`.
    pub(crate) workload: Option<Cow<'a, str>>,
    /// All labels, in their order.
    pub(crate) labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Agent<'a> {
    /// Reads `labels`.
    ///
    /// # Errors
    /// When there are none, one is no string, or `id` is not among them.
    pub(crate) fn read(report: &Document<'a>) -> Result<Self, Rejection> {
        let raw = report.find("/labels").ok_or_else(|| missing("/labels"))?;
        let all = fields(raw).ok_or_else(|| wrong("/labels", "an object"))?;
        let mut labels: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::with_capacity(all.len());
        for (name, value) in all {
            if value.get() == "null" {
                continue;
            }
            let value = text(value).ok_or_else(|| wrong(&format!("/labels/{name}"), "a string"))?;
            labels.retain(|(earlier, _)| *earlier != name);
            labels.push((name, value));
        }
        let label = |name: &str| labels.iter().find(|(key, value)| key == name && !value.is_empty());
        let value = |name: &str| label(name).map(|(_, value)| value.clone());
        Ok(Self {
            name: value("agent").or_else(|| value("app")).unwrap_or(NAMELESS.into()),
            incarnation: value("id").ok_or_else(|| missing("/labels/id"))?,
            workload: value("workload"),
            labels,
        })
    }

    /// Its labels, to which what is found out is added. One that looks like ours is none of its.
    pub(crate) fn notes(&self) -> Notes<'a> {
        let ours = |name: &str| OURS.iter().any(|prefix| name.starts_with(prefix));
        self.labels.iter().filter(|(name, _)| !ours(name)).cloned().collect()
    }
}

/// Why a report could not be mapped.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It is none: it is quarantined.
    Report(Rejection),
    /// The log could not be read: its sender sends it again.
    Store(StoreError),
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        Self::Report(rejection)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The scope and the policy that a bundle is: those of its binding, else the policy of its name in this place.
pub(crate) fn policy<'a>(name: Cow<'a, str>, binding: Option<&Binding>, place: &Place) -> (ScopeForm, Cow<'a, str>) {
    match binding {
        Some(binding) => (binding.document.scope.clone(), binding.document.policy.clone().into()),
        None => (ScopeForm::of(&place.tenant, &place.environment), name),
    }
}

/// The bytes of one report, as JSON that is an object.
///
/// # Errors
/// When they are not.
pub(crate) fn object(foreign: &Bytes) -> Result<&RawValue, Rejection> {
    let raw: &RawValue =
        serde_json::from_slice(foreign).map_err(|error| Rejection::new(rule::INVALID_JSON, error.to_string()))?;
    if raw.get().starts_with('{') {
        Ok(raw)
    } else {
        Err(Rejection::new(rule::WRONG_TYPE, "expected an object"))
    }
}

/// A string that must be there.
///
/// # Errors
/// When it is absent or no string.
pub(crate) fn required_text<'a>(report: &Document<'a>, pointer: &str) -> Result<Cow<'a, str>, Rejection> {
    optional_text(report, pointer)?.ok_or_else(|| missing(pointer))
}

/// A string that may be there.
///
/// # Errors
/// When it is there and no string.
pub(crate) fn optional_text<'a>(report: &Document<'a>, pointer: &str) -> Result<Option<Cow<'a, str>>, Rejection> {
    report
        .find(pointer)
        .map(|raw| text(raw).ok_or_else(|| wrong(pointer, "a string")))
        .transpose()
}

/// A list of strings; absent is empty.
///
/// # Errors
/// When it is something else.
pub(crate) fn texts<'a>(event: &Document<'a>, pointer: &str) -> Result<Vec<Cow<'a, str>>, Rejection> {
    let Some(raw) = event.find(pointer) else {
        return Ok(Vec::new());
    };
    let wrong = || wrong(pointer, "a list of strings");
    elements(raw)
        .ok_or_else(wrong)?
        .into_iter()
        .map(|element| text(element).ok_or_else(wrong))
        .collect()
}

pub(crate) fn wrong(pointer: &str, expected: &str) -> Rejection {
    Rejection::at(rule::WRONG_TYPE, pointer, format!("expected {expected}"))
}

fn missing(pointer: &str) -> Rejection {
    Rejection::at(rule::MISSING_FIELD, pointer, "OPA always sends this field")
}
