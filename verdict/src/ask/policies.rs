//! Questions about policies: at a moment, over a range, between two moments.

use serde_json::Value;

use super::{Query, list};
use crate::cli::{CompareArgs, EffectiveArgs, HistoryArgs};
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{Rows, answer, line, scope, table, text, time};

/// `verdict effective`
pub(crate) async fn effective(args: &EffectiveArgs) -> Result<(), Failure> {
    let query = Query::new()
        .with("environment", Some(&args.environment))
        .with("workload", args.workload.as_ref())
        .cut(&args.cut)?;
    let found = Client::new(&args.server)?
        .get(&["v1", "tenants", &args.tenant, "effective"], &query.pairs)
        .await?;
    answer(args.server.output, &found, "policies", effective_table)?;
    let any = ["policies", "exceptions"]
        .iter()
        .any(|what| !list(&found.value, what).is_empty());
    found_some(any, "no policy was in force")
}

/// Prints an `effective` answer for people.
pub(crate) fn effective_table(value: &Value) -> Result<(), Failure> {
    let rows = list(value, "policies");
    let mut policies = table(&[
        "policy",
        "layer",
        "version",
        "state",
        "since (UTC)",
        "certainty",
        "desired",
        "applied",
        "instances",
    ]);
    for entry in rows {
        policies.add_row([
            text(entry, "/policy"),
            scope(&entry["scope"]),
            text(entry, "/version"),
            text(entry, "/state"),
            time(entry, "/since"),
            text(entry, "/certainty"),
            text(entry, "/desired"),
            format!("{} of {}", text(entry, "/applied/have"), text(entry, "/applied/need")),
            distribution(entry),
        ]);
    }
    line(&headline(value))?;
    if !rows.is_empty() {
        policies.print()?;
    }
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
                "  {}: partial rollout {} to {} is {} ({} of {} needed)",
                text(entry, "/policy"),
                text(partial, "/rollout_id"),
                text(partial, "/to_version"),
                text(partial, "/state"),
                text(partial, "/have"),
                text(partial, "/need"),
            ))?;
        }
    }
    for exception in list(value, "exceptions") {
        let effect = match exception.get("version").and_then(Value::as_str) {
            Some(version) => format!("{} with {version}", text(exception, "/effect")),
            None => text(exception, "/effect"),
        };
        line(&format!(
            "  exception {}: {} {} until {} (approved by {}: {})",
            text(exception, "/id"),
            effect,
            text(exception, "/policy"),
            time(exception, "/valid_until"),
            text(exception, "/approver"),
            text(exception, "/reason"),
        ))?;
    }
    footline(value)
}

/// `verdict history`
pub(crate) async fn history(args: &HistoryArgs) -> Result<(), Failure> {
    let query = Query::new()
        .with("environment", Some(&args.environment))
        .with("policy", Some(&args.policy))
        .with("layer", Some(&args.layer))
        .with("workload", args.workload.as_ref())
        .time("from", args.from.as_ref())?
        .time("to", args.to.as_ref())?
        .cut(&args.cut)?;
    let found = Client::new(&args.server)?
        .get(&["v1", "tenants", &args.tenant, "history"], &query.pairs)
        .await?;
    answer(args.server.output, &found, "runs", history_table)?;
    if found.value.get("named") == Some(&Value::Bool(false)) {
        return Err(Failure::Negative(format!(
            "nobody has named the policy `{}` in this scope ({}), as far as this cut goes: no rollout, publication, report or \
             decision does",
            args.policy, args.layer
        )));
    }
    found_some(!list(&found.value, "runs").is_empty(), "no run meets this range")
}

/// Prints a `history` answer for people.
pub(crate) fn history_table(value: &Value) -> Result<(), Failure> {
    let mut runs = table(&["since (UTC)", "until", "state", "version", "desired", "rollout"]);
    // Of a policy that nobody named there is one run, of nothing.
    let nobody = value.get("named") == Some(&Value::Bool(false));
    for run in list(value, "runs").iter().filter(|_| !nobody) {
        runs.add_row([
            or(time(run, "/since"), "the beginning"),
            or(time(run, "/until"), "still"),
            text(run, "/state"),
            text(run, "/version"),
            text(run, "/desired"),
            rollout(run),
        ]);
    }
    if !runs.is_empty() {
        runs.print()?;
    }
    footline(value)
}

/// The rollout of a run, and whether it is older than it reads.
fn rollout(run: &Value) -> String {
    let id = text(run, "/rollout_id");
    match run.get("recorded_late_by_ms").and_then(Value::as_u64) {
        Some(late) => format!("{id} (recorded {} late)", span(late)),
        None => id,
    }
}

/// So many milliseconds, in the largest unit of which there are two.
fn span(ms: u64) -> String {
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
    let found = Client::new(&args.server)?
        .get(&["v1", "tenants", &args.tenant, "compare"], &query.pairs)
        .await?;
    answer(args.server.output, &found, "policies", compare_table)
}

/// Prints a `compare` answer for people.
pub(crate) fn compare_table(value: &Value) -> Result<(), Failure> {
    let mut rows = table(&["", "layer", "at", "with"]);
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
        rows.add_row([text(entry, "/policy"), scope(&entry["scope"]), side("at"), side("with")]);
    }
    for entry in list(value, "exceptions") {
        exception_row(&mut rows, entry);
    }
    line(&format!("at {} with {}", time(value, "/at"), time(value, "/with")))?;
    rows.print_or("nothing differs")?;
    footline(value)
}

fn exception_row(rows: &mut Rows, entry: &Value) {
    let side = |name: &str| match entry.get(name) {
        Some(v) => format!("{} until {}", text(v, "/effect"), time(v, "/valid_until")),
        None => "not in force".to_owned(),
    };
    rows.add_row([
        format!("exception {}", text(entry, "/id")),
        String::new(),
        side("at"),
        side("with"),
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

fn distribution(entry: &Value) -> String {
    let parts: Vec<String> = list(entry, "distribution")
        .iter()
        .map(|d| {
            let silent = d.get("silent").and_then(Value::as_u64).unwrap_or(0);
            let version = or(text(d, "/version"), "nothing");
            let silent = if silent == 0 {
                String::new()
            } else {
                format!(" +{silent} silent")
            };
            format!("{}x {version}{silent}", text(d, "/live"))
        })
        .collect();
    if parts.is_empty() {
        "-".to_owned()
    } else {
        parts.join(", ")
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

fn footline(value: &Value) -> Result<(), Failure> {
    let logs: Vec<String> = list(value, "logs")
        .iter()
        .map(|log| {
            let root = text(log, "/root");
            format!(
                "{} {} ({}...)",
                text(log, "/tenant"),
                text(log, "/size"),
                root.get(..12).unwrap_or(&root)
            )
        })
        .collect();
    line(&format!("from {}", logs.join(", ")))?;
    line(&format!(
        "the same bytes again, for ever: --as-of {}",
        text(value, "/as_of")
    ))
}

fn or(text: String, when_none: &str) -> String {
    if text == "-" { when_none.to_owned() } else { text }
}
