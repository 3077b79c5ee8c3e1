//! `verdict show` and `verdict find`.

use super::list;
use crate::cli::{FindArgs, Output, ShowArgs, Shown};
use crate::client::Client;
use crate::exit::Failure;
use crate::faithful::indented;
use crate::output::{answer, json, json_line, table, text};

/// `verdict show`
pub(crate) async fn show(args: &ShowArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let of = ["v1", "tenants", &args.tenant];
    // By `?id=`: ids are whatever their emitters chose, and not every one arrives in a path.
    let by_id = async |what| {
        client
            .get(&[&of[..], &[what]].concat(), &[("id", args.id.clone())])
            .await
    };
    let found = match args.what {
        Shown::Event => client.get(&[&of[..], &["events", &args.id]].concat(), &[]).await?,
        Shown::Decision => by_id("decision").await?,
        Shown::Rollout => by_id("rollout").await?,
    };
    match args.server.output {
        // One thing, whole: indented JSON is what a person reads best.
        Output::Table => json(&indented(&found.text)),
        Output::Json => json(&found.text),
        Output::Ndjson => json_line(&found.text),
    }
}

/// `verdict find`
pub(crate) async fn find(args: &FindArgs) -> Result<(), Failure> {
    let found = Client::new(&args.server)?
        .get(&["v1", "find"], &[("id", args.id.clone())])
        .await?;
    let items = list(&found.value, "items");
    answer(args.server.output, &found, "items", |_| {
        let mut rows = table(&["tenant", "index", "is", "ask"]);
        for item in items {
            rows.add_row([
                text(item, "/tenant"),
                text(item, "/index"),
                text(item, "/what"),
                text(item, "/href"),
            ]);
        }
        if items.is_empty() { Ok(()) } else { rows.print() }
    })?;
    if items.is_empty() {
        return Err(Failure::Negative(format!(
            "`{}` was not found in any tenant that you may read: it is no event, decision, rollout, trace or agent there",
            args.id
        )));
    }
    Ok(())
}
