//! A schema as a table that a reader can follow: names resolved, logical types told apart.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, UuidSchema};

/// Position of a type in a [`Compiled`] schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeIndex(usize);

/// How many of its unit make a microsecond, or how many microseconds make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    Days,
    Millis,
    Micros,
    Nanos,
}

/// A type, as far as its bytes and their meaning need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    /// A UUID in 16 bytes, of fixed length or not.
    Uuid {
        fixed: bool,
    },
    Time(TimeUnit),
    Enum(Vec<String>),
    Array(TypeIndex),
    Map(TypeIndex),
    Union(Vec<TypeIndex>),
    Record {
        /// Without its namespace.
        name: String,
        fields: Vec<(String, TypeIndex)>,
    },
}

/// A schema, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compiled {
    types: Vec<Type>,
    root: TypeIndex,
}

impl Compiled {
    /// Compiles a parsed schema; `None` when a name in it refers to nothing.
    pub(crate) fn of(schema: &Schema) -> Option<Self> {
        let mut compiler = Compiler::default();
        let root = compiler.compile(schema)?;
        Some(Self {
            types: compiler.types,
            root,
        })
    }

    /// The schema of nothing.
    pub(crate) fn null() -> Self {
        Self {
            types: vec![Type::Null],
            root: TypeIndex(0),
        }
    }

    /// The type of a whole datum.
    pub(crate) fn root(&self) -> &Type {
        self.at(self.root)
    }

    /// A type by its position. Positions come from this schema alone, so that they are always there.
    pub(crate) fn at(&self, index: TypeIndex) -> &Type {
        &self.types[index.0]
    }
}

#[derive(Default)]
struct Compiler {
    types: Vec<Type>,
    named: HashMap<String, TypeIndex>,
}

impl Compiler {
    fn compile(&mut self, schema: &Schema) -> Option<TypeIndex> {
        // Room for the type is taken before its parts are compiled: a record may hold itself.
        let index = TypeIndex(self.types.len());
        if let Schema::Ref { name } = schema {
            return self.named.get(&name.fullname(None)).copied();
        }
        self.types.push(Type::Null);
        if let Some(name) = schema.name() {
            self.named.insert(name.fullname(None), index);
        }
        let compiled = match schema {
            Schema::Null => Type::Null,
            Schema::Boolean => Type::Boolean,
            Schema::Int | Schema::TimeMillis => Type::Int,
            // A local time says nothing about when: it is a number like others.
            Schema::Long
            | Schema::TimeMicros
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Type::Long,
            Schema::Float => Type::Float,
            Schema::Double => Type::Double,
            Schema::Bytes | Schema::BigDecimal => Type::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Type::String,
            Schema::Uuid(UuidSchema::Bytes) => Type::Uuid { fixed: false },
            Schema::Uuid(UuidSchema::Fixed(_)) => Type::Uuid { fixed: true },
            Schema::Fixed(fixed) | Schema::Duration(fixed) => Type::Fixed(fixed.size),
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Type::Bytes,
                InnerDecimalSchema::Fixed(fixed) => Type::Fixed(fixed.size),
            },
            Schema::Date => Type::Time(TimeUnit::Days),
            Schema::TimestampMillis => Type::Time(TimeUnit::Millis),
            Schema::TimestampMicros => Type::Time(TimeUnit::Micros),
            Schema::TimestampNanos => Type::Time(TimeUnit::Nanos),
            Schema::Enum(symbols) => Type::Enum(symbols.symbols.clone()),
            Schema::Array(array) => Type::Array(self.compile(&array.items)?),
            Schema::Map(map) => Type::Map(self.compile(&map.types)?),
            Schema::Union(union) => Type::Union(
                union
                    .variants()
                    .iter()
                    .map(|variant| self.compile(variant))
                    .collect::<Option<_>>()?,
            ),
            Schema::Record(record) => {
                let mut fields = Vec::with_capacity(record.fields.len());
                for field in &record.fields {
                    fields.push((field.name.clone(), self.compile(&field.schema)?));
                }
                Type::Record {
                    name: record.name.name().to_owned(),
                    fields,
                }
            }
            // Handled above.
            Schema::Ref { .. } => return None,
        };
        self.types[index.0] = compiled;
        Some(index)
    }
}
