//! `verdict show` and `verdict find`.

use serde_json::Value;

use crate::cli::{FindArgs, Output, ShowArgs, Shown};
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{answer, line, print_table, table, text, time};

/// `verdict show`
pub(crate) async fn show(args: &ShowArgs) -> Result<(), Failure> {
    let below = match args.what {
        Shown::Event => "events",
        Shown::Decision => "decisions",
        Shown::Rollout => "rollouts",
    };
    let found = Client::new(&args.server)?
        .get(&["v1", "tenants", &args.tenant, below, &args.id], &[])
        .await?;
    match args.server.output {
        // One thing, whole: indented JSON is what a person reads best.
        Output::Table => line(&serde_json::to_string_pretty(&found.value).unwrap_or(found.text)),
        Output::Json => line(found.text.trim_end()),
        Output::Ndjson => line(&found.value.to_string()),
    }
}

/// `verdict find`
pub(crate) async fn find(args: &FindArgs) -> Result<(), Failure> {
    let found = Client::new(&args.server)?
        .get(&["v1", "find"], &[("id", args.id.clone())])
        .await?;
    answer(args.server.output, &found, "items", |value| {
        let mut rows = table(&["tenant", "index", "kind", "recorded (UTC)", "event", "as"]);
        for item in value.get("items").and_then(Value::as_array).into_iter().flatten() {
            rows.add_row([
                text(item, "/tenant"),
                text(item, "/index"),
                text(item, "/kind"),
                time(item, "/recorded_time"),
                text(item, "/event_id"),
                text(item, "/as"),
            ]);
        }
        print_table(&rows, "not found in any tenant that you may read")
    })?;
    let nothing = found
        .value
        .get("items")
        .and_then(Value::as_array)
        .is_none_or(Vec::is_empty);
    if nothing {
        Err(Failure::Negative(format!("`{}` was not found", args.id)))
    } else {
        Ok(())
    }
}
