//! Tables of names and values as JSON and TOML write them, turned into the texts that a query would have.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ParamError;

/// A table in the order in which it is written. A name that stands in it twice is there twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table(Vec<(String, Written)>);

/// A value of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Written {
    /// true or false.
    Switch(bool),
    /// A whole number.
    Whole(u64),
    /// Any other number.
    Number(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Written>),
    /// A table in the table.
    Table(Table),
}

/// How deep lists and tables may lie in each other: an item of a batch has lists in a table in a list in the table.
const MAX_DEPTH: usize = 8;

/// How many values a table and all in it may have: a value takes up to 50 bytes of memory for each 2 bytes of text. A
/// batch of 1,000 items has some thousands.
const MAX_VALUES: usize = 100_000;

impl Table {
    /// The entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Written)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The first value of `name`.
    pub fn get(&self, name: &str) -> Option<&Written> {
        self.entries().find(|(entry, _)| *entry == name).map(|(_, value)| value)
    }
}

impl FromIterator<(String, Written)> for Table {
    fn from_iter<I: IntoIterator<Item = (String, Written)>>(entries: I) -> Table {
        Table(entries.into_iter().collect())
    }
}

impl Written {
    /// The value as a query would have it; a list of such values has commas between them. Returns `None` for a table.
    pub fn text(&self) -> Option<String> {
        match self {
            Written::Switch(switch) => Some(switch.to_string()),
            Written::Whole(number) => Some(number.to_string()),
            Written::Number(number) => Some(number.to_string()),
            Written::Text(text) => Some(text.clone()),
            Written::List(list) => Some(list.iter().map(Written::text).collect::<Option<Vec<String>>>()?.join(",")),
            Written::Table(_) => None,
        }
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.entries())
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Table, D::Error> {
        deserializer
            .deserialize_map(TableVisitor(Reader { values_left: &Cell::new(MAX_VALUES), depth_left: MAX_DEPTH }))
    }
}

/// Reads values. An enum that is derived would keep a copy of all that a list or table holds, at each depth another.
#[derive(Clone, Copy)]
struct Reader<'a> {
    values_left: &'a Cell<usize>,
    depth_left: usize,
}

impl Reader<'_> {
    /// The reader of what lies in the next value.
    fn of_inner<E: de::Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1);
        let depth_left =
            depth_left.ok_or_else(|| E::custom(format!("more than {MAX_DEPTH} lists and tables in each other")))?;
        Ok(Reader { depth_left, ..self })
    }
}

/// `None` stands for null, which programs write for what is not given.
impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Option<Written>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Written>, D::Error> {
        let left = self.values_left.get().checked_sub(1);
        self.values_left.set(left.ok_or_else(|| de::Error::custom(format!("more than {MAX_VALUES} values")))?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Option<Written>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true, false, a list or a table")
    }

    fn visit_unit<E>(self) -> Result<Option<Written>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, switch: bool) -> Result<Option<Written>, E> {
        Ok(Some(Written::Switch(switch)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Option<Written>, E> {
        Ok(Some(Written::Whole(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Option<Written>, E> {
        Ok(Some(u64::try_from(number).map_or(Written::Number(number as f64), Written::Whole)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Option<Written>, E> {
        Ok(Some(Written::Number(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<Written>, E> {
        Ok(Some(Written::Text(text.to_owned())))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Option<Written>, S::Error> {
        let reader = self.of_inner()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(reader)? {
            values.push(value.ok_or_else(|| de::Error::invalid_type(Unexpected::Unit, &self))?);
        }
        Ok(Some(Written::List(values)))
    }

    fn visit_map<M: MapAccess<'de>>(self, table: M) -> Result<Option<Written>, M::Error> {
        Ok(Some(Written::Table(TableVisitor(self.of_inner()?).visit_map(table)?)))
    }
}

struct TableVisitor<'a>(Reader<'a>);

impl<'de> Visitor<'de> for TableVisitor<'_> {
    type Value = Table;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of names and values")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut table: M) -> Result<Table, M::Error> {
        let mut entries = Vec::new();
        while let Some(name) = table.next_key::<String>()? {
            entries.extend(table.next_value_seed(self.0)?.map(|value| (name, value)));
        }
        Ok(Table(entries))
    }
}

/// The error for what a table has under `name`.
pub(super) fn refuse(name: &str, given: Option<String>, reason: &str, allowed: &str) -> ParamError {
    ParamError::new(name, given.as_deref(), reason, allowed)
}

/// The error for a value that is of another kind, "table" or "list".
pub(super) fn not_a(key: &str, kind: &str) -> ParamError {
    refuse(key, None, &format!("is no {kind}"), &format!("a {kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(json: &str) -> Table {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn values_become_the_texts_of_a_query() {
        let table = table(r#"{"a":80000,"b":"80KB","none":null,"c":71.5,"d":true,"e":["webp","jpeg"],"f":-5,"g":{}}"#);
        let texts: Vec<Option<String>> = table.entries().map(|(_, value)| value.text()).collect();
        let expected = [Some("80000"), Some("80KB"), Some("71.5"), Some("true"), Some("webp,jpeg"), Some("-5"), None];
        assert_eq!(texts, expected.map(|text| text.map(str::to_owned)));
    }

    #[test]
    fn a_name_given_twice_is_there_twice() {
        assert_eq!(table(r#"{"a":1,"a":2}"#).entries().count(), 2);
        let nested = table(r#"{"outer":{"a":1,"a":2}}"#);
        let Some(Written::Table(inner)) = nested.get("outer") else { panic!() };
        assert_eq!(inner.entries().count(), 2);
    }

    #[test]
    fn lists_in_lists_take_no_more_memory_than_their_text() {
        let nested = |depth: usize, inner: &str| {
            serde_json::from_str::<Table>(&format!(r#"{{"a":{}{inner}{}}}"#, "[".repeat(depth), "]".repeat(depth)))
        };
        assert!(nested(MAX_DEPTH, "1").is_ok());
        let refused = nested(MAX_DEPTH + 1, "1").unwrap_err().to_string();
        assert!(refused.contains("more than 8 lists and tables in each other"), "{refused}");
        assert!(nested(1, &vec!["1"; MAX_VALUES - 1].join(",")).is_ok());
        let refused = nested(1, &vec!["1"; MAX_VALUES].join(",")).unwrap_err().to_string();
        assert!(refused.contains("more than 100000 values"), "{refused}");
        assert!(nested(1, "null").is_err(), "a list has no gaps");
    }

    #[test]
    fn numbers_keep_their_kind() {
        let table = table(r#"{"a":[18446744073709551615,-1,1e3,1.5]}"#);
        let list = vec![Written::Whole(u64::MAX), Written::Number(-1.0), Written::Number(1000.0), Written::Number(1.5)];
        assert_eq!(table.get("a"), Some(&Written::List(list)));
    }
}
