//! Tables of names and values as JSON and TOML write them, turned into the texts that a query would have.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ParamError;

/// A table in the order in which it is written. A name that stands in it twice is there twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table(Vec<(String, Written)>);

/// A value of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a text, a number, true, false, a list or a table")]
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
        deserializer.deserialize_map(TableVisitor)
    }
}

struct TableVisitor;

impl<'de> Visitor<'de> for TableVisitor {
    type Value = Table;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of names and values")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Table, M::Error> {
        let mut entries = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Option<Written>>()? {
            // Programs write null for what is not given.
            entries.extend(value.map(|value| (name, value)));
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
}
