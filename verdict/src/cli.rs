//! The command line, as `clap` reads it. What each command does is in the module of its name.

mod questions;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::questions::*;

/// What was allowed, under which policy, and can you prove it?
#[derive(Parser, Debug)]
#[command(name = "verdict", version = VERSION, long_about = None, after_help = crate::exit::HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) before: Before,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The release, and the commit that it was built of.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("VERDICT_COMMIT"), ")");

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
    Decisions(Box<DecisionsArgs>),
    /// Who ran what, by environment, agent and incarnation.
    Agents(AgentsArgs),
    /// Rollouts, newest first: what was asked for.
    Rollouts(RolloutsArgs),
    /// What is desired of an object (an exception, say), and what was reported of it.
    #[command(visible_alias = "object")]
    Objects(ObjectsArgs),
    /// What each emitter sent, how late, and what of it is missing.
    Sources(SourcesArgs),
    /// What was kept and does not count as it stands, newest first; with an index one record, whole.
    Quarantine(QuarantineArgs),
    /// An event by its id, with its proof of inclusion: `show TENANT event ID`.
    #[command(visible_alias = "event")]
    Events(EventsArgs),
    /// One event, decision or rollout, whole.
    Show(ShowArgs),
    /// Where does this id occur, in every tenant that you may read?
    Find(FindArgs),
    /// Recompute everything of a data directory, at rest or being served: leaves, trees, positions, views. It sees the
    /// directory as it was at one moment, and changes nothing that is kept there.
    Audit(AuditArgs),
    /// Print a configuration file with every field, its meaning and its default.
    Config,
    /// Print what completes this command line in a shell, such as `source <(verdict completions bash)`.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print a manual page: `verdict man effective | man -l -`.
    Man {
        /// The command that it is of; without one it is of the whole.
        command: Option<String>,
    },
}

impl Command {
    /// Which server it asks, if it asks any.
    pub(crate) fn server(&mut self) -> Option<&mut ServerArgs> {
        Some(match self {
            Self::Emit(args) => &mut args.server,
            Self::Effective(args) => &mut args.server,
            Self::History(args) => &mut args.server,
            Self::Compare(args) => &mut args.server,
            Self::Decisions(args) => &mut args.server,
            Self::Agents(args) => &mut args.server,
            Self::Rollouts(args) => &mut args.server,
            Self::Objects(args) => &mut args.server,
            Self::Sources(args) => &mut args.server,
            Self::Quarantine(args) => &mut args.server,
            Self::Events(args) => &mut args.server,
            Self::Show(args) => &mut args.server,
            Self::Find(args) => &mut args.server,
            Self::Serve(_)
            | Self::Demo(_)
            | Self::Topics(_)
            | Self::Audit(_)
            | Self::Config
            | Self::Completions { .. }
            | Self::Man { .. } => return None,
        })
    }
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people: the columns that fit.
    Table,
    /// For people: all columns, however wide.
    Wide,
    /// The server's answer; what could act on the terminal as JSON escapes of the same value. Of `emit`: its answers, summed.
    Json,
    /// One line per item, otherwise the same.
    Ndjson,
    /// For spreadsheets: all columns of the table, and a quote before what would be computed.
    Csv,
}

impl Output {
    /// Is it for programs, that is for those that read JSON?
    pub(crate) fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Ndjson)
    }

    /// Is it for people, with lines above and below the table?
    pub(crate) fn is_for_people(self) -> bool {
        matches!(self, Self::Table | Self::Wide)
    }
}

/// What may stand before the command as well as behind it.
#[derive(Args, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Before {
    /// How to print the answer; this and the next six also go behind the command.
    #[arg(short, long, value_enum)]
    pub(crate) output: Option<Output>,
    /// Address of the server.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Bearer token.
    #[arg(long)]
    pub(crate) token: Option<String>,
    /// Roots that vouch for the server's certificate.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Certificate of the caller.
    #[arg(long, value_name = "FILE")]
    pub(crate) cert_file: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Time zone.
    #[arg(long, value_name = "ZONE")]
    pub(crate) tz: Option<String>,
}

/// Which server is asked, as whom, and how the answer is printed.
#[derive(Args, Debug, Clone)]
pub(crate) struct ServerArgs {
    /// Address of the server. After commas those of the other nodes of the same system, to which it may send this command on:
    /// the token goes to these and to no others.
    #[arg(long, env = "VERDICT_SERVER", default_value = DEFAULT_SERVER)]
    pub(crate) server: String,
    /// Bearer token; better given in the environment than on the command line.
    #[arg(long, env = "VERDICT_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Roots (PEM) that vouch for the server's certificate, instead of those of this system.
    #[arg(long, value_name = "FILE", env = "VERDICT_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Certificate (PEM) that this command shows to a server which asks for one.
    #[arg(long, value_name = "FILE", env = "VERDICT_CERT_FILE")]
    pub(crate) cert_file: Option<PathBuf>,
    /// Its private key (PEM, PKCS #8).
    #[arg(long, value_name = "FILE", env = "VERDICT_KEY_FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// How to print the answer.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Output,
    /// The zone of times without an offset, and of those printed: UTC, local, or a name such as Europe/Berlin.
    #[arg(long, value_name = "ZONE", env = "VERDICT_TZ", default_value = "UTC")]
    pub(crate) tz: String,
}

/// The server that is asked where none is named.
pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:8642";

impl ServerArgs {
    /// A server asked for tables, by nobody in particular.
    pub(crate) fn at(server: String) -> Self {
        Self {
            server,
            token: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
            output: Output::Table,
            tz: "UTC".to_owned(),
        }
    }

    /// With what stood before the command.
    pub(crate) fn take(&mut self, before: Before) {
        let Before {
            output,
            server,
            token,
            ca_file,
            cert_file,
            key_file,
            tz,
        } = before;
        self.output = output.unwrap_or(self.output);
        self.token = token.or_else(|| self.token.take());
        self.ca_file = ca_file.or_else(|| self.ca_file.take());
        self.cert_file = cert_file.or_else(|| self.cert_file.take());
        self.key_file = key_file.or_else(|| self.key_file.take());
        server.into_iter().for_each(|server| self.server = server);
        tz.into_iter().for_each(|tz| self.tz = tz);
    }
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
