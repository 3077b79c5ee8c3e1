//! An event of OPA's decision log, as a `decision`.
//!
//! Required of it: an object, `labels.id` (OPA makes it new at each start: the incarnation), and a `timestamp`. A field
//! that is known and of another type is not guessed at: the event is quarantined with its bytes. Whatever is not mapped
//! here (`mapped_result`, `rule_labels`, `custom`, `request_context`, ...) stays in the bytes received.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use verdict_schemas::{Rejection, Timestamp, Version, rule};

use super::binding::{Binding, BindingSet, ScopeForm};
use super::canonical::{Canonical, Event, Meta, Notes, event_id, source};
use super::document::{Document, fields, scalar};
use super::found::{Found, Named};
use super::mapping::{self, UNMAPPED};
use super::outcome::{self, Outcome};
use super::reasons::reasons;
use super::report::{self, Agent, Fault, texts};
use super::single::{self, Reports};

#[derive(Serialize)]
struct Body<'a> {
    decision_id: Cow<'a, str>,
    actor: TypedForm<'a>,
    action: Cow<'a, str>,
    resource: TypedForm<'a>,
    outcome: Outcome,
    reasons: Vec<Cow<'a, str>>,
    policies: Vec<Cited<'a>>,
    determining_rules: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nondeterministic_inputs: Option<&'a RawValue>,
    masked: Vec<Cow<'a, str>>,
    erased: Vec<Cow<'a, str>>,
    agent: Cow<'a, str>,
    incarnation: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workload: Option<Cow<'a, str>>,
    placement: &'static str,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u64>,
}

#[derive(Serialize)]
struct TypedForm<'a> {
    r#type: Cow<'a, str>,
    id: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<Cow<'a, RawValue>>,
}

#[derive(Serialize)]
struct Cited<'a> {
    scope: ScopeForm,
    policy: Cow<'a, str>,
    version: Cow<'a, str>,
}

/// What a decision's `bundles` say.
#[derive(Default)]
struct Bundles<'a, 'b> {
    cited: Vec<Cited<'a>>,
    /// Bundles without a revision.
    unversioned: Vec<Cow<'a, str>>,
    /// The name of the single bundle of an old configuration, which may not be known.
    single: Option<Option<String>>,
    bindings: Vec<&'b Binding>,
}

/// Maps one event.
///
/// # Errors
/// Why it is quarantined, or that the log could not be read.
pub(crate) fn decision(foreign: &Bytes, reports: &Reports<'_>, bindings: &BindingSet) -> Result<Canonical, Fault> {
    let place = reports.place;
    let raw = report::object(foreign)?;
    let event = Document::new(raw);
    let agent = Agent::read(&event)?;
    let event_time = report::required_text(&event, "/timestamp")?;
    let time = Timestamp::parse(&event_time)
        .map_err(|error| Rejection::at(rule::INVALID_TIME, "/timestamp", error.to_string()))?;
    let given_id = report::optional_text(&event, "/decision_id")?.filter(|id| !id.is_empty());
    let digest: [u8; 32] = Sha256::digest(foreign).into();
    let event_id = event_id(&[
        b"verdict/opa/decision/1",
        place.tenant.as_str().as_bytes(),
        place.environment.as_str().as_bytes(),
        agent.incarnation.as_bytes(),
        given_id.as_deref().unwrap_or_default().as_bytes(),
        &digest,
    ]);
    let bundles = cited(&event, &agent, (reports, bindings), time)?;
    let bound = |field: fn(&Binding) -> Option<&str>| bundles.bindings.iter().find_map(|binding| field(binding));

    let mut notes = agent.notes();
    let actor = mapping::actor(&event, bound(|b| b.document.actor.as_deref()));
    let action = mapping::action(&event, bound(|b| b.document.action.as_deref()));
    let resource = mapping::resource(&event, bound(|b| b.document.resource.as_deref()));
    let (outcome, by) = outcome::outcome(&event, bound(|b| b.document.outcome.as_deref()))?;
    note(&mut notes, "mapped/actor", pointer(actor.as_ref()));
    note(&mut notes, "mapped/action", pointer(action.as_ref()));
    note(&mut notes, "mapped/resource", pointer(resource.as_ref()));
    note(&mut notes, "mapped/outcome", by);
    note(&mut notes, "mapped/version", mapping::VERSION.into());
    if !bundles.bindings.is_empty() {
        let names: Vec<String> = bundles.bindings.iter().map(|binding| binding.name()).collect();
        note(&mut notes, "mapped/bindings", names.join(" ").into());
    }
    if !bundles.unversioned.is_empty() {
        note(&mut notes, single::UNVERSIONED, bundles.unversioned.join(" ").into());
    }
    match bundles.single {
        Some(Some(name)) => note(&mut notes, single::NAMED, name.into()),
        Some(None) => note(&mut notes, "mapped/policy", UNMAPPED.into()),
        None => {}
    }
    for (name, pointer) in [
        ("opa/path", "/path"),
        ("opa/requested_by", "/requested_by"),
        ("opa/revision", "/revision"),
    ] {
        if let Some(text) = report::optional_text(&event, pointer)?.filter(|text| !text.is_empty()) {
            note(&mut notes, name, text);
        }
    }
    if let Some(number) = event.find("/req_id").and_then(scalar) {
        note(&mut notes, "opa/req_id", number);
    }

    let path = report::optional_text(&event, "/path")?;
    let path = path
        .map(|path| path.trim_start_matches('/').to_owned())
        .filter(|path| !path.is_empty());
    let source = source(&place.environment, &agent.name);
    Ok(Canonical::write(&Event {
        kind: "decision",
        meta: Meta {
            event_id,
            tenant: &place.tenant,
            source: &source,
            event_time,
            environment: &place.environment,
            trace_id: report::optional_text(&event, "/trace_id")?.filter(|id| !id.is_empty()),
            span_id: report::optional_text(&event, "/span_id")?.filter(|id| !id.is_empty()),
            // What the caller of a batch was given for all of its decisions.
            correlation_id: report::optional_text(&event, "/batch_decision_id")?.filter(|id| !id.is_empty()),
            labels: notes,
        },
        body: Body {
            decision_id: given_id.unwrap_or_else(|| format!("opa-{event_id}").into()),
            actor: typed(actor),
            action: action.map_or(UNMAPPED.into(), |found| found.value),
            resource: typed(resource),
            outcome,
            reasons: reasons(&event, outcome),
            policies: bundles.cited,
            determining_rules: path.into_iter().map(Cow::Owned).collect(),
            input: event.find("/input"),
            result: event.find("/result"),
            nondeterministic_inputs: event.find("/nd_builtin_cache"),
            masked: texts(&event, "/masked")?,
            erased: texts(&event, "/erased")?,
            agent: agent.name,
            incarnation: agent.incarnation,
            workload: agent.workload,
            placement: "local",
            mode: "normal",
            duration_us: event.find("/metrics/timer_server_handler_ns").and_then(micros),
        },
    })?)
}

/// The bundles that the decision was made under.
fn cited<'a, 'b>(
    event: &Document<'a>,
    agent: &Agent<'a>,
    (reports, bindings): (&Reports<'_>, &'b BindingSet),
    at: Timestamp,
) -> Result<Bundles<'a, 'b>, Fault> {
    let mut all = Bundles::default();
    let revision_in = |document: &Document<'a>| report::optional_text(document, "/revision");
    let mut found = Vec::new();
    if let Some(raw) = event.find("/bundles") {
        for (name, bundle) in fields(raw).ok_or_else(|| report::wrong("/bundles", "an object"))? {
            found.push((name, revision_in(&Document::new(bundle))?));
        }
    } else {
        // Of the single bundle of an old configuration only the revision is told.
        let revision = revision_in(event)?.filter(|revision| !revision.is_empty());
        match (reports.single_bundle(agent)?, revision) {
            (Some(single), revision) if revision.is_some() || single.unversioned => {
                all.single = Some(Some(single.name.clone()));
                found.push((single.name.into(), revision));
            }
            (None, Some(revision)) => {
                all.single = Some(None);
                found.push((single::NAMELESS.into(), Some(revision)));
            }
            _ => {}
        }
    }
    let place = reports.place;
    for (name, revision) in found {
        let binding = bindings.find(&name, (&place.tenant, &place.environment), at);
        all.bindings.extend(binding);
        let version = revision.filter(|revision| !revision.is_empty()).unwrap_or_else(|| {
            all.unversioned.push(name.clone());
            Version::UNVERSIONED.into()
        });
        let (scope, policy) = report::policy(name, binding, place);
        all.cited.push(Cited { scope, policy, version });
    }
    Ok(all)
}

fn typed(found: Option<Found<Named<'_>>>) -> TypedForm<'_> {
    match found {
        Some(Found { value, .. }) => TypedForm {
            r#type: value.kind,
            id: value.id,
            properties: value.properties,
        },
        None => TypedForm {
            r#type: UNMAPPED.into(),
            id: UNMAPPED.into(),
            properties: None,
        },
    }
}

fn pointer<'a, T>(found: Option<&Found<T>>) -> Cow<'a, str> {
    found.map_or(UNMAPPED.into(), |found| found.by.clone().into())
}

fn note<'a>(notes: &mut Notes<'a>, name: &'static str, value: Cow<'a, str>) {
    notes.insert(name.into(), value);
}

/// Nanoseconds as microseconds; zero is OPA's way to say that it did not measure.
fn micros(raw: &RawValue) -> Option<u64> {
    raw.get()
        .parse::<u64>()
        .ok()
        .filter(|nanos| *nanos > 0)
        .map(|nanos| nanos / 1000)
}
