//! `verdict audit`: recomputes everything, and names the first bad index. A node may be serving the directory.

use serde_json::{Value, json};
use verdict_store::{AuditReport, OpenError, Options};

use crate::cli::{AuditArgs, Output};
use crate::exit::Failure;
use crate::output::{json, json_line, line, must, room, table};
use crate::serve::salt_key;

/// `verdict audit`
pub(crate) fn run(args: &AuditArgs) -> Result<(), Failure> {
    if !args.data.is_dir() {
        return Err(Failure::Usage(format!(
            "--data `{}` is not a directory",
            args.data.display()
        )));
    }
    let salt_key = args.salt_key_file.as_ref().map(salt_key).transpose()?;
    let options = Options {
        salt_key,
        ..Options::default()
    };
    let report = verdict_store::audit(&args.data, &options)
        .map_err(|e: OpenError| Failure::unreachable(format!("cannot audit `{}`", args.data.display()), e))?;
    match args.output {
        Output::Table | Output::Wide | Output::Csv => print(&report, args.output)?,
        Output::Json => json(&whole(&report).to_string())?,
        Output::Ndjson => defects(&report)
            .iter()
            .try_for_each(|defect| json_line(&defect.to_string()))?,
    }
    match report.defects.len() {
        0 => Ok(()),
        n => Err(Failure::Negative(format!(
            "{n} defects: this evidence can not be trusted as it is"
        ))),
    }
}

fn print(report: &AuditReport, form: Output) -> Result<(), Failure> {
    let mut logs = table(&[must("log"), must("records"), room("hashed", 1), must("root")]);
    for log in &report.logs {
        logs.add_row([
            log.name.to_string().into(),
            log.size.0.to_string().into(),
            log.hashed.to_string().into(),
            log.root.to_string().into(),
        ]);
    }
    if form == Output::Csv {
        return logs.print(form);
    }
    logs.print_or(form, "there is no log")?;
    for defect in &report.defects {
        let log = defect
            .log
            .as_ref()
            .map_or_else(|| "the store".to_owned(), ToString::to_string);
        let index = defect
            .index
            .map_or_else(String::new, |index| format!(" at index {}", index.0));
        line(&format!("{log}{index}: {}", defect.reason))?;
    }
    if report.is_clean() {
        line(&match report.view_rows {
            Some(rows) => format!("all is well: leaves, trees, positions, and {rows} rows of views agree"),
            None => "all is well: leaves, trees and positions agree. The views are of another release: they were not \
                     compared, and are made anew when the store is opened"
                .to_owned(),
        })?;
    }
    Ok(())
}

fn defects(report: &AuditReport) -> Vec<Value> {
    let defect = |d: &verdict_store::Defect| json!({"log": d.log.as_ref().map(ToString::to_string), "index": d.index.map(|i| i.0), "reason": d.reason});
    report.defects.iter().map(defect).collect()
}

fn whole(report: &AuditReport) -> Value {
    let logs: Vec<Value> = report
        .logs
        .iter()
        .map(|l| json!({"log": l.name.to_string(), "size": l.size.0, "hashed": l.hashed, "root": l.root.to_string()}))
        .collect();
    json!({"clean": report.is_clean(), "logs": logs, "view_rows": report.view_rows, "defects": defects(report)})
}
