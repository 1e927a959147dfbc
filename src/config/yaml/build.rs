//! Builds the tree from the parser's events: anchors, aliases, tags and the budget. What becomes of a mapping's keys is `merge.rs`.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span as ParserSpan, StrInput, Tag};

use super::super::problem::quoted;
use super::super::report::{Report, Span};
use super::{Content, Node, Tree, syntax};

pub struct Builder<'a, 'r> {
    text: &'a str,
    pub(super) report: &'r mut Report,
    parser: Parser<'a, StrInput<'a>>,
    pub(super) nodes: Vec<Node<'a>>,
    open: Vec<Open>,
    root: Option<u32>,
    anchors: HashMap<usize, u32>,
    /// How many entries merges have copied.
    pub(super) merged: usize,
    /// The collection that was closed last.
    closed: Option<u32>,
}

/// A collection whose end has not come yet.
struct Open {
    node: u32,
    children: Vec<u32>,
    is_map: bool,
}

/// Why building ends before the document does. Its problem has been told.
enum Stop {
    /// What was read before is still worth telling about.
    Syntax,
    /// Nothing of this file is worth reading.
    Budget,
}

impl<'a, 'r> Builder<'a, 'r> {
    /// 64 bytes each, so 256 MB at the worst. A target of seven keys takes fifteen.
    const MAX_NODES: usize = 4_000_000;
    /// A targets file needs five.
    const MAX_DEPTH: usize = 32;

    pub fn new(text: &'a str, report: &'r mut Report) -> Self {
        let options = granit_parser::options! {
            emit_unresolved_aliases: true,
            block_scalar_eof_without_line_feed: true,
            flow_nesting_limit: Self::MAX_DEPTH,
            block_nesting_limit: Self::MAX_DEPTH,
        };
        Self {
            text,
            report,
            parser: Parser::new_from_str_with_options(text, options),
            nodes: Vec::new(),
            open: Vec::new(),
            root: None,
            anchors: HashMap::new(),
            merged: 0,
            closed: None,
        }
    }

    pub fn build(mut self) -> Tree<'a> {
        if let Err(Stop::Budget) = self.read() {
            return Tree {
                nodes: Vec::new(),
                root: None,
            };
        }
        self.distrust_the_last();
        while let Some(open) = self.open.pop() {
            self.close(open, false);
        }
        Tree {
            nodes: self.nodes,
            root: self.root,
        }
    }

    /// Where the syntax breaks, the mapping just read may go on (a key that is indented less), and the value just read may have
    /// swallowed a line (a key that is indented more). No problem of theirs is told, since the break is.
    fn distrust_the_last(&mut self) {
        let Some(innermost) = self.open.last() else {
            return;
        };
        if innermost.is_map {
            if let Some(&last) = innermost.children.last() {
                self.nodes[last as usize].content = Content::Broken;
            }
        } else if let Some(closed) = self.closed
            && let Content::Map { is_whole, .. } = &mut self.nodes[closed as usize].content
        {
            *is_whole = false;
        }
    }

    fn read(&mut self) -> Result<(), Stop> {
        let mut documents = 0;
        while let Some(next) = self.parser.next_event() {
            let (event, at) = match next {
                Ok(next) => next,
                Err(error) => {
                    syntax::explain(&error, self.text, self.report);
                    return Err(Stop::Syntax);
                }
            };
            if matches!(event, Event::DocumentStart(..)) {
                documents += 1;
                if documents > 1 {
                    let hint = "a file holds one document: remove the `---`, or move what follows to the end of `targets`";
                    self.report
                        .error(span(at), "a second document begins here", hint.to_owned());
                    return Err(Stop::Syntax);
                }
            }
            self.take(event, at)?;
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'a>, at: ParserSpan) -> Result<(), Stop> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let content = self.scalar(text, style, tag.as_deref(), at);
                self.push(span(at), content, anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.expect_tag(tag.as_deref(), "seq", at);
                self.begin(span(at), Content::List(Vec::new()), anchor, false)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.expect_tag(tag.as_deref(), "map", at);
                let content = Content::Map {
                    entries: Vec::new(),
                    is_whole: false,
                };
                self.begin(span(at), content, anchor, true)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    self.close(open, true);
                }
            }
            Event::Alias(anchor) => self.alias(anchor, at)?,
            Event::UnresolvedAlias(name) => {
                let message = format!(
                    "there is no anchor {} before this alias",
                    quoted(&format!("&{name}"))
                );
                let hint = format!(
                    "a text that begins with an asterisk needs quotes: \"*{}\"",
                    quoted(&name).trim_matches('`')
                );
                self.report.error(span(at), message, hint);
                self.push(span(at), Content::Broken, 0)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        at: ParserSpan,
    ) -> Content<'a> {
        let is_plain = match tag.map(Tag::core_suffix) {
            None => style == ScalarStyle::Plain,
            Some(Some("str")) => false,
            Some(Some("bool" | "int" | "float" | "null")) => true,
            // `!` alone: a text whatever it looks like
            Some(_) if tag.is_some_and(|tag| tag.parts() == ("", "!")) => false,
            Some(_) => {
                self.expect_tag(tag, "str", at);
                return Content::Broken;
            }
        };
        Content::Scalar { text, is_plain }
    }

    /// A tag is either what the value is anyway, or nothing that could be known here.
    fn expect_tag(&mut self, tag: Option<&Tag>, expected: &str, at: ParserSpan) {
        if let Some(tag) = tag
            && tag.core_suffix() != Some(expected)
        {
            let at = at.tag_span().map_or_else(|| span(at), span);
            let message = format!("the tag {} means nothing here", quoted(&tag.original()));
            self.report.error(
                at,
                message,
                "a targets file needs no tags: remove it, or put the text between quotes"
                    .to_owned(),
            );
        }
    }

    fn alias(&mut self, anchor: usize, at: ParserSpan) -> Result<(), Stop> {
        let target = self.anchors.get(&anchor).copied();
        match target {
            Some(node) if !self.open.iter().any(|open| open.node == node) => self.attach(node),
            _ => {
                self.report
                    .error(span(at), "this alias stands inside its own anchor", None);
                self.push(span(at), Content::Broken, 0)?;
            }
        }
        Ok(())
    }

    fn begin(
        &mut self,
        at: Span,
        content: Content<'a>,
        anchor: usize,
        is_map: bool,
    ) -> Result<(), Stop> {
        let node = self.push(at, content, anchor)?;
        self.open.push(Open {
            node,
            children: Vec::new(),
            is_map,
        });
        Ok(())
    }

    fn push(&mut self, at: Span, content: Content<'a>, anchor: usize) -> Result<u32, Stop> {
        if self.nodes.len() >= Self::MAX_NODES {
            let message = format!("more than {} values", Self::MAX_NODES);
            self.report.error(
                at,
                message,
                "split the targets among several pollers".to_owned(),
            );
            return Err(Stop::Budget);
        }
        let node = self.nodes.len() as u32;
        self.nodes.push(Node { span: at, content });
        if anchor > 0 {
            self.anchors.insert(anchor, node);
        }
        self.attach(node);
        Ok(node)
    }

    fn attach(&mut self, node: u32) {
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None => self.root = Some(node),
        }
    }

    fn close(&mut self, open: Open, is_whole: bool) {
        let content = if open.is_map {
            // a key whose value never came is dropped
            let pairs = open.children.chunks_exact(2).map(|pair| (pair[0], pair[1]));
            Content::Map {
                entries: self.entries(pairs.collect()),
                is_whole,
            }
        } else {
            Content::List(open.children)
        };
        self.nodes[open.node as usize].content = content;
        self.closed = Some(open.node);
    }
}

fn span(at: ParserSpan) -> Span {
    let offset = at.start.byte_offset().unwrap_or(0);
    let end = at.end.byte_offset().unwrap_or(offset);
    Span {
        offset: offset as u32,
        line: at.start.line() as u32,
        column: at.start.col() as u32 + 1,
        length: end.saturating_sub(offset) as u32,
    }
}
