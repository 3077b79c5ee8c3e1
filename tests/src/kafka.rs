//! A real Apache Kafka: one node, broker and controller in one process, about 175 MB. It survives `kill` and `restart`
//! with its data and its ports.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{Program, run};
use crate::tools::{Tool, free_port};

/// For the short-lived tools too: one thread of garbage collection and no optimising compiler start quickest.
const JAVA_OPTIONS: [&str; 4] = ["-Xmx128m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";
const START_LIMIT: Duration = Duration::from_secs(300);
const LOGGING: &str = include_str!("../tools/kafka/log4j2.properties");
/// Tools print their answer on standard output; their log must not mix with it.
const QUIET_LOGGING: &str = "rootLogger.level = off\n";

/// A running (or killed) Kafka with a folder of its own.
#[derive(Debug)]
pub struct Kafka {
    folder: TempDir,
    port: u16,
    program: Program,
}

impl Kafka {
    /// Starts an empty Kafka and waits until it answers.
    ///
    /// # Errors
    /// When Java or Kafka are not installed, or it does not come up within five minutes.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// The same with broker properties that override the defaults, such as `log.retention.check.interval.ms`.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub async fn start_with(properties: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("verdict-kafka-").tempdir()?;
        let (port, controller) = (free_port()?, free_port()?);
        fs::write(folder.path().join("log4j2.properties"), LOGGING)?;
        fs::write(folder.path().join("quiet.properties"), QUIET_LOGGING)?;
        let mut text = server_properties(&folder.path().join("data").display().to_string(), port, controller);
        for (name, value) in properties {
            text.push_str(&format!("{name}={value}\n"));
        }
        fs::write(folder.path().join("server.properties"), text)?;
        let mut format = java(&folder, "quiet.properties", "kafka.tools.StorageTool")?;
        format
            .args(["format", "-t", CLUSTER_ID, "-c"])
            .arg(folder.path().join("server.properties"));
        run(format, b"").await.context("formatting Kafka's storage")?;
        let program = launch(&folder)?;
        let mut kafka = Self { folder, port, program };
        kafka.wait_ready().await?;
        Ok(kafka)
    }

    /// `bootstrap.servers` of this Kafka.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The cluster id that it was formatted with.
    #[must_use]
    pub fn cluster_id(&self) -> &'static str {
        CLUSTER_ID
    }

    /// Where its segments lie, one folder `<topic>-<partition>` each.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Creates a topic; `configs` such as `("message.timestamp.type", "LogAppendTime")`.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub async fn create_topic(&self, topic: &str, partitions: u32, configs: &[(&str, &str)]) -> Result<()> {
        let partitions = partitions.to_string();
        let mut arguments = vec![
            "--create",
            "--topic",
            topic,
            "--partitions",
            &partitions,
            "--replication-factor",
            "1",
        ];
        let configs: Vec<String> = configs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        for config in &configs {
            arguments.extend(["--config", config]);
        }
        self.tool("TopicCommand", &arguments, b"").await.map(drop)
    }

    /// Changes a topic's configuration; `configs` as for [`Kafka::create_topic`].
    ///
    /// # Errors
    /// When Kafka refuses.
    pub async fn alter_topic(&self, topic: &str, configs: &[(&str, &str)]) -> Result<()> {
        let mut command = java(&self.folder, "quiet.properties", "kafka.admin.ConfigCommand")?;
        command.arg("--bootstrap-server").arg(self.bootstrap());
        command.args(["--alter", "--entity-type", "topics", "--entity-name", topic]);
        for (name, value) in configs {
            command.arg("--add-config").arg(format!("{name}={value}"));
        }
        run(command, b"").await.map(drop)
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub async fn delete_topic(&self, topic: &str) -> Result<()> {
        self.tool("TopicCommand", &["--delete", "--topic", topic], b"")
            .await
            .map(drop)
    }

    /// Raises the number of a topic's partitions.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub async fn add_partitions(&self, topic: &str, partitions: u32) -> Result<()> {
        self.tool(
            "TopicCommand",
            &["--alter", "--topic", topic, "--partitions", &partitions.to_string()],
            b"",
        )
        .await
        .map(drop)
    }

    /// Deletes a partition's records below an offset, as retention would.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub async fn delete_records(&self, topic: &str, partition: u32, below: u64) -> Result<()> {
        let wanted =
            format!(r#"{{"version":1,"partitions":[{{"topic":"{topic}","partition":{partition},"offset":{below}}}]}}"#);
        let file = self.folder.path().join("delete-records.json");
        fs::write(&file, wanted)?;
        let said = self
            .tool(
                "DeleteRecordsCommand",
                &["--offset-json-file", &file.display().to_string()],
                b"",
            )
            .await?;
        if said.contains("error") {
            bail!("deleting records: {said}")
        } else {
            Ok(())
        }
    }

    /// The offset that the next record of each partition gets, by partition.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub async fn end_offsets(&self, topic: &str) -> Result<Vec<u64>> {
        let said = self.tool("GetOffsetShell", &["--topic", topic], b"").await?;
        let mut ends = Vec::new();
        for line in said.lines().filter(|line| line.starts_with(topic)) {
            let end = line.rsplit(':').next().context("an offset after the last colon")?;
            ends.push(end.trim().parse().with_context(|| format!("offset in `{line}`"))?);
        }
        Ok(ends)
    }

    /// Kafka's console producer with lines `key<TAB>value`, acknowledged by all replicas.
    ///
    /// # Errors
    /// When it reports one.
    pub async fn console_produce(&self, topic: &str, records: &[(&str, &str)]) -> Result<()> {
        let lines: String = records.iter().map(|(key, value)| format!("{key}\t{value}\n")).collect();
        let arguments = [
            "--topic",
            topic,
            "--reader-property",
            "parse.key=true",
            "--command-property",
            "acks=all",
        ];
        let said = self.tool("ConsoleProducer", &arguments, lines.as_bytes()).await?;
        if said.contains("ERROR") {
            bail!("console producer: {said}")
        } else {
            Ok(())
        }
    }

    /// One of Kafka's own tools, a class under `org.apache.kafka.tools`, with this Kafka as its `--bootstrap-server`.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub async fn tool(&self, class: &str, arguments: &[&str], input: &[u8]) -> Result<String> {
        let mut command = java(
            &self.folder,
            "quiet.properties",
            &format!("org.apache.kafka.tools.{class}"),
        )?;
        command.arg("--bootstrap-server").arg(self.bootstrap()).args(arguments);
        run(command, input).await
    }

    /// Stops it in good order; `restart` brings it back.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stop(&mut self) -> Result<()> {
        self.program.stop().await.map(drop)
    }

    /// Ends it as a crash would (SIGKILL); `restart` brings it back.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&mut self) -> Result<()> {
        self.program.kill().await
    }

    /// Freezes (`STOP`) or thaws (`CONT`) it.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub async fn signal(&self, name: &str) -> Result<()> {
        self.program.signal(name).await
    }

    /// Starts it again over the same data and on the same port, and waits until it answers.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.program = launch(&self.folder)?;
        self.wait_ready().await
    }

    /// All that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.program.log()
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let (kcat, bootstrap) = (Tool::Kcat.path()?, self.bootstrap());
        let answers = async || {
            let mut list = Command::new(&kcat);
            list.args(["-L", "-m", "2", "-b", &bootstrap]);
            run(list, b"").await.is_ok_and(|said| said.contains("1 brokers"))
        };
        self.program.wait_until(START_LIMIT, "ready", answers).await
    }
}

fn launch(folder: &TempDir) -> Result<Program> {
    let mut command = java(folder, "log4j2.properties", "kafka.Kafka")?;
    command.arg(folder.path().join("server.properties"));
    Program::start("Kafka", command, &folder.path().join("kafka.log"))
}

fn java(folder: &TempDir, logging: &str, class: &str) -> Result<Command> {
    let mut command = Command::new(Tool::Java.path()?);
    command
        .args(JAVA_OPTIONS)
        .arg(format!(
            "-Dlog4j2.configurationFile={}",
            folder.path().join(logging).display()
        ))
        .arg("-cp")
        .arg(Tool::Kafka.path()?.join("*"))
        .arg(class)
        .current_dir(folder.path());
    Ok(command)
}

/// Small: one partition for each internal topic, and not the 128 MB that the log cleaner takes by default. The short
/// broker session lets a killed node register again after two seconds instead of nine.
fn server_properties(data: &str, port: u16, controller: u16) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=2097152
"
    )
}
