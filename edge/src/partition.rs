//! Which partition a key belongs to: murmur2, as Kafka's Java client has it and every other client calls it.
//!
//! Says which node holds a tenant, and checks where a record arrived; records are placed by librdkafka's `murmur2_random`.

/// The partition of `key` among `partitions`.
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    // Java's `Utils.toPositive`: the sign bit is cut off, not negated.
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}

/// MurmurHash2 with Kafka's seed (`org.apache.kafka.common.utils.Utils.murmur2`).
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // Keys are shorter than 4 GiB by Kafka's own format (an i32).
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut h = SEED ^ length;
    let mut words = data.chunks_exact(4);
    for word in words.by_ref() {
        let mut k = word.iter().rev().fold(0u32, |k, byte| (k << 8) | u32::from(*byte));
        k = k.wrapping_mul(M);
        k ^= k >> R;
        k = k.wrapping_mul(M);
        h = h.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        h ^= rest.iter().rev().fold(0u32, |k, byte| (k << 8) | u32::from(*byte));
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where Java, kafka-python, franz-go and kafkajs put these keys among twelve partitions.
    #[test]
    fn keys_go_where_every_other_client_puts_them() {
        for (key, partition) in [
            ("acme", 0),
            ("globex", 7),
            ("initech", 6),
            ("tenant-42", 2),
            ("ü-umläut", 4),
        ] {
            assert_eq!(partition_of(key.as_bytes(), 12), partition, "{key}");
        }
    }

    /// From the tests of Kafka's own `Utils.murmur2`.
    #[test]
    fn the_hash_is_kafkas() {
        assert_eq!(murmur2(b"21").cast_signed(), -973_932_308);
        assert_eq!(murmur2(b"foobar").cast_signed(), -790_332_482);
        assert_eq!(murmur2(b"a-little-bit-long-string").cast_signed(), -985_981_536);
    }
}
