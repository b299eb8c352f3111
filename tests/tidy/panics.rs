//! The rule of panics: what may panic says why it does not.
//!
//! Absent: test code, which fails by panicking.

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::source::{Complaint, Source, attributes, tests_only};

/// Macros that panic.
const PANICKING: &[&str] = &["panic", "todo", "unimplemented", "unreachable"];
/// Methods that panic.
const UNWRAPPING: &[&str] = &["unwrap", "expect", "unwrap_err", "expect_err"];

/// A walk through one file.
struct Panics<'a> {
    lines: Vec<&'a str>,
    /// First lines of what encloses the place in question, innermost last.
    enclosing: Vec<usize>,
    complaints: Vec<Complaint>,
}

impl Panics<'_> {
    /// A comment above this line, or on it, names the invariant.
    fn explained(&self, line: usize) -> bool {
        let is_comment = |text: &&&str| {
            let text = text.trim_start();
            text.starts_with("//") || text.starts_with("#[")
        };
        let above = self.lines[..line - 1].iter().rev().take_while(is_comment);
        let mut near = above.chain([&self.lines[line - 1]]);
        near.any(|text| text.contains("// INVARIANT: "))
    }
    fn judge(&mut self, word: &str, line: usize) {
        let innermost = self.enclosing.last().copied().unwrap_or(line);
        if !self.explained(line) && !self.explained(innermost) {
            let text = format!("`{word}` without an `// INVARIANT:` line above");
            self.complaints.push((line, text));
        }
    }
    fn tokens(&mut self, tokens: TokenStream) {
        let mut after_dot = false;
        for token in tokens {
            match &token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) if after_dot => {
                    if UNWRAPPING.iter().any(|word| ident == word) {
                        self.judge(&ident.to_string(), ident.span().start().line);
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            after_dot = matches!(&token, TokenTree::Punct(dot) if dot.as_char() == '.');
        }
    }
}

impl<'ast> Visit<'ast> for Panics<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !tests_only(attributes(item)) {
            visit::visit_item(self, item);
        }
    }
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !tests_only(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }
    fn visit_stmt(&mut self, statement: &'ast syn::Stmt) {
        self.enclosing.push(statement.span().start().line);
        visit::visit_stmt(self, statement);
        self.enclosing.pop();
    }
    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        self.enclosing.push(arm.span().start().line);
        visit::visit_arm(self, arm);
        self.enclosing.pop();
    }
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if UNWRAPPING.iter().any(|word| call.method == word) {
            self.judge(&call.method.to_string(), call.method.span().start().line);
        }
        visit::visit_expr_method_call(self, call);
    }
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let name = call.path.segments.last().map(|segment| segment.ident.to_string());
        let name = name.unwrap_or_default();
        if PANICKING.contains(&&name[..]) {
            self.judge(&name, call.span().start().line);
        }
        self.tokens(call.tokens.clone());
    }
}

/// What may panic names its invariant in the comment above.
pub(crate) fn panics(source: &Source) -> Vec<Complaint> {
    if source.is_test() {
        return Vec::new();
    }
    let lines = source.text.lines().collect();
    let mut panics = Panics { lines, enclosing: Vec::new(), complaints: Vec::new() };
    panics.visit_file(&source.syntax());
    panics.complaints
}
