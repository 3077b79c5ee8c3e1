//! The answers, as JSON: `effective` (E17 to E26), `history` and `compare` (E24).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use verdict_schemas::{ArtifactKind, Body, Combining, Environment, EnvironmentPattern, Scope, TenantId, WorkloadId};

use super::forms::{distribution, partial, scope_json, time};
use super::series::{Series, Who, cited_by, who};
use super::timeline::{Run, Timeline};
use super::{Micros, acts, rollouts};
use crate::histories::Record;

/// Everything of one cut, for one tenant and environment.
pub(crate) struct Reference<'a> {
    tenant: TenantId,
    environment: Environment,
    known_at: Micros,
    records: Vec<&'a Record>,
    asked: Vec<Micros>,
    /// The most series that an instance is observed in (E9).
    most: usize,
}

impl<'a> Reference<'a> {
    pub(crate) fn new(
        records: &'a [Record],
        tenant: &TenantId,
        environment: &Environment,
        known_at: Micros,
        asked: &[Micros],
        most: usize,
    ) -> Self {
        let records = records
            .iter()
            .filter(|record| record.understood.as_micros() <= known_at)
            .collect();
        let asked = asked.to_vec();
        Self {
            tenant: tenant.clone(),
            environment: environment.clone(),
            known_at,
            records,
            asked,
            most,
        }
    }

    /// Every (index, position) whose instance was observed in as many other series before, in the order in which records
    /// were understood (E9).
    pub(crate) fn beyond(&self) -> BTreeSet<(u64, usize)> {
        let mut series: BTreeMap<Who, BTreeSet<(&Scope, &str)>> = BTreeMap::new();
        let mut beyond = BTreeSet::new();
        for record in self.observed() {
            let named: Vec<(Who, &Scope, &str)> = match &record.event.body {
                Body::AgentSeen(seen) => {
                    let who = who(&seen.agent, seen.incarnation.as_ref());
                    let named = seen.active.iter();
                    named.map(|it| (who.clone(), &it.scope, it.policy.as_str())).collect()
                }
                Body::Decision(decision) => {
                    let cited = decision.policies.iter();
                    let source = record.event.meta.source.as_str();
                    cited
                        .map(|it| {
                            (
                                cited_by(decision, source, it.version.as_str()),
                                &it.scope,
                                it.policy.as_str(),
                            )
                        })
                        .collect()
                }
                _ => continue,
            };
            for (position, (who, scope, policy)) in named.into_iter().enumerate() {
                if !scope.covers(&self.tenant, &self.environment) {
                    continue;
                }
                let of = series.entry(who).or_default();
                if !of.contains(&(scope, policy)) && of.len() == self.most {
                    beyond.insert((record.place.index, position));
                } else {
                    of.insert((scope, policy));
                }
            }
        }
        beyond
    }

    fn log(&self, log: &TenantId) -> Vec<&'a Record> {
        self.records
            .iter()
            .copied()
            .filter(|record| record.log == *log)
            .collect()
    }

    fn observed(&self) -> Vec<&'a Record> {
        let ours = self.log(&self.tenant);
        ours.into_iter()
            .filter(|record| record.event.meta.environment.as_ref() == Some(&self.environment))
            .collect()
    }

    fn series(&self, scope: &Scope, policy: &str) -> Series<'a> {
        let observed = if self.tenant.is_platform() {
            vec![]
        } else {
            self.observed()
        };
        Series::new(
            &observed,
            &self.beyond(),
            &rollouts(&self.log(&scope.log())),
            scope,
            policy,
            &self.asked,
        )
    }

    fn scopes(&self, workload: Option<&WorkloadId>) -> Vec<Scope> {
        let (tenant, environment) = (&self.tenant, &self.environment);
        let mut scopes = vec![Scope::Global, Scope::Environment(environment.clone())];
        if !tenant.is_platform() {
            scopes.push(Scope::Tenant(tenant.clone(), EnvironmentPattern::Every));
            scopes.push(Scope::Tenant(
                tenant.clone(),
                EnvironmentPattern::One(environment.clone()),
            ));
            scopes.extend(workload.map(|it| Scope::Workload(tenant.clone(), environment.clone(), it.clone())));
        }
        scopes
    }

    /// The standing publications of a (scope, policy) by version: (f, record, digest, combining).
    fn published(&self, scope: &Scope, policy: &str) -> BTreeMap<String, (&'a Record, String, Combining)> {
        let mut published = BTreeMap::new();
        for record in self.log(&scope.log()) {
            let Body::ArtifactPublished(it) = &record.event.body else {
                continue;
            };
            if it.artifact == ArtifactKind::PolicyBundle && it.scope == *scope && it.policy.as_str() == policy {
                let entry = (record, it.digest.to_string(), it.combining);
                published.entry(it.version.as_str().to_owned()).or_insert(entry);
            }
        }
        published
    }

    /// All policy names that any record speaks of.
    fn policies(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for record in &self.records {
            match &record.event.body {
                Body::Rollout(rollout) => {
                    if let verdict_schemas::Phase::Started(plan) = &rollout.phase {
                        names.insert(plan.policy.as_str().to_owned());
                    }
                }
                Body::ArtifactPublished(it) => drop(names.insert(it.policy.as_str().to_owned())),
                Body::AgentSeen(it) => names.extend(it.active.iter().map(|it| it.policy.as_str().to_owned())),
                Body::Decision(it) => names.extend(it.policies.iter().map(|it| it.policy.as_str().to_owned())),
                _ => {}
            }
        }
        names
    }

    pub(crate) fn effective(&self, workload: Option<&WorkloadId>, t: Micros) -> Value {
        let mut entries = Vec::new();
        for scope in self.scopes(workload) {
            for policy in self.policies() {
                let series = self.series(&scope, &policy);
                let published = self.published(&scope, &policy);
                let listed = published.values().any(|(record, _, _)| acts(record) <= t)
                    || series.stack.iter().chain(&series.partials).any(|it| it.started_by(t))
                    || series.observed_by(t);
                if listed {
                    entries.push((scope.clone(), self.entry(&series, &scope, &policy, &published, t)));
                }
            }
        }
        let all = entries.clone();
        for (place, (_, entry)) in entries.iter_mut().enumerate() {
            let over = all.iter().skip(place + 1).rev().find(|(scope, other)| {
                other["policy"] == entry["policy"] && other["combining"] == "override" && *scope > all[place].0
            });
            if let Some((_, other)) = over {
                entry
                    .as_object_mut()
                    .unwrap()
                    .insert("overridden_by".into(), other["scope"].clone());
            }
        }
        let policies: Vec<_> = entries.into_iter().map(|(_, entry)| entry).collect();
        json!({ "policies": policies, "exceptions": self.exceptions(workload, t) })
    }

    fn entry(
        &self,
        series: &Series<'_>,
        scope: &Scope,
        policy: &str,
        published: &BTreeMap<String, (&Record, String, Combining)>,
        t: Micros,
    ) -> Value {
        let timeline = Timeline::new(series);
        let (state, version, desired, rollout_id) = timeline.at(t).clone();
        let (counts, members, top) = (series.counts(t), series.members(t), series.top(t));
        let publication = version.as_ref().and_then(|version| published.get(version));
        let certainty = match (series.observed_by(t), &desired) {
            (false, Some(_)) => "declared",
            (false, None) => "none",
            _ if counts.holder().is_some() => "observed",
            _ if 2 * counts.live > counts.live + counts.silent => "split",
            _ => "lapsed",
        };
        let wanted = if top.is_some() { &desired } else { &version };
        let mut entry = Map::new();
        let mut put = |name: &str, value: Value| entry.insert(name.to_owned(), value);
        put("scope", scope_json(scope));
        put("policy", json!(policy));
        put("version", json!(version));
        put("state", json!(state));
        put("since", time(timeline.since(t, |run| run.1.clone())));
        put("state_since", time(timeline.since(t, Clone::clone)));
        put("until", time(timeline.until(t, self.known_at)));
        put("certainty", json!(certainty));
        put(
            "applied",
            json!({
                "have": counts.live_with(wanted.as_deref()), "need": counts.need(top.map(|it| it.plan.quorum)),
                "live": counts.live, "silent": counts.silent,
            }),
        );
        put("distribution", distribution(&members));
        put(
            "partials",
            series
                .open_partials(t)
                .iter()
                .map(|it| partial(series, it, t))
                .collect(),
        );
        put(
            "combining",
            json!(match publication {
                Some((_, _, Combining::Override)) => "override",
                _ => "all",
            }),
        );
        if let Some((_, digest, _)) = publication {
            put("digest", json!(digest));
        }
        if let Some(cited) = version.as_ref().and_then(|version| series.last_cited(version, t)) {
            put("last_exercised", time(Some(cited)));
        }
        if let Some(desired) = &desired {
            put("desired", json!(desired));
            put("desired_since", time(series.desired_since(t)));
            put("rollout_id", json!(rollout_id));
        }
        if let Some(admissible) = series.admissible(t) {
            put("admissible", json!(admissible));
        }
        let (shown, more) = self.evidence(series, scope, version.as_deref(), publication.map(|it| it.0), t);
        put("evidence", Value::Array(shown));
        if more > 0 {
            put("evidence_more", json!(more));
        }
        Value::Object(entry)
    }

    /// E26.
    fn evidence(
        &self,
        series: &Series<'_>,
        scope: &Scope,
        version: Option<&str>,
        publication: Option<&Record>,
        t: Micros,
    ) -> (Vec<Value>, usize) {
        let log = scope.log();
        let record = |index: u64, id: verdict_schemas::EventId, kind: &str| json!({ "tenant": log.as_str(), "index": index, "event_id": id.to_string(), "kind": kind });
        let mut all = Vec::new();
        if let Some(top) = series.top(t) {
            all.push(record(top.index, top.event_id, "rollout"));
        }
        let with = series
            .stack
            .iter()
            .rfind(|it| it.started_by(t) && Some(it.version()) == version);
        all.extend(with.map(|it| record(it.index, it.event_id, "rollout")));
        if let (Some(top), Some(since)) = (series.top(t), series.desired_since(t)) {
            // Uncovered: the top was there already, below the one that was top, which went away just then.
            let uncovered = top.a < since;
            let above = series.top(since - 1).filter(|_| uncovered);
            let back = above.and_then(|above| above.backs.iter().min_by_key(|(f, index, _)| (*f, *index)));
            all.extend(back.map(|(_, index, id)| record(*index, *id, "rollout")));
        }
        all.extend(publication.map(|it| record(it.place.index, it.event.meta.event_id, "artifact_published")));
        let members = series.members(t);
        let gave = members
            .iter()
            .filter(|it| it.live && it.version.as_deref() == version)
            .filter_map(|it| it.gave);
        let gave: Vec<_> = gave.collect();
        for (index, id, kind) in gave.iter().take(10) {
            let id = id.to_string();
            all.push(json!({ "tenant": self.tenant.as_str(), "index": index, "event_id": id, "kind": kind }));
        }
        let mut once: Vec<Value> = Vec::new();
        for it in all {
            if !once.contains(&it) {
                once.push(it);
            }
        }
        (once, gave.len().saturating_sub(10))
    }

    /// E25.
    fn exceptions(&self, workload: Option<&WorkloadId>, t: Micros) -> Vec<Value> {
        let mut latest: BTreeMap<String, (&Record, (Micros, u64))> = BTreeMap::new();
        for record in self.log(&self.tenant) {
            let Body::ObjectChanged(it) = &record.event.body else {
                continue;
            };
            let order = (acts(record), record.place.index);
            if it.object.kind == "exception" && order.0 <= t {
                let entry = latest.entry(it.object.id.clone()).or_insert((record, order));
                if order > entry.1 {
                    *entry = (record, order);
                }
            }
        }
        let mut shown = Vec::new();
        for (id, (record, _)) in latest {
            let Body::ObjectChanged(it) = &record.event.body else {
                continue;
            };
            let (Some(_), Some(document)) = (&it.after, &it.exception) else {
                continue;
            };
            let (from, until) = (it.valid_from.unwrap().as_micros(), it.valid_until.unwrap().as_micros());
            let Scope::Workload(tenant, environment, name) = &document.scope else {
                continue;
            };
            let ours = *tenant == self.tenant && *environment == self.environment && Some(name) == workload;
            if !ours || t < from || until <= t {
                continue;
            }
            let mut entry = json!({
                "id": id, "object_version": it.version, "scope": scope_json(&document.scope),
                "policy": document.policy.as_str(), "effect": format!("{:?}", document.effect).to_lowercase(),
                "approver": serde_json::from_str::<Value>(document.approver.get()).unwrap(),
                "reason": document.reason, "valid_from": time(Some(from)), "valid_until": time(Some(until)),
                "evidence": [{ "tenant": self.tenant.as_str(), "index": record.place.index,
                    "event_id": record.event.meta.event_id.to_string(), "kind": "object_changed" }],
            });
            if let Some(version) = &document.version {
                entry["version"] = json!(version.as_str());
            }
            shown.push(entry);
        }
        shown
    }

    /// E24: every run, then those that have an instant in the range.
    pub(crate) fn history(&self, scope: &Scope, policy: &str, from: Option<Micros>, to: Option<Micros>) -> Value {
        let timeline = Timeline::new(&self.series(scope, policy));
        let mut runs: Vec<(Option<Micros>, Option<Micros>, Run)> = Vec::new();
        for (at, run) in timeline
            .0
            .into_iter()
            .filter(|(at, _)| at.is_none_or(|at| at <= self.known_at))
        {
            match runs.last_mut() {
                Some((_, _, last)) if *last == run => {}
                last => {
                    if let Some((_, until, _)) = last {
                        *until = at;
                    }
                    runs.push((at, None, run));
                }
            }
        }
        let (from, to) = (from.unwrap_or(0), to.unwrap_or(i64::MAX).min(self.known_at + 1));
        let meets = |since: Option<Micros>, until: Option<Micros>| {
            let (since, until) = (since.unwrap_or(0).max(from), until.unwrap_or(i64::MAX).min(to));
            since < until
        };
        let mut shown = Vec::new();
        for (since, until, (state, version, desired, rollout)) in runs {
            if meets(since, until) {
                let mut run = json!({ "scope": scope_json(scope), "policy": policy, "state": state,
                    "version": version, "since": time(since), "until": time(until) });
                if let Some(desired) = desired {
                    run["desired"] = json!(desired);
                    run["rollout_id"] = json!(rollout);
                }
                shown.push(run);
            }
        }
        Value::Array(shown)
    }

    /// E24, from two answers of `effective`.
    pub(crate) fn compare(&self, workload: Option<&WorkloadId>, at: Micros, with: Micros) -> Value {
        let (one, other) = (self.effective(workload, at), self.effective(workload, with));
        let list = |answer: &Value, name: &str| answer[name].as_array().unwrap().clone();
        let mut policies = Vec::new();
        for scope in self.scopes(workload) {
            for policy in self.policies() {
                let scope = scope_json(&scope);
                let of = |answer| {
                    let mut entries = list(answer, "policies").into_iter();
                    entries.find(|it| it["scope"] == scope && it["policy"] == policy.as_str())
                };
                let (one, other) = (of(&one), of(&other));
                let fields = ["state", "version", "desired", "digest", "overridden_by"];
                let differ = match (&one, &other) {
                    (Some(one), Some(other)) => fields.iter().any(|it| one.get(*it) != other.get(*it)),
                    (one, other) => one.is_some() != other.is_some(),
                };
                if differ {
                    policies.push(sides(json!({ "scope": scope, "policy": policy }), one, other));
                }
            }
        }
        let (one, other) = (list(&one, "exceptions"), list(&other, "exceptions"));
        let id = |it: &Value| it["id"].as_str().unwrap().to_owned();
        let ids: BTreeSet<String> = one.iter().chain(&other).map(id).collect();
        let of = |list: &[Value], wanted: &str| list.iter().find(|it| it["id"] == wanted).cloned();
        let both = ids.iter().map(|id| (id, of(&one, id), of(&other, id)));
        let exceptions: Vec<_> = both
            .filter(|it| it.1 != it.2)
            .map(|(id, one, other)| sides(json!({ "id": id }), one, other))
            .collect();
        json!({ "policies": policies, "exceptions": exceptions })
    }
}

fn sides(mut entry: Value, at: Option<Value>, with: Option<Value>) -> Value {
    for (name, side) in [("at", at), ("with", with)] {
        if let Some(side) = side {
            entry[name] = side;
        }
    }
    entry
}
