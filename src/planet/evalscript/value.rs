//! What an expression stands for, as far as the text proves it.
//!
//! Constants, array `concat`, spreads and branches are followed; anything else is [`Value::Unknown`].

use oxc_ast::ast::{
    Argument, ArrayExpression, ArrayExpressionElement, CallExpression, Expression,
    MemberExpression, ObjectExpression, ObjectPropertyKind, PropertyKind,
};

use super::names::Names;
use crate::planet::number;

/// Steps that one script may take, so that constants made of constants cannot grow without end.
const MAX_STEPS: u32 = 20_000;
/// Expressions within expressions that are followed.
const MAX_DEPTH: u32 = 48;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(Box<str>),
    /// A whole number.
    Number(u64),
    /// A truth value, null, undefined or an uncommon number: nothing that names a band.
    Plain,
    List(Vec<Value>),
    Object(Vec<(Box<str>, Value)>),
    /// One of these, depending on what happens when the script runs.
    Either(Vec<Value>),
    Unknown,
}

/// Evaluates expressions of one script.
pub(super) struct Evaluator<'n, 'a> {
    names: &'n Names<'a>,
    steps: u32,
    depth: u32,
    /// Whether something was taken for more than it may be.
    pub(super) guessed: bool,
}

impl Value {
    /// The alternatives that this value may be.
    pub(super) fn alternatives(self) -> Vec<Self> {
        match self {
            Self::Either(values) => values.into_iter().flat_map(Self::alternatives).collect(),
            value => vec![value],
        }
    }

    /// What stands under a key of an object; of several equal keys the last counts.
    pub(super) fn member(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members
                .iter()
                .rev()
                .find(|(name, _)| &**name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }
}

impl<'n, 'a> Evaluator<'n, 'a> {
    pub(super) fn new(names: &'n Names<'a>) -> Self {
        Self {
            names,
            steps: 0,
            depth: 0,
            guessed: false,
        }
    }

    pub(super) fn value(&mut self, expression: &Expression<'a>) -> Value {
        self.steps += 1;
        if self.steps > MAX_STEPS || self.depth >= MAX_DEPTH {
            return Value::Unknown;
        }
        self.depth += 1;
        let value = self.follow(expression);
        self.depth -= 1;
        value
    }

    fn follow(&mut self, expression: &Expression<'a>) -> Value {
        match expression {
            Expression::StringLiteral(text) => Value::Text(text.value.as_str().into()),
            Expression::TemplateLiteral(template) => match template.single_quasi() {
                Some(text) => Value::Text(text.as_str().into()),
                None => Value::Unknown,
            },
            Expression::NumericLiteral(number) if number.value.fract() == 0.0 => {
                number::round(number.value).map_or(Value::Plain, Value::Number)
            }
            Expression::NumericLiteral(_)
            | Expression::BooleanLiteral(_)
            | Expression::NullLiteral(_) => Value::Plain,
            Expression::ArrayExpression(array) => self.list(array),
            Expression::ObjectExpression(object) => self.object(object),
            Expression::Identifier(name) => self.name(name.name.as_str()),
            Expression::ConditionalExpression(choice) => {
                self.either([&choice.consequent, &choice.alternate])
            }
            Expression::LogicalExpression(choice) => self.either([&choice.left, &choice.right]),
            Expression::SequenceExpression(sequence) => match sequence.expressions.last() {
                Some(last) => self.value(last),
                None => Value::Unknown,
            },
            Expression::CallExpression(call) => self.call(call),
            other => match other.as_member_expression() {
                Some(member) => self.member(member),
                None => Value::Unknown,
            },
        }
    }

    fn either(&mut self, choices: [&Expression<'a>; 2]) -> Value {
        Value::Either(
            choices
                .into_iter()
                .map(|choice| self.value(choice))
                .collect(),
        )
    }

    fn name(&mut self, name: &str) -> Value {
        if name == "undefined" {
            return Value::Plain;
        }
        match self.names.values_of(name) {
            None => Value::Unknown,
            Some([one]) => self.value(one),
            Some(several) => Value::Either(several.iter().map(|one| self.value(one)).collect()),
        }
    }

    fn list(&mut self, array: &ArrayExpression<'a>) -> Value {
        let mut items = Vec::with_capacity(array.elements.len());
        for element in &array.elements {
            match element {
                ArrayExpressionElement::SpreadElement(spread) => {
                    let inner = self.value(&spread.argument);
                    if !self.append(&mut items, inner) {
                        return Value::Unknown;
                    }
                }
                ArrayExpressionElement::Elision(_) => {}
                other => match other.as_expression() {
                    Some(item) => items.push(self.value(item)),
                    None => return Value::Unknown,
                },
            }
        }
        Value::List(items)
    }

    /// Adds the items of a list, the longest one where it may be several; false when it is none.
    fn append(&mut self, items: &mut Vec<Value>, list: Value) -> bool {
        match self.longest(list) {
            Some(more) => {
                self.steps = self
                    .steps
                    .saturating_add(u32::try_from(more.len()).unwrap_or(u32::MAX));
                items.extend(more);
                true
            }
            None => false,
        }
    }

    /// The longest list among the alternatives; `None` when one of them is not known to be a list.
    pub(super) fn longest(&mut self, value: Value) -> Option<Vec<Value>> {
        let mut longest: Option<Vec<Value>> = None;
        let alternatives = value.alternatives();
        self.guessed |= alternatives.len() > 1;
        for alternative in alternatives {
            match alternative {
                Value::List(items)
                    if longest
                        .as_ref()
                        .is_none_or(|found| items.len() > found.len()) =>
                {
                    longest = Some(items);
                }
                Value::List(_) | Value::Plain | Value::Number(_) => {}
                _ => return None,
            }
        }
        longest
    }

    fn object(&mut self, object: &ObjectExpression<'a>) -> Value {
        let mut members = Vec::with_capacity(object.properties.len());
        for property in &object.properties {
            match property {
                ObjectPropertyKind::SpreadProperty(spread) => match self.value(&spread.argument) {
                    Value::Object(inner) => members.extend(inner),
                    Value::Plain => {}
                    _ => return Value::Unknown,
                },
                ObjectPropertyKind::ObjectProperty(property) => {
                    let name = match property.key.static_name() {
                        Some(name) if !property.computed || property.key.is_expression() => {
                            name.into_owned()
                        }
                        _ => return Value::Unknown,
                    };
                    let value = if property.kind == PropertyKind::Init && !property.method {
                        self.value(&property.value)
                    } else {
                        Value::Unknown
                    };
                    if name == "__proto__" {
                        return Value::Unknown;
                    }
                    members.push((name.into_boxed_str(), value));
                }
            }
        }
        Value::Object(members)
    }

    fn member(&mut self, member: &MemberExpression<'a>) -> Value {
        let Some(name) = member.static_property_name() else {
            return Value::Unknown;
        };
        if let Some(holder) = member.object().get_identifier_reference()
            && matches!(holder.name.as_str(), "Mosaicking" | "SampleType")
            && self.names.is_global(holder.name.as_str())
        {
            return Value::Text(name.into());
        }
        let held = self.value(member.object());
        held.member(name).cloned().unwrap_or(Value::Unknown)
    }

    fn call(&mut self, call: &CallExpression<'a>) -> Value {
        let Some(member) = call.callee.as_member_expression() else {
            return Value::Unknown;
        };
        let first = call.arguments.first().and_then(Argument::as_expression);
        let on_object = member
            .object()
            .get_identifier_reference()
            .is_some_and(|holder| matches!(holder.name.as_str(), "Object" | "Array"));
        match (member.static_property_name(), first) {
            (Some("freeze" | "from"), Some(inner)) if on_object && call.arguments.len() == 1 => {
                self.value(inner)
            }
            (Some("concat"), _) => self.concat(member.object(), call),
            (Some("slice" | "filter"), _) => {
                self.guessed = true;
                let whole = self.value(member.object());
                self.longest(whole).map_or(Value::Unknown, Value::List)
            }
            _ => Value::Unknown,
        }
    }

    fn concat(&mut self, start: &Expression<'a>, call: &CallExpression<'a>) -> Value {
        let mut items = Vec::new();
        let start = self.value(start);
        if !self.append(&mut items, start) {
            return Value::Unknown;
        }
        for argument in &call.arguments {
            let Some(argument) = argument.as_expression() else {
                return Value::Unknown;
            };
            match self.value(argument) {
                one @ Value::Text(_) => items.push(one),
                list => {
                    if !self.append(&mut items, list) {
                        return Value::Unknown;
                    }
                }
            }
        }
        Value::List(items)
    }
}
