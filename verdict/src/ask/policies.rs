//! Questions about policies: at a moment, over a range, between two moments.

use serde_json::Value;

use super::names::{Names, unknown_tenant};
use super::{Query, footline, list};
use crate::cli::{CompareArgs, EffectiveArgs, HistoryArgs, KnownArgs, Output};
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{Cell, Rows, answer, cell, line, must, room, said, scope, table, text, time, when, wide};

/// `verdict effective`
pub(crate) async fn effective(args: &EffectiveArgs) -> Result<(), Failure> {
    let query = Query::new()
        .with("environment", Some(&args.environment))
        .with("workload", args.workload.as_ref())
        .cut(&args.cut)?;
    let client = Client::new(&args.server)?;
    let found = client
        .get(&["v1", "tenants", &args.tenant, "effective"], &query.pairs)
        .await?;
    let form = args.server.output;
    answer(form, &found, "policies", |value| {
        effective_table(value, form, &args.cut.known)
    })?;
    there(&client, &args.tenant, &args.environment, &found.value).await?;
    let any = ["policies", "exceptions"]
        .iter()
        .any(|what| !list(&found.value, what).is_empty());
    found_some(any, "no policy was in force")
}

/// An answer about a tenant or an environment that nobody named is none, though the platform's policies hold there too.
async fn there(client: &Client, tenant: &str, environment: &str, answer: &Value) -> Result<(), Failure> {
    if let Some(unknown) = unknown_tenant(answer) {
        return Err(unknown);
    }
    let names = Names {
        environment: Some(environment),
        policy: None,
    };
    names.unknown(client, tenant).await?.map_or(Ok(()), Err)
}

/// Prints an `effective` answer for people.
fn effective_table(value: &Value, form: Output, known: &KnownArgs) -> Result<(), Failure> {
    let rows = list(value, "policies");
    let mut policies = table(&[
        must("policy"),
        room("layer", 5),
        must("version"),
        room("state", 1),
        room("since", 2),
        room("certainty", 7),
        room("desired", 4),
        room("applied", 3),
        room("instances", 6),
        wide("rollout"),
        wide("state since"),
        wide("last exercised"),
    ]);
    for entry in rows {
        policies.add_row([
            cell(entry, "/policy"),
            scope(&entry["scope"]).into(),
            cell(entry, "/version"),
            cell(entry, "/state"),
            when(entry, "/since"),
            cell(entry, "/certainty"),
            cell(entry, "/desired"),
            format!(
                "{}, needs {}",
                text(entry, "/applied/have"),
                text(entry, "/applied/need")
            )
            .into(),
            distribution(entry),
            cell(entry, "/rollout_id"),
            when(entry, "/state_since"),
            when(entry, "/last_exercised"),
        ]);
    }
    if form == Output::Csv {
        return policies.print(form);
    }
    line(&headline(value))?;
    if !rows.is_empty() {
        policies.print(form)?;
    }
    beside(rows)?;
    for exception in list(value, "exceptions") {
        line(&exception_line(exception))?;
    }
    footline(value, known)
}

/// What a row of a table has no room for.
fn beside(rows: &[Value]) -> Result<(), Failure> {
    for entry in rows {
        if let Some(over) = entry.get("overridden_by") {
            line(&format!(
                "  {} ({}) is overridden by {}",
                text(entry, "/policy"),
                scope(&entry["scope"]),
                scope(over)
            ))?;
        }
        for partial in list(entry, "partials") {
            line(&format!(
                "  {}: partial rollout {} to {} is {} ({} run it, needs {})",
                text(entry, "/policy"),
                text(partial, "/rollout_id"),
                text(partial, "/to_version"),
                text(partial, "/state"),
                text(partial, "/have"),
                text(partial, "/need"),
            ))?;
        }
    }
    Ok(())
}

fn exception_line(exception: &Value) -> String {
    let effect = match exception.get("version").and_then(Value::as_str) {
        Some(version) => format!("{} with {version}", text(exception, "/effect")),
        None => text(exception, "/effect"),
    };
    format!(
        "  exception {}: {} {} until {} (approved by {}: {})",
        text(exception, "/id"),
        effect,
        text(exception, "/policy"),
        time(exception, "/valid_until"),
        text(exception, "/approver"),
        text(exception, "/reason"),
    )
}

/// `verdict history`
pub(crate) async fn history(args: &HistoryArgs) -> Result<(), Failure> {
    let query = Query::new()
        .with("environment", Some(&args.environment))
        .with("policy", Some(&args.policy))
        .with("layer", Some(&args.layer))
        .with("workload", args.workload.as_ref())
        .range(&args.range)?
        .known(&args.known)?;
    let client = Client::new(&args.server)?;
    let found = client
        .get(&["v1", "tenants", &args.tenant, "history"], &query.pairs)
        .await?;
    let form = args.server.output;
    answer(form, &found, "runs", |value| history_table(value, form, &args.known))?;
    if let Some(unknown) = unknown_tenant(&found.value) {
        return Err(unknown);
    }
    if found.value.get("named") == Some(&Value::Bool(false)) {
        let names = Names {
            environment: Some(&args.environment),
            policy: Some(&args.policy),
        };
        let unknown = names.unknown(&client, &args.tenant).await?;
        return Err(unknown.unwrap_or_else(|| {
            Failure::Unknown(format!(
                "nobody has named the policy `{}` in this scope ({}), as far as this cut goes: no rollout, publication, report \
                 or decision does; it is named in another layer or environment",
                args.policy, args.layer
            ))
        }));
    }
    found_some(!list(&found.value, "runs").is_empty(), "no run meets this range")
}

/// Prints a `history` answer for people.
fn history_table(value: &Value, form: Output, known: &KnownArgs) -> Result<(), Failure> {
    let mut runs = table(&[
        must("since"),
        room("until", 2),
        room("state", 1),
        must("version"),
        room("desired", 3),
        room("rollout", 4),
        said("note", 5),
    ]);
    // Of a policy that nobody named there is one run, of nothing.
    let nobody = value.get("named") == Some(&Value::Bool(false));
    for run in list(value, "runs").iter().filter(|_| !nobody) {
        runs.add_row([
            when(run, "/since").or("the beginning"),
            when(run, "/until").or("still"),
            cell(run, "/state"),
            cell(run, "/version"),
            cell(run, "/desired"),
            cell(run, "/rollout_id"),
            recorded_late(run),
        ]);
    }
    if form == Output::Csv || !runs.is_empty() {
        runs.print(form)?;
    }
    if form.is_for_people() {
        footline(value, known)
    } else {
        Ok(())
    }
}

/// Whether the rollout of a run, or a rollout, is older than it reads.
pub(super) fn recorded_late(value: &Value) -> Cell {
    match value.get("recorded_late_by_ms").and_then(Value::as_u64) {
        Some(late) => format!("recorded {} late", span(late)).into(),
        None => Cell::Nothing(""),
    }
}

/// So many milliseconds, in the largest unit of which there are two.
pub(super) fn span(ms: u64) -> String {
    let units = [(86_400_000, "days"), (3_600_000, "hours"), (60_000, "minutes")];
    let fits = units.into_iter().find(|(unit, _)| ms >= 2 * unit);
    fits.map_or_else(
        || format!("{} seconds", ms / 1000),
        |(unit, name)| format!("{} {name}", ms / unit),
    )
}

/// `verdict compare`
pub(crate) async fn compare(args: &CompareArgs) -> Result<(), Failure> {
    let query = Query::new()
        .with("environment", Some(&args.environment))
        .with("workload", args.workload.as_ref())
        .time("with", Some(&args.with))?
        .cut(&args.cut)?;
    let client = Client::new(&args.server)?;
    let found = client
        .get(&["v1", "tenants", &args.tenant, "compare"], &query.pairs)
        .await?;
    let form = args.server.output;
    answer(form, &found, "policies", |value| {
        compare_table(value, form, &args.cut.known)
    })?;
    there(&client, &args.tenant, &args.environment, &found.value).await
}

/// Prints a `compare` answer for people.
fn compare_table(value: &Value, form: Output, known: &KnownArgs) -> Result<(), Failure> {
    let mut rows = table(&[must("what"), room("layer", 1), must("at"), must("with")]);
    for entry in list(value, "policies") {
        let side = |name: &str| match entry.get(name) {
            Some(v) => format!(
                "{} ({}, wanted {})",
                text(v, "/version"),
                text(v, "/state"),
                text(v, "/desired")
            ),
            None => "not there".to_owned(),
        };
        rows.add_row([
            cell(entry, "/policy"),
            scope(&entry["scope"]).into(),
            side("at").into(),
            side("with").into(),
        ]);
    }
    for entry in list(value, "exceptions") {
        exception_row(&mut rows, entry);
    }
    if form == Output::Csv {
        return rows.print(form);
    }
    line(&format!("at {} with {}", time(value, "/at"), time(value, "/with")))?;
    rows.print_or(form, "nothing differs")?;
    footline(value, known)
}

fn exception_row(rows: &mut Rows, entry: &Value) {
    let side = |name: &str| match entry.get(name) {
        Some(v) => format!("{} until {}", text(v, "/effect"), time(v, "/valid_until")),
        None => "not in force".to_owned(),
    };
    rows.add_row([
        format!("exception {}", text(entry, "/id")).into(),
        Cell::Nothing(""),
        side("at").into(),
        side("with").into(),
    ]);
}

/// Exit code 1 for an answer that holds nothing.
fn found_some(any: bool, otherwise: &str) -> Result<(), Failure> {
    if any {
        Ok(())
    } else {
        Err(Failure::Negative(otherwise.to_owned()))
    }
}

fn distribution(entry: &Value) -> Cell {
    let parts: Vec<String> = list(entry, "distribution")
        .iter()
        .map(|d| {
            let silent = d.get("silent").and_then(Value::as_u64).unwrap_or(0);
            let version = d.get("version").and_then(Value::as_str).unwrap_or("nothing");
            let silent = if silent == 0 {
                String::new()
            } else {
                format!(" +{silent} silent")
            };
            format!("{}x {version}{silent}", text(d, "/live"))
        })
        .collect();
    if parts.is_empty() {
        Cell::Nothing("-")
    } else {
        parts.join(", ").into()
    }
}

fn headline(value: &Value) -> String {
    let workload = value
        .get("workload")
        .and_then(Value::as_str)
        .map_or_else(String::new, |w| format!("/{w}"));
    let settled = if value.get("settled") == Some(&Value::Bool(true)) {
        "settled"
    } else {
        "may still change"
    };
    format!(
        "{}/{}{workload} at {}, as known at {} ({settled})",
        text(value, "/tenant"),
        text(value, "/environment"),
        time(value, "/at"),
        time(value, "/known_at"),
    )
}
