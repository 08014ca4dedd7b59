//! From a `setup()` function to what it declares.

use oxc_ast::AstKind;
use oxc_ast::ast::{ArrowFunctionBody, Expression, ReturnStatement};
use oxc_ast_visit::Visit;

use super::names::{Callable, Names};
use super::outputs::{output_bytes, outputs, sample_types};
use super::value::{Evaluator, Value};
use super::{Input, Mosaicking, SampleTypes, Script, Setup};

/// What `setup()` returns, or, in version 2, what it sets.
pub(super) fn read<'a>(setup: Callable<'a>, names: &Names<'a>) -> Script {
    let returned = returned_by(setup);
    let mut evaluator = Evaluator::new(names);
    if returned.is_empty() && !names.components.is_empty() {
        return Script::Setup(version_2(names));
    }
    let values: Vec<Value> = returned
        .into_iter()
        .map(|value| evaluator.value(value))
        .collect();
    let alternatives = Value::Either(values).alternatives();
    let branches = alternatives.len() > 1;
    let mut setup: Option<Setup> = None;
    for alternative in alternatives {
        let Value::Object(_) = alternative else {
            return Script::Unreadable("what setup() returns is computed while it runs".into());
        };
        let next = declared(&alternative, &mut evaluator);
        setup = Some(match setup {
            Some(before) => before.or(next),
            None => next,
        });
    }
    match setup {
        Some(setup) => Script::Setup(Setup {
            exact: setup.exact && !branches && !evaluator.guessed,
            ..setup
        }),
        None => Script::Unreadable("setup() returns nothing".into()),
    }
}

impl Setup {
    /// The dearer of two in every respect.
    fn or(mut self, other: Self) -> Self {
        self.join_inputs(other.inputs);
        self.mosaicking = self.mosaicking.max(other.mosaicking);
        self.sample_types = self.sample_types.and(other.sample_types);
        self.output_bytes = match (self.output_bytes, other.output_bytes) {
            (Some(mine), Some(theirs)) => Some(mine.max(theirs)),
            _ => None,
        };
        self.exact = false;
        self
    }

    fn join_inputs(&mut self, others: Vec<Input>) {
        let mut mine: Vec<Option<&mut Input>> = self.inputs.iter_mut().map(Some).collect();
        let mut added = Vec::new();
        for other in others {
            let twin = mine
                .iter_mut()
                .find(|slot| {
                    slot.as_ref()
                        .is_some_and(|input| input.datasource == other.datasource)
                })
                .and_then(Option::take);
            match twin {
                Some(input) => input.join(other),
                None => added.push(other),
            }
        }
        self.inputs.extend(added);
    }
}

impl Input {
    fn join(&mut self, other: Self) {
        self.bands = match (self.bands.take(), other.bands) {
            (Some(mine), Some(theirs)) if theirs.len() > mine.len() => Some(theirs),
            (Some(mine), Some(_)) => Some(mine),
            _ => None,
        };
        self.mosaicking = self.mosaicking.max(other.mosaicking);
    }
}

fn declared(object: &Value, evaluator: &mut Evaluator<'_, '_>) -> Setup {
    let mut exact = true;
    let mosaicking = object
        .member("mosaicking")
        .map_or(Mosaicking::Simple, |value| mosaicking(value, &mut exact));
    let outer_type = object
        .member("sampleType")
        .map(|value| sample_types(value, &mut exact));
    let sample_types = match object.member("output") {
        Some(output) => outputs(output, outer_type, &mut exact),
        None => outer_type.unwrap_or(SampleTypes::UNSTATED),
    };
    let inputs = match object.member("input") {
        Some(input) => inputs(input.clone(), evaluator, &mut exact),
        None => vec![Input {
            datasource: None,
            bands: None,
            mosaicking: None,
        }],
    };
    Setup {
        inputs,
        mosaicking,
        output_bytes: object
            .member("output")
            .and_then(|output| output_bytes(output, outer_type)),
        sample_types,
        exact,
    }
}

/// One list of names, a list of objects, a single object, or a mixture.
fn inputs(value: Value, evaluator: &mut Evaluator<'_, '_>, exact: &mut bool) -> Vec<Input> {
    let unknown = || Input {
        datasource: None,
        bands: None,
        mosaicking: None,
    };
    let mut found: Option<Setup> = None;
    for alternative in value.alternatives() {
        let items = match alternative {
            Value::List(items) => items,
            one @ (Value::Object(_) | Value::Text(_)) => vec![one],
            _ => return vec![unknown()],
        };
        let mut names = Vec::new();
        let mut inputs = Vec::new();
        for item in items {
            match item {
                Value::Text(name) => names.push(name),
                object @ Value::Object(_) => inputs.push(input(&object, evaluator, exact)),
                _ => return vec![unknown()],
            }
        }
        if !names.is_empty() {
            inputs.push(Input {
                datasource: None,
                bands: Some(names),
                mosaicking: None,
            });
        }
        let next = Setup {
            inputs,
            ..Setup::default()
        };
        found = Some(match found {
            Some(before) => {
                *exact = false;
                before.or(next)
            }
            None => next,
        });
    }
    found.map_or_else(|| vec![unknown()], |setup| setup.inputs)
}

fn input(object: &Value, evaluator: &mut Evaluator<'_, '_>, exact: &mut bool) -> Input {
    let datasource = match object.member("datasource") {
        Some(Value::Text(name)) => Some(name.clone()),
        Some(Value::Plain) | None => None,
        Some(_) => {
            *exact = false;
            None
        }
    };
    Input {
        datasource,
        bands: object
            .member("bands")
            .and_then(|bands| band_names(bands.clone(), evaluator)),
        mosaicking: object
            .member("mosaicking")
            .map(|value| mosaicking(value, exact)),
    }
}

/// `None` when a name is computed. A list within the list is a common slip, and means its items.
fn band_names(value: Value, evaluator: &mut Evaluator<'_, '_>) -> Option<Vec<Box<str>>> {
    if let Value::Text(name) = value {
        return Some(vec![name]);
    }
    let mut names = Vec::new();
    for item in evaluator.longest(value)? {
        match item {
            Value::Text(name) => names.push(name),
            list @ Value::List(_) => names.extend(band_names(list, evaluator)?),
            choice @ Value::Either(_) => names.push(first_text(choice, evaluator)?),
            _ => return None,
        }
    }
    Some(names)
}

/// One of several names: which one makes no difference to their number.
fn first_text(choice: Value, evaluator: &mut Evaluator<'_, '_>) -> Option<Box<str>> {
    evaluator.guessed = true;
    let mut names = choice.alternatives().into_iter().map(|name| match name {
        Value::Text(name) => Some(name),
        _ => None,
    });
    let first = names.find(|name| name.as_deref() != Some("dataMask"))??;
    names.all(|name| name.is_some()).then_some(first)
}

fn mosaicking(value: &Value, exact: &mut bool) -> Mosaicking {
    let alternatives = value.clone().alternatives();
    *exact &= alternatives.len() == 1;
    let named = alternatives
        .into_iter()
        .map(|alternative| match alternative {
            Value::Text(name) => match name.to_ascii_uppercase().as_str() {
                "SIMPLE" => Some(Mosaicking::Simple),
                "ORBIT" => Some(Mosaicking::Orbit),
                "TILE" => Some(Mosaicking::Tile),
                _ => None,
            },
            Value::Plain => Some(Mosaicking::Simple),
            _ => None,
        });
    let dearest = named
        .max_by_key(|named| named.unwrap_or(Mosaicking::Tile))
        .flatten();
    *exact &= dearest.is_some();
    dearest.unwrap_or(Mosaicking::Tile)
}

/// `setInputComponents([dss.B04, …])`: names are members of the argument.
fn version_2(names: &Names<'_>) -> Setup {
    let bands = match names.components.as_slice() {
        [Expression::ArrayExpression(array)] => array
            .elements
            .iter()
            .map(|element| {
                let member = element.as_expression()?.as_member_expression()?;
                member.static_property_name().map(Box::from)
            })
            .collect(),
        _ => None,
    };
    Setup {
        exact: bands.is_some(),
        inputs: vec![Input {
            datasource: None,
            bands,
            mosaicking: None,
        }],
        mosaicking: Mosaicking::Simple,
        sample_types: SampleTypes::UNSTATED,
        output_bytes: None,
    }
}

/// Every expression that the function itself may return.
fn returned_by(setup: Callable<'_>) -> Vec<&Expression<'_>> {
    let mut returns = Returns::default();
    match setup {
        Callable::Function(function) => {
            if let Some(body) = &function.body {
                returns.visit_function_body(body);
            }
        }
        Callable::Arrow(arrow) => match &arrow.body {
            ArrowFunctionBody::FunctionBody(body) => returns.visit_function_body(body),
            other => returns.found.extend(other.as_expression()),
        },
    }
    returns.found
}

#[derive(Default)]
struct Returns<'a> {
    found: Vec<&'a Expression<'a>>,
    functions_deep: u32,
}

impl<'a> Visit<'a> for Returns<'a> {
    fn enter_node(&mut self, kind: AstKind<'a>) {
        match kind {
            AstKind::Function(_) | AstKind::ArrowFunctionExpression(_) => self.functions_deep += 1,
            AstKind::ReturnStatement(ReturnStatement {
                argument: Some(value),
                ..
            }) if self.functions_deep == 0 => {
                self.found.push(value);
            }
            _ => {}
        }
    }

    fn leave_node(&mut self, kind: AstKind<'a>) {
        if matches!(
            kind,
            AstKind::Function(_) | AstKind::ArrowFunctionExpression(_)
        ) {
            self.functions_deep -= 1;
        }
    }
}
