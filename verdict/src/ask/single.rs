//! `verdict show` and `verdict events`: one thing, whole.

use super::{Query, readable};
use crate::answer::Answer;
use crate::cli::{EventsArgs, KnownArgs, Output, ShowArgs, Shown};
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{json, json_line, must, table};

/// `verdict show`
pub(crate) async fn show(args: &ShowArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let of = ["v1", "tenants", &args.tenant];
    let known = Query::new().known(&args.known)?;
    let found = match args.what {
        Shown::Event => {
            client
                .get(&[&of[..], &["events", &args.id]].concat(), &known.pairs)
                .await?
        }
        // By `?id=`: ids are whatever their emitters chose, and not every one arrives in a path.
        Shown::Decision | Shown::Rollout => {
            let what = if args.what == Shown::Decision {
                "decision"
            } else {
                "rollout"
            };
            let query = known.with("id", Some(&args.id));
            client.get(&[&of[..], &[what]].concat(), &query.pairs).await?
        }
    };
    print(&found, args.server.output, &args.known)
}

/// `verdict events`
pub(crate) async fn events(args: &EventsArgs) -> Result<(), Failure> {
    let known = Query::new().known(&args.known)?;
    let path = ["v1", "tenants", &args.tenant, "events", &args.id];
    let found = Client::new(&args.server)?.get(&path, &known.pairs).await?;
    print(&found, args.server.output, &args.known)
}

/// Prints one thing.
pub(super) fn print(found: &Answer, form: Output, known: &KnownArgs) -> Result<(), Failure> {
    match form {
        Output::Json => json(&found.text),
        Output::Ndjson => json_line(&found.text),
        Output::Csv => {
            let mut rows = table(&[must("field"), must("value")]);
            for (name, value) in readable::fields(&found.text) {
                rows.add_row([name.into(), value.into()]);
            }
            rows.print(form)
        }
        Output::Table | Output::Wide => readable::print(found, form == Output::Wide, known),
    }
}
