//! Every name of a script: where it is given a value, and whether that value can be trusted.
//!
//! Scopes are flattened: two variables of one name count as one with several values. That can only make
//! a reading dearer, and evalscripts are short.

use std::collections::{BTreeSet, HashMap, HashSet};

use oxc_ast::AstKind;
use oxc_ast::ast::{
    Argument, ArrowFunctionExpression, AssignmentOperator, AssignmentTarget, BindingPattern,
    CallExpression, Expression, ForStatementLeft, Function, MemberExpression, Program,
    SimpleAssignmentTarget, VariableDeclarator,
};
use oxc_ast_visit::Visit;

use super::Simple;

/// Methods that leave what they are called on, and what they are given, as it was.
const HARMLESS: &[&str] = &[
    "concat",
    "entries",
    "every",
    "filter",
    "find",
    "findIndex",
    "flat",
    "forEach",
    "freeze",
    "from",
    "includes",
    "indexOf",
    "isArray",
    "join",
    "keys",
    "map",
    "reduce",
    "setInputComponents",
    "setOutputComponentCount",
    "slice",
    "some",
    "split",
    "toString",
    "values",
];

/// Calls that make code out of text.
const CODE_BUILDERS: &[&str] = &["eval", "Function", "require"];

/// A function that may be the script's `setup`.
#[derive(Clone, Copy)]
pub(super) enum Callable<'a> {
    Function(&'a Function<'a>),
    Arrow(&'a ArrowFunctionExpression<'a>),
}

#[derive(Default)]
pub(super) struct Names<'a> {
    pub(super) setups: Vec<Callable<'a>>,
    pub(super) builds_code: bool,
    /// The bands that a version 2 script hands to `setInputComponents`.
    pub(super) components: Vec<&'a Expression<'a>>,
    values: HashMap<&'a str, Vec<&'a Expression<'a>>>,
    changed: HashSet<&'a str>,
    aliases: Vec<(&'a str, &'a str)>,
    /// As they come, repetitions included.
    used: Vec<&'a str>,
    declared: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    pub(super) fn of(program: &'a Program<'a>) -> Self {
        let mut names = Self::default();
        names.visit_program(program);
        names.hide_parameters();
        names.spread_changes();
        names
    }

    /// Every value that the name is ever given; `None` when it may hold others.
    pub(super) fn values_of(&self, name: &str) -> Option<&[&'a Expression<'a>]> {
        if self.changed.contains(name) {
            return None;
        }
        self.values.get(name).map(Vec::as_slice)
    }

    /// Whether the script leaves the name to the service.
    pub(super) fn is_global(&self, name: &str) -> bool {
        !(self.declared.contains(name)
            || self.values.contains_key(name)
            || self.changed.contains(name))
    }

    pub(super) fn into_simple(mut self) -> Simple {
        self.used.sort_unstable();
        self.used.dedup();
        let declared = self
            .used
            .iter()
            .filter(|name| self.declared.contains(*name));
        Simple {
            declared: declared.map(|name| Box::from(*name)).collect(),
            names: self.used.iter().map(|name| Box::from(*name)).collect(),
        }
    }

    /// What is handed to `setup` hides whatever has the same name outside.
    fn hide_parameters(&mut self) {
        for setup in &self.setups {
            let parameters = match setup {
                Callable::Function(function) => &function.params,
                Callable::Arrow(arrow) => &arrow.params,
            };
            for parameter in &parameters.items {
                let names = parameter.pattern.get_binding_identifiers();
                self.changed
                    .extend(names.into_iter().map(|id| id.name.as_str()));
            }
        }
    }

    /// Two names of one value: what changes it through one changes it for the other.
    fn spread_changes(&mut self) {
        let mut twins: HashMap<&str, Vec<&'a str>> = HashMap::new();
        for (one, other) in &self.aliases {
            twins.entry(one).or_default().push(other);
            twins.entry(other).or_default().push(one);
        }
        let mut fresh: Vec<&str> = self.changed.iter().copied().collect();
        while let Some(name) = fresh.pop() {
            for twin in twins.remove(name).unwrap_or_default() {
                if self.changed.insert(twin) {
                    fresh.push(twin);
                }
            }
        }
    }

    fn give(&mut self, name: &'a str, value: &'a Expression<'a>) {
        match value {
            Expression::FunctionExpression(function) if name == "setup" => {
                self.setups.push(Callable::Function(function));
            }
            Expression::ArrowFunctionExpression(arrow) if name == "setup" => {
                self.setups.push(Callable::Arrow(arrow));
            }
            Expression::Identifier(other) => self.aliases.push((name, other.name.as_str())),
            _ => {}
        }
        self.values.entry(name).or_default().push(value);
    }

    fn change(&mut self, name: Option<&'a str>) {
        self.changed.extend(name);
    }

    fn declarator(&mut self, declarator: &'a VariableDeclarator<'a>) {
        match (&declarator.id, &declarator.init) {
            (BindingPattern::BindingIdentifier(id), Some(init)) => {
                self.give(id.name.as_str(), init);
            }
            (BindingPattern::BindingIdentifier(_), None) => {}
            (pattern, _) => {
                for id in pattern.get_binding_identifiers() {
                    self.changed.insert(id.name.as_str());
                }
            }
        }
    }

    fn function(&mut self, function: &'a Function<'a>) {
        let Some(id) = &function.id else { return };
        if id.name == "setup" {
            self.setups.push(Callable::Function(function));
        }
        self.changed.insert(id.name.as_str());
    }

    fn call(&mut self, call: &'a CallExpression<'a>) {
        let method = call
            .callee
            .as_member_expression()
            .and_then(MemberExpression::static_property_name);
        let called = method.or_else(|| Some(call.callee.get_identifier_reference()?.name.as_str()));
        if called == Some("setInputComponents") {
            self.components
                .extend(call.arguments.first().and_then(Argument::as_expression));
        }
        if called.is_some_and(|name| HARMLESS.contains(&name)) {
            return;
        }
        if let Some(member) = call.callee.as_member_expression() {
            self.change(base(member.object()));
        }
        for argument in &call.arguments {
            self.change(argument.as_expression().and_then(base));
        }
    }

    fn target(&mut self, target: &'a AssignmentTarget<'a>) {
        match target {
            AssignmentTarget::AssignmentTargetIdentifier(id) => {
                self.changed.insert(id.name.as_str());
            }
            AssignmentTarget::ArrayAssignmentTarget(_)
            | AssignmentTarget::ObjectAssignmentTarget(_) => {
                // A swap can reach any name, and no published script needs one.
                let all: Vec<&str> = self.values.keys().copied().collect();
                self.changed.extend(all);
            }
            other => {
                if let Some(member) = other
                    .as_simple_assignment_target()
                    .and_then(|simple| simple.as_member_expression())
                {
                    // `globalThis.setup = …` would define it unseen.
                    self.builds_code |= member.static_property_name() == Some("setup");
                    self.change(base(member.object()));
                }
            }
        }
    }
}

impl<'a> Visit<'a> for Names<'a> {
    fn enter_node(&mut self, kind: AstKind<'a>) {
        match kind {
            AstKind::VariableDeclarator(declarator) => self.declarator(declarator),
            AstKind::Function(function) => self.function(function),
            AstKind::CallExpression(call) => self.call(call),
            AstKind::AssignmentExpression(assignment) => match &assignment.left {
                AssignmentTarget::AssignmentTargetIdentifier(id)
                    if assignment.operator == AssignmentOperator::Assign =>
                {
                    self.give(id.name.as_str(), &assignment.right);
                }
                target => self.target(target),
            },
            AstKind::UpdateExpression(update) => match &update.argument {
                SimpleAssignmentTarget::AssignmentTargetIdentifier(id) => {
                    self.change(Some(id.name.as_str()));
                }
                other => {
                    let member = other.as_member_expression();
                    self.change(member.and_then(|member| base(member.object())));
                }
            },
            AstKind::ForInStatement(each) => self.loop_variable(&each.left),
            AstKind::ForOfStatement(each) => self.loop_variable(&each.left),
            AstKind::IdentifierReference(reference) => {
                let name = reference.name.as_str();
                self.builds_code |= CODE_BUILDERS.contains(&name);
                self.used.push(name);
            }
            AstKind::BindingIdentifier(binding) => {
                self.declared.insert(binding.name.as_str());
            }
            _ => {}
        }
    }
}

impl<'a> Names<'a> {
    fn loop_variable(&mut self, left: &'a ForStatementLeft<'a>) {
        if let Some(target) = left.as_assignment_target() {
            self.target(target);
        }
    }
}

/// The variable that an expression reaches into: `a` of `a.b[c]`.
fn base<'a>(expression: &'a Expression<'a>) -> Option<&'a str> {
    let mut expression = expression;
    while let Some(member) = expression.as_member_expression() {
        expression = member.object();
    }
    Some(expression.get_identifier_reference()?.name.as_str())
}
