//! The questions, as `clap` reads them. What they have in common is said once, and is the same for each.

use clap::{Args, ValueEnum};

use super::ServerArgs;

/// Which records are answered from.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct KnownArgs {
    /// As it was known then: only what was recorded up to this moment. A TIME as --at takes it.
    #[arg(long, value_name = "TIME", conflicts_with = "as_of", allow_hyphen_values = true)]
    pub(crate) known_at: Option<String>,
    /// The `as_of` of an earlier answer: the same records, the same bytes.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) as_of: Option<String>,
    /// Wait until the server has read up to these Kafka positions (`partition:offset`, as an emit answered them).
    #[arg(long, value_name = "POSITIONS")]
    pub(crate) after: Option<String>,
    /// Print the `as_of` of the answer below its table, to ask for the same bytes again.
    #[arg(long)]
    pub(crate) show_as_of: bool,
}

/// The cut and the moment that a question is about.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct CutArgs {
    /// The moment asked about: RFC 3339, a date or time ("2026-03-01 14:05", 14:05, "yesterday 03:10", "monday 14:05"), so
    /// long ago (15m, 2h, 7d), or now. A day (2026-03-01, yesterday) is its midnight; a month is no moment. Without an
    /// offset it is a time of --tz. Default: now.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) at: Option<String>,
    #[command(flatten)]
    pub(crate) known: KnownArgs,
}

/// How much of a list.
#[derive(Args, Debug, Clone)]
pub(crate) struct PageArgs {
    /// At most so many; more are fetched page by page.
    #[arg(short = 'n', long, default_value_t = 20, value_parser = limit)]
    pub(crate) limit: u64,
}

/// From when to when.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct RangeArgs {
    /// From when: a TIME as --at takes it, or a month or quarter (2026-09, 2026-Q3). Of a day, month or quarter its start.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    /// The same as --from.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with = "from")]
    pub(crate) since: Option<String>,
    /// Up to when, and not at it: a TIME as --from takes it, but of a day, month or quarter its end. So `--from 2026-09 --to
    /// 2026-09` is September.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
}

/// Since when, of a list that the server does not cut by time.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct SinceArgs {
    /// Only what is of this time or later: a TIME as --at takes it, or a month or quarter, of which it is the start.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct EffectiveArgs {
    /// Tenant, or `_platform`.
    pub(crate) tenant: String,
    /// Environment.
    #[arg(short, long)]
    pub(crate) environment: String,
    /// Workload: adds its layer and its exceptions.
    #[arg(short, long)]
    pub(crate) workload: Option<String>,
    #[command(flatten)]
    pub(crate) cut: CutArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Args, Debug)]
pub(crate) struct HistoryArgs {
    /// Tenant, or `_platform`.
    pub(crate) tenant: String,
    /// Environment.
    #[arg(short, long)]
    pub(crate) environment: String,
    /// Policy.
    #[arg(short, long)]
    pub(crate) policy: String,
    /// Layer: `global`, `environment`, `tenant_wide`, `tenant` or `workload`.
    #[arg(short, long, default_value = "tenant")]
    pub(crate) layer: String,
    /// Workload, for the layer `workload`.
    #[arg(short, long)]
    pub(crate) workload: Option<String>,
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    #[command(flatten)]
    pub(crate) known: KnownArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// Tenant, or `_platform`.
    pub(crate) tenant: String,
    /// Environment.
    #[arg(short, long)]
    pub(crate) environment: String,
    /// Workload.
    #[arg(short, long)]
    pub(crate) workload: Option<String>,
    /// The other moment, as --at takes it.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) with: String,
    #[command(flatten)]
    pub(crate) cut: CutArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Args, Debug)]
pub(crate) struct DecisionsArgs {
    /// Tenant.
    pub(crate) tenant: String,
    #[command(flatten)]
    pub(crate) filters: FilterArgs,
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    #[command(flatten)]
    pub(crate) page: PageArgs,
    /// Oldest first.
    #[arg(long)]
    pub(crate) oldest: bool,
    /// Only how many: all of them are counted, however many that are.
    #[arg(long)]
    pub(crate) count: bool,
    #[command(flatten)]
    pub(crate) known: KnownArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// What a decision must be like.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct FilterArgs {
    /// Who asked, as `type:id`.
    #[arg(long)]
    pub(crate) actor: Option<String>,
    /// What was asked for.
    #[arg(long)]
    pub(crate) action: Option<String>,
    /// To what, as `type:id`.
    #[arg(long)]
    pub(crate) resource: Option<String>,
    /// `allow`, `deny`, `not_applicable` or `indeterminate`.
    #[arg(long)]
    pub(crate) outcome: Option<String>,
    /// Policy cited.
    #[arg(short, long)]
    pub(crate) policy: Option<String>,
    /// Version cited.
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// Environment.
    #[arg(short, long)]
    pub(crate) environment: Option<String>,
    /// Workload.
    #[arg(short, long)]
    pub(crate) workload: Option<String>,
    /// Decision point.
    #[arg(long)]
    pub(crate) agent: Option<String>,
    /// Trace: its id in any way of writing it, or a whole `traceparent`.
    #[arg(long)]
    pub(crate) trace_id: Option<String>,
    /// Span: its id, or a whole `traceparent`. No index helps: give a trace or a range too where there are many.
    #[arg(long)]
    pub(crate) span_id: Option<String>,
    /// What the emitter says belongs together: `meta.correlation_id`, such as an OPA's `batch_decision_id`.
    #[arg(long)]
    pub(crate) correlation_id: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct AgentsArgs {
    /// Tenant.
    pub(crate) tenant: String,
    /// Environment.
    #[arg(short, long)]
    pub(crate) environment: Option<String>,
    /// Only what they run of this policy.
    #[arg(short, long)]
    pub(crate) policy: Option<String>,
    /// Only those that run this version.
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// Since when they were last seen.
    #[command(flatten)]
    pub(crate) since: SinceArgs,
    #[command(flatten)]
    pub(crate) page: PageArgs,
    #[command(flatten)]
    pub(crate) cut: CutArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RolloutsArgs {
    /// Tenant, or `_platform`.
    pub(crate) tenant: String,
    /// Environment.
    #[arg(short, long)]
    pub(crate) environment: Option<String>,
    /// Policy.
    #[arg(short, long)]
    pub(crate) policy: Option<String>,
    #[command(flatten)]
    pub(crate) since: SinceArgs,
    #[command(flatten)]
    pub(crate) page: PageArgs,
    /// Oldest first.
    #[arg(long)]
    pub(crate) oldest: bool,
    #[command(flatten)]
    pub(crate) cut: CutArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ObjectsArgs {
    /// Tenant.
    pub(crate) tenant: String,
    /// Kind of the object, such as `exception`.
    pub(crate) kind: String,
    /// Its id.
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) cut: CutArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Args, Debug)]
pub(crate) struct SourcesArgs {
    /// Tenant, or `_platform`.
    pub(crate) tenant: String,
    #[command(flatten)]
    pub(crate) since: SinceArgs,
    #[command(flatten)]
    pub(crate) page: PageArgs,
    #[command(flatten)]
    pub(crate) known: KnownArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Args, Debug)]
pub(crate) struct QuarantineArgs {
    /// Tenant, `_platform`, or `_unrouted.<partition>`.
    pub(crate) tenant: String,
    /// The index of one record, to see it whole.
    #[arg(conflicts_with_all = ["flag", "since", "oldest"])]
    pub(crate) index: Option<u64>,
    /// Only what is flagged so: `malformed`, `awaiting_schema`, `unrouted`, `event_conflict`, `duplicate`, `unknown_kind`,
    /// `no_append_time`, `passed_over` or `instance_bound`.
    #[arg(long)]
    pub(crate) flag: Option<String>,
    #[command(flatten)]
    pub(crate) since: SinceArgs,
    #[command(flatten)]
    pub(crate) page: PageArgs,
    /// Oldest first.
    #[arg(long)]
    pub(crate) oldest: bool,
    #[command(flatten)]
    pub(crate) known: KnownArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Args, Debug)]
pub(crate) struct EventsArgs {
    /// Tenant, or `_platform`.
    pub(crate) tenant: String,
    /// Event id.
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) known: KnownArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// What `show` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shown {
    /// An event, by its event id, with its proof of inclusion.
    Event,
    /// A decision, by its decision id.
    Decision,
    /// A rollout, by its rollout id.
    Rollout,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Tenant.
    pub(crate) tenant: String,
    /// What the id is of.
    #[arg(value_enum)]
    pub(crate) what: Shown,
    /// The id.
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) known: KnownArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Args, Debug)]
pub(crate) struct FindArgs {
    /// An event id, decision id, trace id, correlation id, rollout id or agent.
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// A limit of nothing would be taken for "there is nothing".
fn limit(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(limit) if limit > 0 => Ok(limit),
        _ => Err("give a whole number from 1 on, or use --count to see only how many there are".to_owned()),
    }
}
