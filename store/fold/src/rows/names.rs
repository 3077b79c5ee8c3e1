//! Names by number: instances, series, versions and label sets, in the order in which they first came, so that the
//! numbers of rebuilt rows are those of the kept ones.

use std::hash::Hash;

use foldhash::HashMap;
use verdict_schemas::{AgentId, Incarnation, Labels, PolicyName, Version};

use super::key::{Fields, Key, Tag, find, put_text, put_varint};
use super::scope::{ScopeRef, put_scope, take_scope};
use super::space::{Corrupt, Direction, OrderedRows, OrderedRowsMut, RowsError};
use crate::{Instance, SeriesKey};

/// What is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Space {
    Instance = 1,
    Series = 2,
    Version = 3,
    Labels = 4,
}

const WHAT: &str = "names";

/// Writes the name of an instance: the agent behind its length, then the incarnation.
pub(super) fn name_instance(out: &mut Vec<u8>, agent: &str, incarnation: &str) {
    out.clear();
    put_text(out, agent);
    out.extend_from_slice(incarnation.as_bytes());
}

/// Writes the name of a series: the scope, then the policy behind its length.
pub(super) fn name_series(out: &mut Vec<u8>, scope: ScopeRef<'_>, policy: &str) {
    out.clear();
    put_scope(out, scope);
    put_text(out, policy);
}

/// Writes the name of a label set: its pairs in the order of their names.
pub(super) fn name_labels(out: &mut Vec<u8>, labels: &Labels) {
    out.clear();
    put_varint(out, u64::try_from(labels.len()).unwrap_or(u64::MAX));
    for (name, value) in labels {
        put_text(out, name);
        put_text(out, value);
    }
}

fn read_instance(name: &[u8]) -> Result<Instance, Corrupt> {
    let mut fields = Fields::new(name, WHAT);
    let agent = fields.text()?;
    let incarnation = std::str::from_utf8(fields.rest()).map_err(|_| Corrupt(WHAT))?;
    Ok(Instance {
        agent: AgentId::new(agent),
        incarnation: Incarnation::new(incarnation),
    })
}

fn read_series(name: &[u8]) -> Result<SeriesKey, Corrupt> {
    let mut fields = Fields::new(name, WHAT);
    let scope = take_scope(&mut fields)?;
    let policy = PolicyName::new(fields.text()?);
    fields.end()?;
    Ok(SeriesKey { scope, policy })
}

fn read_labels(name: &[u8]) -> Result<Labels, Corrupt> {
    let mut fields = Fields::new(name, WHAT);
    let mut labels = Labels::new();
    for _ in 0..fields.varint()? {
        labels.insert(fields.text()?.to_owned(), fields.text()?.to_owned());
    }
    fields.end()?;
    Ok(labels)
}

fn named<R: OrderedRows, T>(
    rows: &R,
    space: Space,
    id: u32,
    read: impl FnOnce(&[u8]) -> Result<T, Corrupt>,
) -> Result<T, RowsError<R::Error>> {
    let key = Key::new(Tag::Named).u8(space as u8).u32(id);
    let name = rows.get(key.as_slice()).map_err(RowsError::Storage)?;
    Ok(read(&name.ok_or(Corrupt(WHAT))?)?)
}

/// The instance behind an id.
pub(super) fn instance<R: OrderedRows>(rows: &R, id: u32) -> Result<Instance, RowsError<R::Error>> {
    named(rows, Space::Instance, id, read_instance)
}

/// The series behind an id.
pub(super) fn series<R: OrderedRows>(rows: &R, id: u32) -> Result<SeriesKey, RowsError<R::Error>> {
    named(rows, Space::Series, id, read_series)
}

/// The version behind an id.
pub(super) fn version<R: OrderedRows>(rows: &R, id: u32) -> Result<Version, RowsError<R::Error>> {
    named(rows, Space::Version, id, |name| {
        std::str::from_utf8(name).map(Version::new).map_err(|_| Corrupt(WHAT))
    })
}

/// The labels behind an id.
pub(super) fn labels<R: OrderedRows>(rows: &R, id: u32) -> Result<Labels, RowsError<R::Error>> {
    named(rows, Space::Labels, id, read_labels)
}

/// The id of a name, if it ever came.
pub(super) fn id_of<R: OrderedRows>(rows: &R, space: Space, name: &[u8]) -> Result<Option<u32>, RowsError<R::Error>> {
    let mut key = vec![Tag::Name as u8, space as u8];
    key.extend_from_slice(name);
    let Some(id) = rows.get(&key).map_err(RowsError::Storage)? else {
        return Ok(None);
    };
    Ok(Some(Fields::new(&id, WHAT).u32()?))
}

/// A map bounded in size: when the young half is full it becomes the old one, and what was old and not asked for is
/// forgotten.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq, V: Copy> Recent<K, V> {
    pub(super) fn new(half: usize) -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
            half,
        }
    }

    pub(super) fn get<Q: Hash + Eq + ?Sized + ToOwned<Owned = O>, O: Into<K>>(&mut self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        if let Some(value) = self.young.get(key) {
            return Some(*value);
        }
        let value = *self.old.get(key)?;
        self.put(key.to_owned().into(), value);
        Some(value)
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// Entries there is room for.
    pub(super) fn capacity(&self) -> usize {
        self.young.capacity() + self.old.capacity()
    }
}

/// The writer's names: those that came lately are found without touching the rows.
#[derive(Debug)]
pub(super) struct Names {
    spaces: [NameSpace; 4],
    /// Where a name is put together before it is looked up.
    pub(super) scratch: Vec<u8>,
}

#[derive(Debug)]
struct NameSpace {
    recent: Recent<Box<[u8]>, u32>,
    /// The id that the next new name gets; `None` until the rows were asked.
    next: Option<u32>,
}

/// Names kept per space and half.
const NAMES: usize = 1 << 15;

impl Names {
    pub(super) fn new() -> Self {
        let space = || NameSpace {
            recent: Recent::new(NAMES),
            next: None,
        };
        Self {
            spaces: [space(), space(), space(), space()],
            scratch: Vec::new(),
        }
    }

    fn of(&mut self, space: Space) -> (&mut NameSpace, &[u8]) {
        let [instances, series, versions, labels] = &mut self.spaces;
        let names = match space {
            Space::Instance => instances,
            Space::Series => series,
            Space::Version => versions,
            Space::Labels => labels,
        };
        (names, &self.scratch)
    }

    /// The id of the name in `scratch`, if it ever came.
    pub(super) fn known<R: OrderedRows>(&mut self, rows: &R, space: Space) -> Result<Option<u32>, RowsError<R::Error>> {
        let (names, name) = self.of(space);
        if let Some(id) = names.recent.get(name) {
            return Ok(Some(id));
        }
        let id = id_of(rows, space, name)?;
        if let Some(id) = id {
            names.recent.put(name.into(), id);
        }
        Ok(id)
    }

    /// The id of the name in `scratch`, given now if it is new. The second is true if so.
    pub(super) fn intern<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        space: Space,
    ) -> Result<(u32, bool), RowsError<R::Error>> {
        match self.known(&*rows, space)? {
            Some(id) => Ok((id, false)),
            None => self.name(rows, space).map(|id| (id, true)),
        }
    }

    /// Gives an id to the name in `scratch`, which never came.
    pub(super) fn name<R: OrderedRowsMut>(&mut self, rows: &mut R, space: Space) -> Result<u32, RowsError<R::Error>> {
        let (names, name) = self.of(space);
        let id = names.add(rows, space, name)?;
        names.recent.put(name.into(), id);
        Ok(id)
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        // A box, its text of some fifty bytes, an id and the table's own share.
        self.spaces.iter().map(|space| space.recent.capacity() * 80).sum()
    }
}

impl NameSpace {
    fn add<R: OrderedRowsMut>(&mut self, rows: &mut R, space: Space, name: &[u8]) -> Result<u32, RowsError<R::Error>> {
        let named = Key::new(Tag::Named).u8(space as u8);
        let id = match self.next {
            Some(id) => id,
            None => find(
                rows,
                named,
                named.u32(u32::MAX).after(),
                Direction::Backward,
                |key, _| {
                    let mut fields = Fields::of_key(key, WHAT);
                    fields.u8()?;
                    fields.u32().map(Some)
                },
            )?
            // 0 is no id: it stands for no version and for no labels.
            .map_or(1, |last| last.saturating_add(1)),
        };
        // Four thousand million names of one kind in one environment: refuse rather than give an id twice.
        self.next = Some(id.checked_add(1).ok_or(Corrupt(WHAT))?);
        let mut key = vec![Tag::Name as u8, space as u8];
        key.extend_from_slice(name);
        rows.put(&key, &id.to_be_bytes()).map_err(RowsError::Storage)?;
        rows.put(named.u32(id).as_slice(), name).map_err(RowsError::Storage)?;
        Ok(id)
    }
}
