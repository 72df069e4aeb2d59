//! Which routes can match a path: a map of whole paths beside a tree of segments.
//!
//! ```text
//! 0 /                        exact:  "/" → 0
//! 1 /user/{id}
//! 2 /user/{id}/posts         tree:   root ─┬─ "/user" ─── any ··· ends: 1
//! 3 /files/{path...}                       │               └─ "/posts" ··· ends: 2
//! 4 /image/{name}.png                      ├─ "/files" ··· continues: 3
//!                                          └─ "/image" ── any ··· ends: 4
//! ```
//!
//! A path without arguments is found by one lookup. The tree only narrows down: in it a segment is
//! text or *any*, and what exactly an argument accepts is decided by the pattern itself, which the
//! search calls for every candidate. So the tree may be coarse (a regular expression hangs where
//! its certain text ends) and yet never be wrong.
//!
//! What a search costs depends on the shape of the table, not on the number of routes: from each
//! node at most two ways lead on, and a way is left as soon as everything on it comes later than a
//! route already found. Only expressions that hang at the same node are tried one by one.

use super::path_map::PathMap;
use crate::captures::Captures;
use crate::pattern::{Approach, Step, segment_end};

/// The index. Routes are known by their position in the table.
#[derive(Debug)]
pub(super) struct Index {
    exact: PathMap,
    /// The tree, its root first. A node's children are known by their place in this list.
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    /// The route this node was made for. Routes come in order, so all others here are later.
    first: usize,
    /// Children by segment, with the slash before it.
    literal: PathMap,
    any: Option<usize>,
    /// Routes whose last segment this is, in order.
    ends: Vec<usize>,
    /// Routes that go on from here in a way the tree does not know, in order.
    continues: Vec<usize>,
}

impl Node {
    fn new(first: usize) -> Self {
        let (ends, continues) = (Vec::new(), Vec::new());
        Self {
            first,
            literal: PathMap::default(),
            any: None,
            ends,
            continues,
        }
    }
}

impl Index {
    pub(super) fn new() -> Self {
        Self {
            exact: PathMap::default(),
            nodes: Vec::new(),
        }
    }

    /// Adds the route at `position`, which must be higher than all before it.
    pub(super) fn insert(&mut self, approach: &Approach<'_>, position: usize) {
        let steps = match approach {
            Approach::Exactly(path) => {
                self.exact.get_or_insert(path.as_bytes(), position);
                return;
            }
            Approach::Through(steps) | Approach::Beyond(steps) => steps,
        };
        if self.nodes.is_empty() {
            self.nodes.push(Node::new(position));
        }
        let end = steps
            .iter()
            .fold(0, |at, step| self.child(at, *step, position));
        match approach {
            Approach::Beyond(_) => self.nodes[end].continues.push(position),
            _ => self.nodes[end].ends.push(position),
        }
    }

    /// The child of the node `at` by `step`, made for the route at `position` if there is none.
    fn child(&mut self, at: usize, step: Step<'_>, position: usize) -> usize {
        let new = self.nodes.len();
        let node = &mut self.nodes[at];
        let child = match step {
            Step::Literal(text) => {
                let key = format!("/{text}");
                node.literal.get_or_insert(key.as_bytes(), new)
            }
            Step::Any => *node.any.get_or_insert(new),
        };
        if child == new {
            self.nodes.push(Node::new(position));
        }
        child
    }

    /// The position of `path` itself, if no pattern comes before it: most requests go no further.
    #[inline]
    pub(super) fn find_exact(&self, path: &[u8]) -> Option<usize> {
        let first = self.nodes.first().map_or(usize::MAX, |root| root.first);
        self.exact.get(path).filter(|position| *position < first)
    }

    /// The lowest position for which `matches` is true, of all that `path` can lead to.
    pub(super) fn find_first(
        &self,
        path: &[u8],
        matches: impl Fn(usize) -> Option<Captures>,
    ) -> Option<(usize, Captures)> {
        let exact = self.exact.get(path);
        let mut search = Search {
            nodes: &self.nodes,
            path,
            matches,
            found: exact.map(|position| (position, Captures::EMPTY)),
        };
        if !self.nodes.is_empty() {
            search.visit(0, 0);
        }
        search.found
    }
}

struct Search<'a, M> {
    nodes: &'a [Node],
    path: &'a [u8],
    matches: M,
    found: Option<(usize, Captures)>,
}

impl<M: Fn(usize) -> Option<Captures>> Search<'_, M> {
    /// Looks into the node that `path[..at]` led to.
    fn visit(&mut self, node: usize, at: usize) {
        let node = &self.nodes[node];
        if self.is_too_late(node.first) {
            return;
        }
        self.try_candidates(&node.continues);
        if at == self.path.len() {
            self.try_candidates(&node.ends);
        } else if self.path[at] == b'/' {
            let end = segment_end(self.path, at + 1);
            if let Some(child) = node.literal.get(&self.path[at..end]) {
                self.visit(child, end);
            }
            if let Some(child) = node.any {
                self.visit(child, end);
            }
        }
    }

    fn try_candidates(&mut self, candidates: &[usize]) {
        for &candidate in candidates {
            if self.is_too_late(candidate) {
                return;
            }
            if let Some(captures) = (self.matches)(candidate) {
                self.found = Some((candidate, captures));
                return;
            }
        }
    }

    fn is_too_late(&self, position: usize) -> bool {
        self.found
            .as_ref()
            .is_some_and(|(found, _)| *found < position)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::pattern::Pattern;

    /// How many patterns are tried for `path` among `count` routes of every kind.
    fn tried(count: usize, path: &str) -> usize {
        let templates = (0..count).map(|number| match number % 4 {
            0 => format!("/page{number}"),
            1 => format!("/item{number}/{{id}}"),
            2 => format!("/{{tenant}}/thing{number}/{{id}}"),
            _ => format!("/files{number}/{{path...}}"),
        });
        let patterns: Vec<_> = templates.map(|text| Pattern::new(&text).unwrap()).collect();
        let mut index = Index::new();
        for (position, pattern) in patterns.iter().enumerate() {
            index.insert(&pattern.approach(), position);
        }
        let tried = Cell::new(0);
        let found = index.find_first(path.as_bytes(), |position| {
            tried.set(tried.get() + 1);
            patterns[position].matches(path)
        });
        assert!(found.is_some(), "{path}");
        tried.get()
    }

    #[test]
    fn a_thousand_routes_cost_what_eight_do() {
        for (path, expected) in [
            ("/page4", 0),
            ("/item5/42", 1),
            ("/ann/thing6/42", 1),
            ("/files7/a/b", 1),
        ] {
            assert_eq!(tried(8, path), expected, "{path} among 8");
            assert_eq!(tried(1000, path), expected, "{path} among 1,000");
        }
    }
}
