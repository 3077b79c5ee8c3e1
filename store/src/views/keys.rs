//! The keys of the view rows. All integers are big-endian, so that the order of bytes is the order of meaning.
//!
//! ```text
//! v_time                 view u32 | f u64 | index u64
//! v_actor .. v_version   view u32 | H16(name) | f u64 | index u64        also v_resource, v_agent, v_object
//! v_kind                 view u32 | kind u8 | f u64 | index u64
//! v_trace, v_decision    view u32 | H16(name) | index u64               of a trace its normal form
//! v_event                view u32 | event id 16 | H8(source)             what counts; then, of the same id, (of intent the
//!                                                                      last byte of H8 is inverted)
//!                        view u32 | event id 16 | H8(source) | index u64  each conflict
//! v_flag                 view u32 | index u64
//! v_intent               view u32 | step u64
//! v_source               view u32 | place of a source | ..                ([`super::source_rows`])
//! v_series               view u32 | H16(environment, scope, policy, version)
//! observed               view u32 | environment u32 | the fold's own key; environment 0 names the environments
//! v_mark                 log u32: which view is read ([`super::mark`])
//! ```
//!
//! H16 and H8 are the first bytes of SHA-256 over the parts, each behind its length: stable for ever, the same on
//! every node, and no dictionary to look up. Names that collide (2^64 attempts for H16) would share a range, so a
//! reader that must be sure looks at the record.

use sha2::{Digest, Sha256};
use verdict_schemas::{EventId, Scope, ScopeRef, Timestamp};

use super::mark::ViewId;

/// The first 16 bytes of a hash of a name: enough that nobody finds two alike.
pub(crate) type H16 = [u8; 16];
/// The first 8 bytes: enough beside an id that is unique anyway.
pub(crate) type H8 = [u8; 8];

/// Bytes of a key that ends in (f, index), from the end.
pub(crate) const TAIL: usize = 16;

/// Hashes parts, each behind its length as a varint, so that no two lists of parts are the same bytes. Names are short:
/// they are put together on the stack, and mostly are one block of SHA-256.
pub(crate) struct NameHash {
    bytes: [u8; Self::ROOM],
    len: usize,
    /// What there was no room for was hashed before.
    before: Option<Sha256>,
}

impl NameHash {
    const ROOM: usize = 256;

    pub(crate) fn new() -> Self {
        Self {
            bytes: [0; Self::ROOM],
            len: 0,
            before: None,
        }
    }

    fn held(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        } else {
            let mut sha = self.before.take().unwrap_or_default();
            sha.update(self.held());
            sha.update(bytes);
            self.before = Some(sha);
            self.len = 0;
        }
    }

    /// Adds a part. By reference: to pass the room along by value would cost more than the hash.
    pub(crate) fn part(&mut self, part: &str) -> &mut Self {
        let mut number = part.len();
        while number >= 0x80 {
            self.push(&[low(number) | 0x80]);
            number >>= 7;
        }
        self.push(&[low(number)]);
        self.push(part.as_bytes());
        self
    }

    pub(crate) fn finish(&mut self) -> H16 {
        match self.before.take() {
            None => head(&Sha256::digest(self.held())),
            Some(mut sha) => {
                sha.update(self.held());
                head(&sha.finalize())
            }
        }
    }
}

/// The lowest seven bits.
fn low(number: usize) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low & 0x7f
}

fn head<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut head = [0; N];
    head.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    head
}

/// H16 of one name.
pub(crate) fn h16(name: &str) -> H16 {
    NameHash::new().part(name).finish()
}

/// H8 of one name: the head of its [`h16`].
pub(crate) fn h8(name: &str) -> H8 {
    head(&h16(name))
}

/// The head of a hash already made.
pub(crate) fn h8_of(hash: &H16) -> H8 {
    head(hash)
}

/// H16 of (type, id) or (kind, id).
pub(crate) fn h16_typed(kind: &str, id: &str) -> H16 {
    NameHash::new().part(kind).part(id).finish()
}

/// H16 of a correlation id, beside the trace ids and apart from them.
pub(crate) fn h16_correlation(id: &str) -> H16 {
    h16_typed("correlation_id", id)
}

/// H16 of what reconciliation reports about (kind, id), beside the changes of it and apart from them.
pub(crate) fn h16_reports(kind: &str, id: &str) -> H16 {
    NameHash::new().part("reports").part(kind).part(id).finish()
}

/// H16 of the effects of a decision id, beside the decisions and apart from them.
pub(crate) fn h16_effects(decision_id: &str) -> H16 {
    h16_typed("effects", decision_id)
}

/// H16 of (environment, scope, policy, version).
pub(crate) fn h16_version(environment: &str, scope: &ScopeRef<'_>, policy: &str, version: &str) -> H16 {
    let mut hash = NameHash::new();
    hash.part(environment);
    match scope {
        ScopeRef::Global => hash.part("global"),
        ScopeRef::Environment(e) => hash.part("environment").part(e),
        ScopeRef::Tenant(t, e) => hash.part("tenant").part(t).part(e),
        ScopeRef::Workload(t, e, w) => hash.part("workload").part(t).part(e).part(w),
    };
    hash.part(policy).part(version).finish()
}

/// H16 of (environment, scope, policy, version), from the owned scope.
pub(crate) fn h16_version_of(environment: &str, scope: &Scope, policy: &str, version: &str) -> H16 {
    h16_version(environment, &ScopeRef::of(scope), policy, version)
}

/// f as it stands in keys.
pub(crate) fn time_bytes(f: Timestamp) -> [u8; 8] {
    f.as_micros().cast_unsigned().to_be_bytes()
}

/// A key under construction, on the stack: no view key but the fold's is longer.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    bytes: [u8; Self::MAX],
    len: usize,
}

impl Key {
    const MAX: usize = 48;

    pub(crate) fn view(view: ViewId) -> Self {
        Self {
            bytes: [0; Self::MAX],
            len: 0,
        }
        .with(&view.prefix())
    }

    pub(crate) fn with(mut self, part: &[u8]) -> Self {
        let end = self.len + part.len();
        if let Some(place) = self.bytes.get_mut(self.len..end) {
            place.copy_from_slice(part);
            self.len = end;
        } else {
            debug_assert!(false, "a view key of more than {} bytes", Self::MAX);
        }
        self
    }

    pub(crate) fn at(self, f: Timestamp, index: u64) -> Self {
        self.with(&time_bytes(f)).with(&index.to_be_bytes())
    }

    pub(crate) fn index(self, index: u64) -> Self {
        self.with(&index.to_be_bytes())
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

/// Bytes of a key of `v_event` that holds what counts.
pub(crate) const EVENT: usize = 28;

/// H8 of an emitter within E4: what it intends and what it observes never stand for one another.
pub(crate) fn h8_emitter(source: &H16, intent: bool) -> H8 {
    let mut hash = h8_of(source);
    if intent && let Some(last) = hash.last_mut() {
        *last = !*last;
    }
    hash
}

/// `v_event` of what counts.
pub(crate) fn event(view: ViewId, id: EventId, source: &H8) -> Key {
    Key::view(view).with(id.0.as_bytes()).with(source)
}

/// (f, index) at the end of a key.
pub(crate) fn tail(key: &[u8]) -> Option<(Timestamp, u64)> {
    let (_, tail) = key.split_last_chunk::<TAIL>()?;
    let (f, index) = tail.split_first_chunk::<8>()?;
    let f = Timestamp::from_micros(i64::from_be_bytes(*f))?;
    Some((f, u64::from_be_bytes(*index.first_chunk()?)))
}

/// The index at the end of a key.
pub(crate) fn tail_index(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|index| u64::from_be_bytes(*index))
}

/// The first key behind every key that begins with `prefix`; `None` where there is no such key.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix.get(..=last)?.to_vec();
    if let Some(byte) = end.last_mut() {
        *byte += 1;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_only_look_alike_hash_apart() {
        assert_ne!(h16_typed("user", "a"), h16_typed("usera", ""));
        assert_ne!(h16_typed("", "usera"), h16_typed("user", "a"));
        assert_ne!(h16_correlation("a"), h16("a"));
        assert_ne!(h16_effects("a"), h16("a"));
        assert_ne!(h16_reports("a", "b"), h16_typed("a", "b"));
        let tenant = ScopeRef::Tenant("t".into(), "*".into());
        let environment = ScopeRef::Environment("t".into());
        assert_ne!(
            h16_version("prod", &tenant, "p", "1"),
            h16_version("prod", &environment, "p", "1")
        );
    }

    /// What is stored must be found again by every later release.
    #[test]
    fn hashes_are_pinned() {
        assert_eq!(hex::encode(h16("verdict")), "e00cf834a8c55342f5052f6103240b75");
        assert_eq!(
            hex::encode(h16_reports("credential", "c1")),
            "a175f76019a3cd93fe44e56db3e8495f"
        );
        assert_eq!(hex::encode(h16_effects("d1")), "35680fc4abc4c10886a3ae5d5a335940");
        // Longer than what is put together on the stack, in one part and in several.
        assert_eq!(hex::encode(h16(&"x".repeat(1000))), "d80c2372ed91b3c47edd89b8efb566eb");
        assert_eq!(
            hex::encode(h16_typed(&"y".repeat(200), &"z".repeat(200))),
            "0e7a93482036307339c1565d7f789876"
        );
        assert_eq!(
            hex::encode(h16_version("prod", &ScopeRef::Global, "access", "v1")),
            "017380781938e3e3d5ada9e6361fbc1a"
        );
    }

    #[test]
    fn keys_order_by_time_then_index_and_read_back() {
        let at = |f: i64, index| Key::view(ViewId(7)).at(Timestamp::from_micros(f).unwrap(), index);
        assert!(at(1, 900).as_slice() < at(2, 3).as_slice());
        assert!(at(2, 255).as_slice() < at(2, 256).as_slice());
        assert_eq!(
            tail(at(2, 256).as_slice()),
            Some((Timestamp::from_micros(2).unwrap(), 256))
        );
    }

    #[test]
    fn the_end_of_a_prefix_is_past_all_of_it() {
        assert_eq!(after_prefix(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(after_prefix(&[1, 0xff]), Some(vec![2]));
        assert_eq!(after_prefix(&[0xff, 0xff]), None);
    }
}
