//! What a responder asks, in the order of an incident. Each question is shown as the command that asks it.

use jiff::{SignedDuration, Timestamp};

use crate::ask;
use crate::cli::{
    CompareArgs, CutArgs, DecisionsArgs, EffectiveArgs, FilterArgs, HistoryArgs, KnownArgs, PageArgs, RangeArgs,
    ServerArgs,
};
use crate::exit::Failure;
use crate::output::line;

/// Asks them all.
pub(super) async fn ask(server: &ServerArgs, now: Timestamp) -> Result<(), Failure> {
    let ago = |seconds| {
        let then = now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(now);
        format!("{then:.0}")
    };
    let (stalled, excepted) = (ago(29), ago(20));

    let at = |at: Option<String>| CutArgs {
        at,
        ..CutArgs::default()
    };
    let effective = |moment: Option<String>| EffectiveArgs {
        tenant: "acme".to_owned(),
        environment: "prod".to_owned(),
        workload: Some("checkout".to_owned()),
        cut: at(moment),
        server: server.clone(),
    };

    heading(
        "What is in effect for checkout now?",
        "effective acme -e prod -w checkout --show-as-of",
    )?;
    let mut now_in_effect = effective(None);
    now_in_effect.cut.known.show_as_of = true;
    ask::effective(&now_in_effect).await?;

    heading(
        "And while refunds were refused?",
        &format!("effective acme -e prod -w checkout --at {stalled}"),
    )?;
    ask::effective(&effective(Some(stalled.clone()))).await?;
    line("  -> v42 had the majority, but never the 80 % it asked for: `overdue`, not `effective`.")?;

    heading(
        "Was anyone working around it?",
        &format!("effective acme -e prod -w checkout --at {excepted}"),
    )?;
    ask::effective(&effective(Some(excepted))).await?;

    heading(
        "What happened to this policy, from the beginning?",
        "history acme -e prod -p payments-authz",
    )?;
    let history = HistoryArgs {
        tenant: "acme".to_owned(),
        environment: "prod".to_owned(),
        policy: "payments-authz".to_owned(),
        layer: "tenant".to_owned(),
        workload: None,
        range: RangeArgs::default(),
        known: KnownArgs::default(),
        server: server.clone(),
    };
    ask::history(&history).await?;

    heading(
        "What differs between then and now?",
        &format!("compare acme -e prod -w checkout --at {stalled} --with now"),
    )?;
    let compare = CompareArgs {
        tenant: "acme".to_owned(),
        environment: "prod".to_owned(),
        workload: Some("checkout".to_owned()),
        with: "now".to_owned(),
        cut: at(Some(stalled)),
        server: server.clone(),
    };
    ask::compare(&compare).await?;

    heading(
        "Who was refused under v42?",
        "decisions acme -p payments-authz --version v42",
    )?;
    ask::decisions(&under("v42", server)).await
}

fn heading(question: &str, command: &str) -> Result<(), Failure> {
    line("")?;
    line(question)?;
    line(&format!("$ verdict {command}"))
}

fn under(version: &str, server: &ServerArgs) -> DecisionsArgs {
    DecisionsArgs {
        tenant: "acme".to_owned(),
        filters: FilterArgs {
            policy: Some("payments-authz".to_owned()),
            version: Some(version.to_owned()),
            ..FilterArgs::default()
        },
        range: RangeArgs::default(),
        page: PageArgs { limit: 20 },
        oldest: false,
        count: false,
        known: KnownArgs::default(),
        server: server.clone(),
    }
}
