//! One source file: what it declares, imports and names. Test code is left out. Read as tokens, so that paths
//! in macros are seen as well.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

/// A path as it is written, such as `super::plan::Plan`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    /// The inline modules of the file around it.
    pub(crate) within: Vec<String>,
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// An import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) path: Path,
    /// The name that it brings in; none of a glob and of `as _`.
    pub(crate) name: Option<String>,
    pub(crate) is_glob: bool,
    pub(crate) is_public: bool,
}

/// What a file says.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// Child modules in files of their own, with the inline modules around them.
    pub(crate) children: Vec<(Vec<String>, String)>,
    /// Inline modules, from the file's own on.
    pub(crate) inline: Vec<Vec<String>>,
    pub(crate) imports: Vec<Import>,
    /// Paths outside of imports.
    pub(crate) paths: Vec<Path>,
    /// Names that stand outside of imports.
    pub(crate) named: BTreeSet<String>,
    /// Items by name.
    pub(crate) defined: BTreeSet<String>,
}

const ITEMS: [&str; 8] = [
    "struct", "enum", "union", "fn", "trait", "type", "const", "static",
];

impl Source {
    /// Reads the text of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let tokens = TokenStream::from_str(text).map_err(|error| error.to_string())?;
        let mut source = Self::default();
        source.walk(&tokens.into_iter().collect::<Vec<_>>(), &[]);
        Ok(source)
    }

    fn walk(&mut self, tokens: &[TokenTree], within: &[String]) {
        let mut at = 0;
        let mut is_public = false;
        while let Some(token) = tokens.get(at) {
            let rest = tokens.get(at..).unwrap_or_default();
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' && is_test(rest) => {
                    at += item_length(rest);
                    continue;
                }
                TokenTree::Group(group) => {
                    let inner: Vec<_> = group.stream().into_iter().collect();
                    self.walk(&inner, within);
                }
                TokenTree::Ident(word) if word == "use" => {
                    let length = until(rest, ';');
                    let tree = rest.get(1..length).unwrap_or_default();
                    self.import(tree, &[], is_public, within);
                    at += length;
                    is_public = false;
                    continue;
                }
                TokenTree::Ident(word) if word == "mod" => {
                    at += self.module(rest, within);
                    is_public = false;
                    continue;
                }
                TokenTree::Ident(word) => {
                    is_public = word == "pub" || is_public && word == "crate";
                    at += self.word(word, rest, within);
                    continue;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            // `pub(crate)` stays public.
            is_public &= matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis);
            at += 1;
        }
    }

    /// A word outside of imports with the path that it begins: how many tokens these are.
    fn word(&mut self, word: &Ident, rest: &[TokenTree], within: &[String]) -> usize {
        let segments = segments(rest);
        let length = segments.len() * 3 - 2;
        if ITEMS.iter().any(|item| word == item)
            && let Some(TokenTree::Ident(name)) = rest.get(1)
        {
            self.defined.insert(name.to_string());
        }
        self.named.extend(segments.iter().cloned());
        if segments.len() > 1 {
            self.paths.push(Path {
                within: within.to_vec(),
                segments,
                line: word.span().start().line,
            });
        }
        length
    }

    /// `mod name;` or `mod name { … }`: how many tokens these are.
    fn module(&mut self, rest: &[TokenTree], within: &[String]) -> usize {
        let (Some(TokenTree::Ident(name)), Some(body)) = (rest.get(1), rest.get(2)) else {
            return 1;
        };
        match body {
            TokenTree::Group(group) => {
                let mut inner = within.to_vec();
                inner.push(name.to_string());
                self.inline.push(inner.clone());
                let tokens: Vec<_> = group.stream().into_iter().collect();
                self.walk(&tokens, &inner);
            }
            _ => self.children.push((within.to_vec(), name.to_string())),
        }
        3
    }

    fn import(
        &mut self,
        tree: &[TokenTree],
        before: &[String],
        is_public: bool,
        within: &[String],
    ) {
        let mut segments = before.to_vec();
        let mut at = 0;
        let mut line = 0;
        let mut alias = None;
        while let Some(token) = tree.get(at) {
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    alias = tree.get(at + 1).map(ToString::to_string);
                    break;
                }
                TokenTree::Ident(word) => {
                    line = word.span().start().line;
                    segments.push(word.to_string());
                }
                TokenTree::Group(group) => {
                    let inner: Vec<_> = group.stream().into_iter().collect();
                    let parts = inner.split(|token| is_punct(token, ','));
                    for part in parts.filter(|part| !part.is_empty()) {
                        self.import(part, &segments, is_public, within);
                    }
                    return;
                }
                token if is_punct(token, '*') => {
                    let path = Path {
                        within: within.to_vec(),
                        segments,
                        line: token.span().start().line,
                    };
                    self.imports.push(Import {
                        path,
                        name: None,
                        is_glob: true,
                        is_public,
                    });
                    return;
                }
                _ => {}
            }
            at += 1;
        }
        // `use a::{self}` is `use a`.
        if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
            segments.pop();
        }
        let name = alias.or_else(|| segments.last().cloned());
        self.imports.push(Import {
            path: Path {
                within: within.to_vec(),
                segments,
                line,
            },
            name: name.filter(|name| name != "_"),
            is_glob: false,
            is_public,
        });
    }
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

/// The path that begins with the first of these tokens, which is a word.
fn segments(tokens: &[TokenTree]) -> Vec<String> {
    let mut segments = Vec::new();
    let mut rest = tokens;
    loop {
        if let [TokenTree::Ident(word), ..] = rest {
            segments.push(word.to_string());
        }
        match rest {
            [_, first, second, TokenTree::Ident(_), ..]
                if is_punct(first, ':') && is_punct(second, ':') =>
            {
                rest = rest.get(3..).unwrap_or_default();
            }
            _ => return segments,
        }
    }
}

/// How many tokens there are up to and with that one.
fn until(tokens: &[TokenTree], character: char) -> usize {
    let end = tokens.iter().position(|token| is_punct(token, character));
    end.map_or(tokens.len(), |end| end + 1)
}

/// True of `#[cfg(test)]`.
fn is_test(tokens: &[TokenTree]) -> bool {
    let [_, TokenTree::Group(group), ..] = tokens else {
        return false;
    };
    let text: String = group.stream().to_string().split_whitespace().collect();
    text == "cfg(test)"
}

/// How many tokens an item has, from its first attribute on.
fn item_length(tokens: &[TokenTree]) -> usize {
    let mut at = 0;
    // Of an import or a value the braces are not the end.
    let mut ends_with_semicolon = false;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Ident(word)
                if ["use", "const", "static", "let"]
                    .iter()
                    .any(|of| word == of) =>
            {
                // `const fn` ends with its body.
                let is_function =
                    matches!(tokens.get(at), Some(TokenTree::Ident(next)) if next == "fn");
                ends_with_semicolon |= !is_function;
            }
            TokenTree::Group(group)
                if group.delimiter() == Delimiter::Brace && !ends_with_semicolon =>
            {
                return at;
            }
            token if is_punct(token, ';') => return at,
            _ => {}
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(source: &Source) -> Vec<(String, usize)> {
        let paths = source.paths.iter();
        paths
            .map(|path| (path.segments.join("::"), path.line))
            .collect()
    }

    #[test]
    fn imports_are_taken_apart() {
        let text =
            "use crate::a::{self, b::C as D, e::*};\npub(crate) use super::f;\nuse g::H as _;";
        let source = Source::parse(text).unwrap();
        let told: Vec<_> = source
            .imports
            .iter()
            .map(|import| {
                let name = import.name.clone().unwrap_or_default();
                (
                    import.path.segments.join("::"),
                    name,
                    import.is_public,
                    import.path.line,
                )
            })
            .collect();
        let of = |path: &str, name: &str, is_public, line| {
            (path.to_owned(), name.to_owned(), is_public, line)
        };
        let expected = [
            of("crate::a", "a", false, 1),
            of("crate::a::b::C", "D", false, 1),
            of("crate::a::e", "", false, 1),
            of("super::f", "f", true, 2),
            of("g::H", "", false, 3),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn test_code_is_left_out() {
        let text = "#[cfg(test)]\nuse crate::x;\n#[cfg(test)]\n#[allow(a, reason = \"b\")]\nmod tests { use crate::y; }\n\
                    #[cfg(test)]\nmod more;\n#[cfg(test)]\nconst fn f() {}\nfn g() { crate::z::h() }";
        let source = Source::parse(text).unwrap();
        assert_eq!(source.imports, []);
        assert_eq!(source.children, []);
        assert_eq!(paths(&source), [("crate::z::h".to_owned(), 10)]);
    }

    #[test]
    fn paths_in_macros_and_inline_modules_are_seen() {
        let text =
            "mod inner {\n fn f() { format!(\"{}\", super::a::b) }\n mod child;\n}\nmod other;";
        let source = Source::parse(text).unwrap();
        assert_eq!(paths(&source), [("super::a::b".to_owned(), 2)]);
        assert_eq!(source.paths[0].within, ["inner"]);
        assert_eq!(source.inline, [["inner"]]);
        let children = [
            (vec!["inner".to_owned()], "child".to_owned()),
            (Vec::new(), "other".to_owned()),
        ];
        assert_eq!(source.children, children);
    }
}
