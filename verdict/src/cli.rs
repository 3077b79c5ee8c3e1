//! The command line, as `clap` reads it. What each command does is in the module of its name.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// What was allowed, under which policy, and can you prove it?
#[derive(Parser, Debug)]
#[command(name = "verdict", version, about, long_about = None, after_help = crate::exit::HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run the store: intake, log, views and queries in one process.
    Serve(ServeArgs),
    /// Play a small incident against a running server's own intake, ask what a responder would ask, and go on serving.
    Demo(DemoArgs),
    /// Send events from a file or standard input, over HTTP or straight to Kafka.
    Emit(EmitArgs),
    /// Kafka topics.
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// Which policy was effective at a moment?
    Effective(EffectiveArgs),
    /// Every run of one policy: which version, in which state, from when to when.
    History(HistoryArgs),
    /// What differs between two moments?
    Compare(CompareArgs),
    /// Decisions, newest first.
    Decisions(DecisionsArgs),
    /// One event, decision or rollout, whole.
    Show(ShowArgs),
    /// Where does this id occur, in every tenant that you may read?
    Find(FindArgs),
    /// Recompute everything of a data directory that is not being served: leaves, trees, positions, views.
    Audit(AuditArgs),
    /// Print a configuration file with every field, its meaning and its default.
    Config,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// The server's answer; what could act on the terminal as JSON escapes of the same value. Of `emit`: what was accepted, and what was rejected and why.
    Json,
    /// One line per item, otherwise the same.
    Ndjson,
}

/// Which server is asked, as whom, and how the answer is printed.
#[derive(Args, Debug, Clone)]
pub(crate) struct ServerArgs {
    /// Address of the server. After commas those of the other nodes of the same system, to which it may send this command on:
    /// the token goes to these and to no others.
    #[arg(long, env = "VERDICT_SERVER", default_value = "http://127.0.0.1:8642", global = true)]
    pub(crate) server: String,
    /// Bearer token; better given in the environment than on the command line.
    #[arg(long, env = "VERDICT_TOKEN", hide_env_values = true, global = true)]
    pub(crate) token: Option<String>,
    /// Roots (PEM) that vouch for the server's certificate, instead of those of this system.
    #[arg(long, value_name = "FILE", env = "VERDICT_CA_FILE", global = true)]
    pub(crate) ca_file: Option<PathBuf>,
    /// How to print the answer.
    #[arg(short, long, value_enum, default_value = "table", global = true)]
    pub(crate) output: Output,
}

/// The cut and the moment that a question is about.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct CutArgs {
    /// The moment asked about: RFC 3339, a local time ("2026-03-01 14:00", "14:00"), or words: "yesterday 14:00", "10 minutes
    /// ago". Default: now.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// As it was known then: only what was recorded up to this moment.
    #[arg(long, value_name = "TIME", conflicts_with = "as_of")]
    pub(crate) known_at: Option<String>,
    /// The `as_of` of an earlier answer: the same records, the same bytes.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) as_of: Option<String>,
    /// Wait until the server has read up to these Kafka positions (`partition:offset`, as an emit answered them).
    #[arg(long, value_name = "POSITIONS")]
    pub(crate) after: Option<String>,
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
    /// From when.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// To when.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) cut: CutArgs,
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
    /// The other moment.
    #[arg(long, value_name = "TIME")]
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
    /// From when.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// To when.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// At most so many; more are fetched page by page.
    #[arg(short = 'n', long, default_value_t = 20, value_parser = limit)]
    pub(crate) limit: u64,
    /// Oldest first.
    #[arg(long)]
    pub(crate) oldest: bool,
    /// Only how many: all of them are counted, however many that are.
    #[arg(long)]
    pub(crate) count: bool,
    /// As it was known then.
    #[arg(long, value_name = "TIME", conflicts_with = "as_of")]
    pub(crate) known_at: Option<String>,
    /// The `as_of` of an earlier answer.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) as_of: Option<String>,
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
    pub(crate) server: ServerArgs,
}

#[derive(Args, Debug)]
pub(crate) struct FindArgs {
    /// An event id, decision id, trace id or rollout id.
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Args, Debug)]
pub(crate) struct EmitArgs {
    /// Tenant. With Kafka it is the key of every record.
    pub(crate) tenant: String,
    /// Events in JSON: one a line, end to end or over several lines each, or an array of them; plain or compressed with gzip or zstd; `-` is standard input.
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,
    /// Straight to Kafka instead of HTTP: librdkafka properties, at least `bootstrap.servers`.
    #[arg(short = 'X', value_name = "PROPERTY=VALUE")]
    pub(crate) property: Vec<String>,
    /// The topic, with Kafka.
    #[arg(long, default_value = "verdict.events.v1")]
    pub(crate) topic: String,
    /// Events per request.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch: u32,
    /// No progress bar.
    #[arg(long)]
    pub(crate) quiet: bool,
    /// A history of long ago: say first what of it will count for its own time and what can not, and ask before sending.
    #[arg(long)]
    pub(crate) backfill: bool,
    /// With --backfill: send without being asked.
    #[arg(long, requires = "backfill")]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Subcommand, Debug)]
pub(crate) enum TopicsCommand {
    /// Create both topics as Verdict needs them, or check the ones that are there.
    Create(TopicsCreateArgs),
}

#[derive(Args, Debug)]
pub(crate) struct TopicsCreateArgs {
    /// librdkafka properties, at least `bootstrap.servers`.
    #[arg(short = 'X', value_name = "PROPERTY=VALUE", required = true)]
    pub(crate) property: Vec<String>,
    /// Partitions of the events topic. They are the shards, and can not be changed later.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub(crate) partitions: i32,
    /// Copies of each partition.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=9))]
    pub(crate) replication: i32,
    /// How long Kafka keeps records, in hours. Verdict needs them only until it has read them.
    #[arg(long, default_value_t = 168)]
    pub(crate) retention_hours: u32,
}

#[derive(Args, Debug, Clone, Default)]
pub(crate) struct ServeArgs {
    /// Where the log and the views are kept.
    #[arg(long, value_name = "DIR", env = "VERDICT_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Address to listen on. Without a token file, loopback only.
    #[arg(long, value_name = "ADDR", env = "VERDICT_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,
    /// Configuration file (TOML); `verdict config` prints one.
    #[arg(long, value_name = "FILE", env = "VERDICT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Token file (TOML): SHA-256 of each token, its tenants and roles.
    #[arg(long, value_name = "FILE", env = "VERDICT_TOKENS")]
    pub(crate) tokens: Option<PathBuf>,
    /// Certificate chain (PEM) to serve TLS with; read again when it changes.
    #[arg(long, value_name = "FILE", env = "VERDICT_TLS_CERT")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", env = "VERDICT_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Roots (PEM) of client certificates. One that no root vouches for is refused; none at all is, if the configuration says so.
    #[arg(long, value_name = "FILE", env = "VERDICT_TLS_CLIENT_CA")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// Take tokens on an address that others reach without TLS: whoever is on the network can read them.
    #[arg(long)]
    pub(crate) plaintext_tokens: bool,
    /// librdkafka properties. With `bootstrap.servers` the node consumes Kafka, and its intake produces to it.
    #[arg(short = 'X', value_name = "PROPERTY=VALUE")]
    pub(crate) property: Vec<String>,
    /// Partitions of the events topic that this node owns, such as `0-5` or `0,2,4`. Default: all.
    #[arg(long, value_name = "LIST")]
    pub(crate) partitions: Option<String>,
    /// Confluent-compatible schema registry.
    #[arg(long, value_name = "URL")]
    pub(crate) registry: Option<String>,
    /// Schema file for a Confluent id, as `ID=FILE`; instead of a registry.
    #[arg(long = "schema", value_name = "ID=FILE")]
    pub(crate) schema: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Where to keep the demonstration's log. Default: a new temporary directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8642")]
    pub(crate) listen: SocketAddr,
    /// Stop when the answers are printed, instead of serving on.
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Args, Debug)]
pub(crate) struct AuditArgs {
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The salt key file, where the node was given one.
    #[arg(long, value_name = "FILE")]
    pub(crate) salt_key_file: Option<PathBuf>,
    /// How to print the report.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Output,
}
