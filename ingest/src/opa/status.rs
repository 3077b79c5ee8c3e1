//! A status of OPA, as an `agent_seen`.
//!
//! The revision that a bundle has active is `applied`; an error of the bundle is `failed`, while what ran goes on. A
//! bundle that was never activated runs nothing and says nothing. One error is no failure: with a long poll open, the
//! last status before a shutdown reports its own cancelled request; it is noted, not counted.
//!
//! A bundle that is active without a revision has the version `unversioned`: that it runs is known, and which one it is
//! nobody can tell. OPA's status has nothing else that two instances of one bundle have in common: no ETag, no digest.
//! An OPA with the old `bundle:` key says of that one what others say of each of their `bundles`.
//!
//! A status carries no time of its own, so its event time is the time of its receipt; and since OPA never sends one
//! twice, two alike are two sightings: the receipt is part of the event id.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use verdict_schemas::{Rejection, Timestamp, Version};

use super::OpaSettings;
use super::binding::{BindingSet, ScopeForm};
use super::canonical::{Canonical, Event, Meta, Notes, Place, event_id, source};
use super::document::{Document, elements, fields, scalar};
use super::mapping;
use super::report::{self, Agent, Fault};
use super::single::{self, Reports, Single};
use crate::seldom::Seldom;

#[derive(Serialize)]
struct Body<'a> {
    agent: Cow<'a, str>,
    incarnation: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workload: Option<Cow<'a, str>>,
    labels: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    lease_ms: u64,
    active: Vec<Active<'a>>,
}

#[derive(Clone, Serialize)]
struct Active<'a> {
    scope: ScopeForm,
    policy: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Cow<'a, str>>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Maps one status received at `now`.
///
/// # Errors
/// Why it is quarantined, or that the log could not be read.
pub(crate) fn status(
    foreign: &Bytes,
    reports: &Reports<'_>,
    bindings: &BindingSet,
    settings: &OpaSettings,
    now: Timestamp,
) -> Result<Canonical, Fault> {
    let place = reports.place;
    let raw = report::object(foreign)?;
    let status = Document::new(raw);
    let agent = Agent::read(&status)?;
    let mut notes = agent.notes();
    notes.insert("mapped/version".into(), mapping::VERSION.into());
    let mut active = Vec::new();
    let mut lease_ms = None;
    let mut bundles = match status.find("/bundles") {
        Some(raw) => fields(raw).ok_or_else(|| report::wrong("/bundles", "an object"))?,
        None => Vec::new(),
    };
    let mut unversioned = Vec::new();
    if let Some(raw) = status.find("/bundle") {
        fields(raw).ok_or_else(|| report::wrong("/bundle", "an object"))?;
        let name = report::optional_text(&status, "/bundle/name")?.filter(|name| !name.is_empty());
        let name = name.unwrap_or(single::NAMELESS.into());
        notes.insert(single::NAMED.into(), name.clone());
        bundles.push((name, raw));
    }
    for (name, bundle) in bundles {
        let binding = bindings.find(&name, (&place.tenant, &place.environment), now);
        if let Some(binding) = binding {
            lease_ms = lease_ms.or(binding.document.lease_ms);
            let names = notes.entry("mapped/bindings".into()).or_default().to_mut();
            *names += if names.is_empty() { "" } else { " " };
            *names += &binding.name();
        }
        let shown = name.clone();
        let (scope, policy) = report::policy(name, binding, place);
        let entry = Active {
            scope,
            policy,
            version: None,
            status: "applied",
            applied_at: None,
            error: None,
        };
        if entries(&Document::new(bundle), &shown, entry, &mut active, &mut notes)? {
            unversioned.push(shown);
        }
    }
    if !unversioned.is_empty() {
        warn(place, &agent, &unversioned);
        notes.insert(single::UNVERSIONED.into(), unversioned.join(" ").into());
    }
    if let Some(name) = notes.get(single::NAMED) {
        let (name, unversioned) = (name.clone().into_owned(), !unversioned.is_empty());
        reports.learn(&agent, Single { name, unversioned });
    }
    counters(&status, &mut notes);

    let digest: [u8; 32] = Sha256::digest(foreign).into();
    let event_id = event_id(&[
        b"verdict/opa/status/1",
        place.tenant.as_str().as_bytes(),
        place.environment.as_str().as_bytes(),
        &now.as_micros().to_be_bytes(),
        &digest,
    ]);
    let source = source(&place.environment, &agent.name);
    Ok(Canonical::write(&Event {
        kind: "agent_seen",
        meta: Meta {
            event_id,
            tenant: &place.tenant,
            source: &source,
            event_time: now.to_string().into(),
            environment: &place.environment,
            trace_id: None,
            span_id: None,
            correlation_id: None,
            labels: notes,
        },
        body: Body {
            labels: agent.notes(),
            agent: agent.name,
            incarnation: agent.incarnation,
            workload: agent.workload,
            lease_ms: lease_ms.unwrap_or(settings.lease_ms),
            active,
        },
    })?)
}

/// Says how a revision is made, once a minute.
fn warn(place: &Place, agent: &Agent<'_>, bundles: &[Cow<'_, str>]) {
    static SAID: Seldom = Seldom::new();
    if let Some(times) = SAID.again(Instant::now()) {
        tracing::warn!(
            tenant = %place.tenant, environment = %place.environment, agent = %agent.name, bundles = %bundles.join(" "), times,
            "an OPA runs a bundle without a revision, so its versions can not be told apart: build it with `opa build --revision`"
        );
    }
}

/// What one bundle's status says: what is applied, and what failed. Is it active without a revision?
fn entries<'a>(
    bundle: &Document<'a>,
    name: &str,
    entry: Active<'a>,
    active: &mut Vec<Active<'a>>,
    notes: &mut Notes<'a>,
) -> Result<bool, Rejection> {
    let revision = report::optional_text(bundle, "/active_revision")?.filter(|revision| !revision.is_empty());
    // A time that never was arrives as the year 1, which is outside our range.
    let at = report::optional_text(bundle, "/last_successful_activation")?;
    let applied_at = at.and_then(|at| Timestamp::parse(&at).ok());
    let unversioned = revision.is_none() && applied_at.is_some();
    let applied = revision.is_some() || unversioned;
    if applied {
        active.push(Active {
            version: Some(revision.unwrap_or(Version::UNVERSIONED.into())),
            applied_at,
            ..entry.clone()
        });
    }
    let code = bundle.find("/code").and_then(scalar);
    let errors = bundle.find("/errors").and_then(elements).unwrap_or_default();
    if code.is_none() && errors.is_empty() {
        return Ok(unversioned);
    }
    let message = bundle.find("/message").and_then(scalar).unwrap_or_default();
    let mut error = match code {
        Some(code) => format!("{code}: {message}"),
        None => message.clone().into_owned(),
    };
    if let Some(first) = errors.first() {
        error += &format!(" ({})", shortened(&told(first)));
    }
    if applied && errors.is_empty() && message.contains("context canceled") {
        notes.insert(format!("opa/error_at_shutdown/{name}").into(), error.into());
        return Ok(unversioned);
    }
    active.push(Active {
        status: "failed",
        error: Some(error),
        ..entry
    });
    Ok(unversioned)
}

/// An error's own message, else the whole of it.
fn told(error: &RawValue) -> String {
    let message = Document::new(error).find("/message").and_then(scalar);
    message.map_or_else(|| error.get().to_owned(), Cow::into_owned)
}

fn shortened(text: &str) -> String {
    text.chars().take(512).collect()
}

/// What OPA says it lost: evidence of incompleteness, in its own numbers.
fn counters(status: &Document<'_>, notes: &mut Notes<'_>) {
    let metrics = status.find("/metrics/prometheus").and_then(fields).unwrap_or_default();
    for (name, value) in metrics {
        let about_loss = name.starts_with("counter_decision_logs_")
            && ["dropped", "encoding_failure", "upload_failed"]
                .iter()
                .any(|word| name.contains(word));
        if about_loss && let Some(number) = scalar(value) {
            notes.insert(format!("opa/{name}").into(), number.into_owned().into());
        }
    }
    let logs = status
        .find("/decision_logs/message")
        .or_else(|| status.find("/decision_logs/code"));
    if let Some(said) = logs.and_then(scalar) {
        notes.insert("opa/decision_logs_error".into(), shortened(&said).into());
    }
}
