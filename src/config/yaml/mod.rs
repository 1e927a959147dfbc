//! A YAML document as a tree that remembers where everything stood and how it was written.
//!
//! Built on the events of `granit-parser`, the parser below `serde-saphyr`: deserializing through serde stops at the first error, loses
//! the text as written (`name: 0443`) and speaks of Rust types, while a targets file should be told everything at once. The parser is
//! named nowhere outside this folder.
//!
//! Promises bounded memory: an alias shares its node instead of copying it, and nodes, merged entries and nesting have a limit. What is
//! broken in the middle still gives the part before it, so that its problems are told as well. Leaves out what the values mean.

mod build;
mod merge;
mod scalar;
mod syntax;

use std::borrow::Cow;

use super::report::{Report, Span};

/// One document.
#[derive(Debug)]
pub struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    root: Option<u32>,
}

/// Nodes are numbered: a tree of boxes would be copied for each alias, and could overflow the stack when it is dropped.
#[derive(Debug)]
struct Node<'a> {
    span: Span,
    content: Content<'a>,
}

/// The limit on nodes bounds memory because a node is small.
const _: () = assert!(size_of::<Node<'_>>() <= 64);

#[derive(Debug)]
enum Content<'a> {
    Scalar {
        text: Cow<'a, str>,
        is_plain: bool,
    },
    List(Vec<u32>),
    Map {
        entries: Vec<(u32, u32)>,
        is_whole: bool,
    },
    /// Something whose problem has been told.
    Broken,
}

/// One value of a tree.
#[derive(Debug, Clone, Copy)]
pub struct Value<'t> {
    tree: &'t Tree<'t>,
    node: u32,
}

/// What a value is.
#[derive(Debug, Clone, Copy)]
pub enum Shape<'t> {
    /// `~`, `null`, or nothing at all.
    Nothing,
    Scalar(Scalar<'t>),
    List(List<'t>),
    Map(Map<'t>),
    /// Its problem has been told: say no more of it.
    Broken,
}

/// A text, as it was written.
#[derive(Debug, Clone, Copy)]
pub struct Scalar<'t> {
    pub text: &'t str,
    /// Neither quoted nor a block: may be a number or a boolean.
    is_plain: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct List<'t> {
    tree: &'t Tree<'t>,
    items: &'t [u32],
}

#[derive(Debug, Clone, Copy)]
pub struct Map<'t> {
    tree: &'t Tree<'t>,
    entries: &'t [(u32, u32)],
    /// False where the document broke off inside: what is missing may have followed.
    pub is_whole: bool,
}

/// A key and its value.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'t> {
    pub key: &'t str,
    pub key_span: Span,
    pub value: Value<'t>,
}

/// The tree of `text`; what is wrong with its syntax goes to `report`.
pub fn parse<'a>(text: &'a str, report: &mut Report) -> Tree<'a> {
    build::Builder::new(text, report).build()
}

impl Tree<'_> {
    /// Nothing for a document without content.
    pub fn root(&self) -> Option<Value<'_>> {
        self.root.map(|node| Value { tree: self, node })
    }
}

impl<'t> Value<'t> {
    pub fn span(self) -> Span {
        self.tree.nodes[self.node as usize].span
    }

    pub fn shape(self) -> Shape<'t> {
        let tree = self.tree;
        match &tree.nodes[self.node as usize].content {
            Content::Scalar {
                text,
                is_plain: true,
            } if scalar::is_null(text) => Shape::Nothing,
            Content::Scalar { text, is_plain } => Shape::Scalar(Scalar {
                text,
                is_plain: *is_plain,
            }),
            Content::List(items) => Shape::List(List { tree, items }),
            Content::Map { entries, is_whole } => Shape::Map(Map {
                tree,
                entries,
                is_whole: *is_whole,
            }),
            Content::Broken => Shape::Broken,
        }
    }
}

impl Scalar<'_> {
    /// A boolean as `PyYAML` and then pydantic took it, who also turned the texts `"yes"`, `y`, `t` and `1` into booleans.
    pub fn boolean(self) -> Option<bool> {
        if let Some(value) = self.is_plain.then(|| scalar::boolean(self.text)).flatten() {
            return Some(value);
        }
        match self.text.to_ascii_lowercase().as_str() {
            "1" | "on" | "t" | "true" | "y" | "yes" => Some(true),
            "0" | "off" | "f" | "false" | "n" | "no" => Some(false),
            _ => None,
        }
    }

    /// As JSON has it: what is quoted is a text, what is plain may be a number or a boolean. Nothing for numbers that JSON has not.
    pub fn json(self) -> Option<serde_json::Value> {
        if !self.is_plain {
            return Some(self.text.into());
        }
        if let Some(value) = scalar::boolean(self.text) {
            return Some(value.into());
        }
        if let Some(whole) = self.plain_integer() {
            return serde_json::Number::from_i128(whole).map(Into::into);
        }
        match scalar::float(self.text) {
            Some(number) => serde_json::Number::from_f64(number).map(Into::into),
            None => Some(self.text.into()),
        }
    }

    /// A number as `PyYAML` and then pydantic took it, who also read numbers in quotes: `"30"` is 30.
    pub fn number(self) -> Option<f64> {
        let plain = self.plain_integer().map(|whole| whole as f64);
        let plain = plain.or_else(|| self.is_plain.then(|| scalar::float(self.text)).flatten());
        plain.or_else(|| self.unquoted()?.parse().ok())
    }

    /// A whole number, also when written as `1000.0`. Beyond 128 bits it is the nearest bound.
    pub fn integer(self) -> Option<i128> {
        let whole = self
            .plain_integer()
            .or_else(|| self.unquoted()?.parse().ok());
        whole.or_else(|| {
            let number = self.number()?;
            (number.fract() == 0.0).then_some(number as i128)
        })
    }

    fn plain_integer(self) -> Option<i128> {
        self.is_plain.then(|| scalar::integer(self.text)).flatten()
    }

    /// What Python's `int()` and `float()` would be given.
    fn unquoted(self) -> Option<String> {
        let text = self.text.trim();
        // `f64` also parses words such as `infinity`
        let starts_well =
            text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
        (starts_well && text.bytes().any(|byte| byte.is_ascii_digit()))
            .then(|| text.replace('_', ""))
    }
}

impl<'t> List<'t> {
    pub fn iter(self) -> impl ExactSizeIterator<Item = Value<'t>> {
        self.items.iter().map(move |&node| Value {
            tree: self.tree,
            node,
        })
    }
}

impl<'t> Map<'t> {
    /// Each key once; merged ones follow the mapping's own.
    pub fn iter(self) -> impl Iterator<Item = Entry<'t>> {
        self.entries.iter().filter_map(move |&(key, value)| {
            let node = &self.tree.nodes[key as usize];
            match &node.content {
                Content::Scalar { text, .. } => Some(Entry {
                    key: text,
                    key_span: node.span,
                    value: Value {
                        tree: self.tree,
                        node: value,
                    },
                }),
                _ => None,
            }
        })
    }
}
