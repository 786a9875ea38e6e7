//! YAML as a tree that knows its lines.

use anyhow::bail;
use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Number, Value};

/// A value and the line where it begins (from 1).
#[derive(Clone, Debug)]
pub struct Node {
    pub line: usize,
    pub data: Data,
}

#[derive(Clone, Debug)]
pub enum Data {
    Scalar(Value),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Reads one document.
    ///
    /// # Errors
    /// The text is not YAML; the message names the line.
    pub fn parse(text: &str, file: &str) -> anyhow::Result<Self> {
        let documents = match MarkedYaml::load_from_str(text) {
            Ok(documents) => documents,
            Err(error) => bail!(
                "{file}, line {}: not YAML: {}",
                error.marker().line(),
                error.info()
            ),
        };
        match documents.as_slice() {
            [] => Ok(Self {
                line: 1,
                data: Data::Map(Vec::new()),
            }),
            [one] => convert(one, file),
            _ => bail!("{file}: expected one YAML document, found several (separated by ---)"),
        }
    }

    pub fn to_json(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Data::Map(entries) => {
                let pairs = entries
                    .iter()
                    .map(|(name, node)| (name.clone(), node.to_json()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    pub fn entries(&self) -> &[(String, Self)] {
        match &self.data {
            Data::Map(entries) => entries,
            Data::Scalar(_) | Data::List(_) => &[],
        }
    }

    /// The items of a list; `null` and an absent list are empty.
    pub fn items(&self) -> &[Self] {
        match &self.data {
            Data::List(items) => items,
            Data::Scalar(_) | Data::Map(_) => &[],
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.data, Data::Scalar(Value::Null))
    }

    pub fn get(&self, name: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, node)| node)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name).map(|node| &node.data) {
            Some(Data::Scalar(Value::String(text))) => Some(text),
            _ => None,
        }
    }

    /// The line of a member, or of the node itself.
    pub fn line_of(&self, name: &str) -> usize {
        self.get(name).map_or(self.line, |node| node.line)
    }
}

fn convert(yaml: &MarkedYaml<'_>, file: &str) -> anyhow::Result<Node> {
    let line = yaml.span.start.line().max(1);
    let data = match &yaml.data {
        YamlData::Value(scalar) => Data::Scalar(scalar_value(scalar)),
        YamlData::Sequence(items) => Data::List(
            items
                .iter()
                .map(|item| convert(item, file))
                .collect::<Result<_, _>>()?,
        ),
        YamlData::Mapping(map) => {
            let mut entries: Vec<(String, Node)> = Vec::with_capacity(map.len());
            for (key, value) in map {
                let Some(name) = key_text(key) else {
                    bail!(
                        "{file}, line {}: a key must be a word",
                        key.span.start.line()
                    );
                };
                entries.push((name, convert(value, file)?));
            }
            Data::Map(entries)
        }
        YamlData::Tagged(_, inner) => return convert(inner, file),
        YamlData::Representation(text, ..) => Data::Scalar(Value::String(text.to_string())),
        YamlData::Alias(_) | YamlData::BadValue => {
            bail!("{file}, line {line}: this value cannot be read")
        }
    };
    Ok(Node { line, data })
}

fn key_text(key: &MarkedYaml<'_>) -> Option<String> {
    match &key.data {
        YamlData::Value(Scalar::String(text)) => Some(text.to_string()),
        YamlData::Value(Scalar::Integer(number)) => Some(number.to_string()),
        YamlData::Value(Scalar::Boolean(flag)) => Some(flag.to_string()),
        _ => None,
    }
}

fn scalar_value(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(flag) => Value::Bool(*flag),
        Scalar::Integer(number) => Value::Number((*number).into()),
        Scalar::FloatingPoint(number) => {
            Number::from_f64(number.into_inner()).map_or(Value::Null, Value::Number)
        }
        Scalar::String(text) => Value::String(text.to_string()),
    }
}
