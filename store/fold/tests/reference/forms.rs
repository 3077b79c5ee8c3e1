//! The JSON forms that answers are made of.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use verdict_schemas::{EnvironmentPattern, Scope};

use super::series::{Member, Series};
use super::{Micros, Rolled, when};

/// E18.
pub(crate) fn distribution(members: &[Member]) -> Value {
    let mut shares: BTreeMap<Option<String>, (u64, u64)> = BTreeMap::new();
    for member in members {
        let share = shares.entry(member.version.clone()).or_default();
        if member.live { share.0 += 1 } else { share.1 += 1 }
    }
    let mut shares: Vec<_> = shares.into_iter().collect();
    shares.sort_by_key(|(version, (live, silent))| {
        (Reverse(*live), Reverse(*silent), version.is_none(), version.clone())
    });
    shares
        .into_iter()
        .map(|(version, (live, silent))| json!({ "version": version, "live": live, "silent": silent }))
        .collect()
}

/// E19.
pub(crate) fn partial(series: &Series<'_>, it: &Rolled<'_>, t: Micros) -> Value {
    let mut within = series.instants.iter().filter(|at| it.a <= **at && **at <= t);
    let state = if within.any(|at| series.partial_counts(it, *at).quorum_holds(it)) {
        "reached"
    } else if t < it.a + it.window() {
        "converging"
    } else {
        "overdue"
    };
    let counts = series.partial_counts(it, t);
    json!({
        "rollout_id": it.id, "to_version": it.version(), "target": { "labels": it.plan.target }, "state": state,
        "since": time(Some(it.a)), "have": counts.live_with(Some(it.version())),
        "need": counts.need(Some(it.plan.quorum)), "live": counts.live, "silent": counts.silent,
    })
}

pub(crate) fn time(at: Option<Micros>) -> Value {
    at.map_or(Value::Null, |at| json!(when(at).to_string()))
}

pub(crate) fn scope_json(scope: &Scope) -> Value {
    match scope {
        Scope::Global => json!({ "layer": "global" }),
        Scope::Environment(e) => json!({ "layer": "environment", "environment": e.as_str() }),
        Scope::Tenant(t, e) => {
            let environment = match e {
                EnvironmentPattern::Every => "*",
                EnvironmentPattern::One(e) => e.as_str(),
            };
            json!({ "layer": "tenant", "tenant": t.as_str(), "environment": environment })
        }
        Scope::Workload(t, e, w) => {
            json!({ "layer": "workload", "tenant": t.as_str(), "environment": e.as_str(), "workload": w.as_str() })
        }
    }
}
