//! Everything that is stored, in one closed catalogue of RocksDB column families.
//!
//! A name once given is never given to anything else: a table that goes out of use stays named in a comment here. What a
//! key and a row hold is said at each variant; keys are fixed-width big-endian, so that their order is the order of
//! what they name ([`crate::keys`]). `H16` and `H8` are the first bytes of SHA-256 over length-prefixed parts: stable
//! for ever, with no dictionary to look up; a reader checks the record, so a collision costs time, never an answer.
//!
//! The first group is the log: written in one batch with one fsync per commit (A2, A5). The second is views: written
//! after the commit, without waiting for the disk, and rebuildable from the first at any time (A6). Each group is a RocksDB
//! of its own ([`crate::database`]).

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompactionStyle, DBCompressionType, Options as RocksOptions,
    SliceTransform, UniversalCompactOptions,
};

/// A column family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Table {
    // ---- the log ----
    /// The node: format version, store id, fingerprint of the salt key, Kafka clusters bound.
    Meta,
    /// `n` ++ log name -> [`crate::log::state::LogState`]; `i` ++ log u32 -> name.
    Logs,
    /// log u32 ++ index u64 -> [`crate::record`].
    Records,
    /// log u32 ++ level u8 ++ n u64 -> a tile's bytes.
    Tiles,
    /// log u32 ++ recorded time u64 -> size u64 after the last record with that time.
    Recorded,
    /// `p` ++ source -> position; `g` ++ source ++ from u64 -> gap ([`crate::log::positions`]).
    Positions,
    /// Writer schemas by the hash of their text, and what each reference means ([`crate::log::schemas`]).
    Schemas,
    /// Which records waited for a schema, and when they were understood ([`crate::views::late`]).
    Late,

    // ---- views ----
    /// log ++ f ++ index -> kind.
    Time,
    /// log ++ H16(type, id) ++ f ++ index.
    Actor,
    /// log ++ H16(type, id) ++ f ++ index.
    Resource,
    /// log ++ H16(agent) ++ f ++ index.
    Agent,
    /// log ++ H16(environment, scope, policy, version) ++ f ++ index.
    Version,
    /// log ++ H16(trace id) ++ index.
    Trace,
    /// log ++ H16(decision id) ++ index.
    Decision,
    /// log ++ event id (16 bytes) ++ H8(source) ++ index -> what deduplication needs.
    Event,
    /// The (policy, version, environment, scope) seen.
    Series,
    /// log ++ step -> intent for the fold.
    Intent,
    /// log ++ H16(kind, id) ++ f ++ index: object changes.
    Object,
    /// log ++ kind u8 ++ f ++ index: all but decisions and `agent_seen`.
    Kind,
    /// log ++ index -> why a record is not plain.
    Flag,
    /// log ++ source ++ window -> statistics of a source.
    Source,
    /// Rows of the incremental fold.
    Observed,
    /// log -> the size up to which all its views are made; and the views' own version.
    Mark,
}

/// Which of the two databases a table is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What can not be made again: records, and all that was decided when they were kept.
    Log,
    /// What is made of it.
    Views,
}

impl Part {
    /// Its tables. What is not here is not opened.
    pub(crate) const fn tables(self) -> &'static [Table] {
        let (log, views) = Table::ALL.split_at(Table::OF_LOG);
        match self {
            Self::Log => log,
            Self::Views => views,
        }
    }

    /// Its folder within the data directory.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Log => "db",
            Self::Views => "views",
        }
    }
}

/// How a table is used, which decides how RocksDB lays it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Few rows, rewritten often.
    Small,
    /// The records: large values, read by position.
    Payload,
    /// Tiles: incompressible, partial ones rewritten.
    Hashes,
    /// An index in key order.
    Index,
    /// An index looked into by its first 20 bytes (log and 16 more).
    Lookup,
    /// An index asked for whole keys, mostly for what is not there.
    Point,
    /// Rows of the fold: hundreds of short searches a question.
    Searched,
}

/// Bytes of a [`Use::Lookup`] key that its filter knows: log u32 and 16 bytes. A reader seeks with
/// `prefix_same_as_start`, or with `total_order_seek` to pass from one prefix to the next.
pub(crate) const LOOKUP_PREFIX: usize = 20;

impl Table {
    /// How many tables are the log's: the first ones.
    const OF_LOG: usize = 8;

    /// Every table.
    pub(crate) const ALL: [Self; 24] = [
        Self::Meta,
        Self::Logs,
        Self::Records,
        Self::Tiles,
        Self::Recorded,
        Self::Positions,
        Self::Schemas,
        Self::Late,
        Self::Time,
        Self::Actor,
        Self::Resource,
        Self::Agent,
        Self::Version,
        Self::Trace,
        Self::Decision,
        Self::Event,
        Self::Series,
        Self::Intent,
        Self::Object,
        Self::Kind,
        Self::Flag,
        Self::Source,
        Self::Observed,
        Self::Mark,
    ];

    /// What is rebuildable from the log.
    pub(crate) const VIEWS: &'static [Self] = Part::Views.tables();

    /// The column family's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Logs => "logs",
            Self::Records => "records",
            Self::Tiles => "tiles",
            Self::Recorded => "recorded",
            Self::Positions => "positions",
            Self::Schemas => "schemas",
            Self::Late => "late",
            Self::Time => "v_time",
            Self::Actor => "v_actor",
            Self::Resource => "v_resource",
            Self::Agent => "v_agent",
            Self::Version => "v_version",
            Self::Trace => "v_trace",
            Self::Decision => "v_decision",
            Self::Event => "v_event",
            Self::Series => "v_series",
            Self::Intent => "v_intent",
            Self::Object => "v_object",
            Self::Kind => "v_kind",
            Self::Flag => "v_flag",
            Self::Source => "v_source",
            Self::Observed => "observed",
            Self::Mark => "v_mark",
        }
    }

    /// Which database it is in.
    pub(crate) const fn part(self) -> Part {
        match self {
            Self::Meta
            | Self::Logs
            | Self::Records
            | Self::Tiles
            | Self::Recorded
            | Self::Positions
            | Self::Schemas
            | Self::Late => Part::Log,
            _ => Part::Views,
        }
    }

    const fn usage(self) -> Use {
        match self {
            Self::Meta | Self::Logs | Self::Positions | Self::Schemas | Self::Late => Use::Small,
            Self::Series | Self::Source | Self::Mark => Use::Small,
            Self::Records | Self::Intent => Use::Payload,
            Self::Tiles => Use::Hashes,
            Self::Recorded | Self::Time | Self::Actor | Self::Resource | Self::Agent | Self::Version => Use::Index,
            Self::Object | Self::Kind | Self::Flag => Use::Index,
            Self::Observed => Use::Searched,
            Self::Trace | Self::Decision => Use::Lookup,
            Self::Event => Use::Point,
        }
    }

    /// How RocksDB opens it; `cache` is the one that all tables share.
    pub(crate) fn descriptor(self, cache: &Cache) -> ColumnFamilyDescriptor {
        ColumnFamilyDescriptor::new(self.name(), options(self.usage(), cache))
    }
}

/// zstd at level 1, with its default window and strategy and no dictionary: a dictionary would hold people's data.
fn zstd(options: &mut RocksOptions) {
    options.set_compression_type(DBCompressionType::Zstd);
    options.set_compression_options(-14, 1, 0, 0);
}

fn options(usage: Use, cache: &Cache) -> RocksOptions {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_format_version(6);
    // Indexes and filters live in the cache, so that its capacity bounds them too.
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_cache_index_and_filter_blocks_with_high_priority(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_optimize_filters_for_memory(true);
    blocks.set_block_size(8 << 10);

    let mut options = RocksOptions::default();
    options.set_max_write_buffer_number(4);
    // Each of many memtables takes at least one such block, and together they are bounded.
    options.set_arena_block_size(128 << 10);
    // Universal compaction rewrites each row less often; the indexes come in random order, and records of many logs
    // are interleaved in time (measured: 10 instead of 11 us an event at 10 million).
    options.set_compaction_style(DBCompactionStyle::Universal);
    options.set_universal_compaction_options(&UniversalCompactOptions::default());
    options.set_level_zero_file_num_compaction_trigger(6);
    options.set_level_zero_slowdown_writes_trigger(30);
    options.set_level_zero_stop_writes_trigger(48);
    match usage {
        Use::Small => {
            options.set_write_buffer_size(4 << 20);
            options.set_compaction_style(DBCompactionStyle::Level);
            options.set_level_zero_file_num_compaction_trigger(4);
            options.set_compression_type(DBCompressionType::Lz4);
        }
        Use::Payload => {
            options.set_write_buffer_size(64 << 20);
            blocks.set_block_size(32 << 10);
            zstd(&mut options);
        }
        Use::Hashes => {
            options.set_write_buffer_size(16 << 20);
            options.set_compression_type(DBCompressionType::None);
        }
        Use::Index => {
            options.set_write_buffer_size(16 << 20);
            options.set_compression_type(DBCompressionType::Lz4);
            options.set_bottommost_compression_type(DBCompressionType::Zstd);
            options.set_bottommost_compression_options(-14, 1, 0, 0, true);
        }
        Use::Point => {
            options.set_write_buffer_size(16 << 20);
            options.set_compression_type(DBCompressionType::Lz4);
            options.set_memtable_whole_key_filtering(true);
            options.set_memtable_prefix_bloom_ratio(0.05);
            blocks.set_bloom_filter(10.0, false);
        }
        Use::Searched => {
            // A search looks into every sorted run, so there must be few: measured, 150 searches take 0.4 ms in one run
            // and 1.6 ms in the five of universal compaction. Small blocks and dense restarts are a tenth of that.
            options.set_write_buffer_size(16 << 20);
            options.set_compaction_style(DBCompactionStyle::Level);
            options.set_level_zero_file_num_compaction_trigger(2);
            options.set_compression_type(DBCompressionType::Lz4);
            blocks.set_block_size(4 << 10);
            blocks.set_block_restart_interval(4);
            blocks.set_bloom_filter(10.0, false);
        }
        Use::Lookup => {
            options.set_write_buffer_size(16 << 20);
            options.set_compression_type(DBCompressionType::Lz4);
            options.set_prefix_extractor(SliceTransform::create_fixed_prefix(LOOKUP_PREFIX));
            options.set_memtable_prefix_bloom_ratio(0.05);
            blocks.set_bloom_filter(10.0, false);
            blocks.set_whole_key_filtering(false);
        }
    }
    options.set_block_based_table_factory(&blocks);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The names as they stand in every store ever written. A line may be added; none may change or be used again.
    const NAMES: &str = "meta logs records tiles recorded positions schemas late v_time v_actor v_resource v_agent v_version \
                         v_trace v_decision v_event v_series v_intent v_object v_kind v_flag v_source observed v_mark";

    #[test]
    fn names_stand_for_ever_and_once() {
        let names: Vec<_> = Table::ALL.iter().map(|table| table.name()).collect();
        assert_eq!(names.join(" "), NAMES);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), Table::ALL.len());
    }

    #[test]
    fn the_log_is_what_views_are_made_of() {
        let log: Vec<_> = Table::ALL
            .iter()
            .filter(|table| table.part() == Part::Log)
            .map(|table| table.name())
            .collect();
        assert_eq!(
            log,
            [
                "meta",
                "logs",
                "records",
                "tiles",
                "recorded",
                "positions",
                "schemas",
                "late"
            ]
        );
        for part in [Part::Log, Part::Views] {
            let tables: Vec<_> = Table::ALL.into_iter().filter(|table| table.part() == part).collect();
            assert_eq!(tables, part.tables());
        }
    }
}
