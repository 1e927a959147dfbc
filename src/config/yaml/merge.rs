//! The entries of a mapping: duplicate keys and `<<`.
//!
//! Semantics are those of `PyYAML`'s `SafeLoader`: of duplicate keys the last wins (and is warned about), `<<` never overrides the
//! mapping's own keys, and of several merged mappings the first wins.

use std::collections::{HashMap, HashSet};

use super::super::problem::quoted;
use super::build::Builder;
use super::{Content, scalar};

/// A mapping with fewer keys is compared pair by pair: nearly all are.
const FEW_KEYS: usize = 16;

impl Builder<'_, '_> {
    /// One anchor of twenty keys merged into 100,000 targets.
    const MAX_MERGED: usize = 2_000_000;

    /// The entries of a mapping: its own, of which the last of a name wins, then the merged ones it does not have.
    pub(super) fn entries(&mut self, pairs: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
        let (merges, own): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|&(key, _)| self.is_merge(key));
        let mut entries = self.distinct(own);
        if merges.is_empty() {
            return entries;
        }
        let mut others = Vec::new();
        // of several `<<` in one mapping PyYAML lets the last win, of several mappings in one `<<` the first
        for (_, value) in merges.into_iter().rev() {
            for source in self.merge_sources(value) {
                others.extend(self.merge_entries(source));
            }
        }
        if entries.len() + others.len() <= FEW_KEYS {
            for entry in others {
                if entries
                    .iter()
                    .all(|&(key, _)| self.name(key) != self.name(entry.0))
                {
                    entries.push(entry);
                }
            }
        } else {
            let mut names: HashSet<&str> = entries.iter().map(|&(key, _)| self.name(key)).collect();
            entries.extend(
                others
                    .into_iter()
                    .filter(|&(key, _)| names.insert(self.name(key))),
            );
        }
        entries
    }

    fn is_merge(&self, key: u32) -> bool {
        matches!(&self.nodes[key as usize].content, Content::Scalar { text, is_plain: true } if text == "<<")
    }

    fn name(&self, key: u32) -> &str {
        match &self.nodes[key as usize].content {
            Content::Scalar { text, .. } => text,
            _ => "",
        }
    }

    fn distinct(&mut self, own: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
        let mut entries: Vec<(u32, u32)> = Vec::with_capacity(own.len());
        let mut index: HashMap<Box<str>, usize> = HashMap::new();
        let is_large = own.len() > FEW_KEYS;
        for (key, value) in own {
            let span = self.nodes[key as usize].span;
            if !matches!(self.nodes[key as usize].content, Content::Scalar { .. }) {
                if !matches!(self.nodes[key as usize].content, Content::Broken) {
                    self.report
                        .error(span, "a key must be a word, not a list or a mapping", None);
                }
                continue;
            }
            let name = self.name(key);
            let earlier = if is_large {
                index.insert(name.into(), entries.len())
            } else {
                entries
                    .iter()
                    .position(|&(other, _)| self.name(other) == name)
            };
            let Some(earlier) = earlier else {
                entries.push((key, value));
                continue;
            };
            let line = self.nodes[entries[earlier].0 as usize].span.line;
            let message = format!(
                "{} is given twice: the value of line {line} is ignored",
                quoted(name)
            );
            self.report
                .warning(span, message, "remove one of them".to_owned());
            entries[earlier] = (key, value);
            if is_large {
                index.insert(self.name(key).into(), earlier);
            }
        }
        entries
    }

    /// The mappings that a `<<` names.
    fn merge_sources(&mut self, value: u32) -> Vec<u32> {
        let sources = match &self.nodes[value as usize].content {
            Content::List(items) => items.clone(),
            _ => vec![value],
        };
        let mut maps = Vec::with_capacity(sources.len());
        for source in sources {
            match &self.nodes[source as usize].content {
                Content::Map { .. } => maps.push(source),
                Content::Broken => {}
                Content::Scalar {
                    text,
                    is_plain: true,
                } if scalar::is_null(text) => {}
                _ => {
                    let span = self.nodes[source as usize].span;
                    let hint =
                        "expected like `<<: *name`, where `&name` marks a mapping above".to_owned();
                    self.report
                        .error(span, "`<<` can only merge mappings", hint);
                }
            }
        }
        maps
    }

    fn merge_entries(&mut self, source: u32) -> Vec<(u32, u32)> {
        let Content::Map { entries, .. } = &self.nodes[source as usize].content else {
            return Vec::new();
        };
        let before = self.merged;
        self.merged = self.merged.saturating_add(entries.len() + 1);
        if self.merged > Self::MAX_MERGED {
            if before <= Self::MAX_MERGED {
                let span = self.nodes[source as usize].span;
                let message = format!(
                    "merging this with `<<` adds up to more than {} entries",
                    Self::MAX_MERGED
                );
                self.report.error(
                    span,
                    message,
                    "use `defaults:` for what all targets share".to_owned(),
                );
            }
            return Vec::new();
        }
        entries.clone()
    }
}
