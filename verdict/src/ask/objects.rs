//! `verdict objects`: what is desired of one object, and what was reported of it.

use serde_json::Value;

use super::{Query, footline};
use crate::cli::{ObjectsArgs, Output};
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{Rows, answer, cell, line, must, said, table, text, time, when};

/// `verdict objects`
pub(crate) async fn objects(args: &ObjectsArgs) -> Result<(), Failure> {
    let query = Query::new()
        .with("kind", Some(&args.kind))
        .with("id", Some(&args.id))
        .cut(&args.cut)?;
    let found = Client::new(&args.server)?
        .get(&["v1", "tenants", &args.tenant, "object"], &query.pairs)
        .await?;
    let form = args.server.output;
    answer(form, &found, "", |value| {
        if form == Output::Csv {
            return rows(value).print(form);
        }
        line(&format!(
            "{} {} of {} at {}, as known at {}",
            text(value, "/object/kind"),
            text(value, "/object/id"),
            text(value, "/tenant"),
            time(value, "/at"),
            time(value, "/known_at"),
        ))?;
        rows(value).print(form)?;
        if let Some(document) = value.pointer("/desired/document") {
            line(&format!("document: {document}"))?;
        }
        match value.get("drift").and_then(Value::as_bool) {
            Some(true) => line("it drifted: what was reported last is not what is desired")?,
            Some(false) => line("no drift: what was reported last is what is desired")?,
            None => {}
        }
        footline(value, &args.cut.known)
    })
}

fn rows(value: &Value) -> Rows {
    let mut rows = table(&[
        must("what"),
        must("version"),
        must("state"),
        must("since"),
        said("until", 1),
        said("by", 2),
        said("reason", 3),
    ]);
    if let Some(desired) = value.get("desired").filter(|desired| !desired.is_null()) {
        let is = |field: &str| desired.get(field) == Some(&Value::Bool(true));
        let state = match (is("ended"), is("in_force")) {
            (true, _) => "ended",
            (false, true) => "in force",
            (false, false) => "not in force",
        };
        rows.add_row([
            "desired".to_owned().into(),
            cell(desired, "/version"),
            state.to_owned().into(),
            when(desired, "/since"),
            when(desired, "/valid_until"),
            format!("{}:{}", text(desired, "/by/type"), text(desired, "/by/id")).into(),
            cell(desired, "/reason"),
        ]);
    }
    if let Some(observed) = value.get("observed").filter(|observed| !observed.is_null()) {
        rows.add_row([
            "reported".to_owned().into(),
            cell(observed, "/observed_version"),
            cell(observed, "/state"),
            when(observed, "/since"),
            cell(&Value::Null, "/none"),
            cell(&Value::Null, "/none"),
            cell(observed, "/detail"),
        ]);
    }
    rows
}
