//! Calls of functions: their arguments, and the windows of aggregates.

use spec::{Error, Result};
use sqlparser::ast::{self, Expr as Sql};

use crate::functions::{Function, Id, Kind};
use crate::node::{Literal, Node, Order};
use crate::resolve::{JOIN_FIRST, checked_call, known_function, node, part};

pub(crate) fn function(call: &ast::Function, depth: usize) -> Result<Node> {
    let name = call.name.to_string();
    let list = match &call.args {
        ast::FunctionArguments::List(list) => list,
        ast::FunctionArguments::None => {
            return Err(Error::cannot_run(format!(
                "'{name}' is an SQL keyword and cannot be used as a name without quotes"
            ))
            .hint(format!("if '{name}' is a column, write it in double quotes: \"{name}\"")));
        }
        ast::FunctionArguments::Subquery(_) => {
            return Err(Error::cannot_run("a subquery reads another table").hint(JOIN_FIRST));
        }
    };
    let function = known_function(&name)?;
    if call.null_treatment.is_some() || !list.clauses.is_empty() || call.uses_odbc_syntax {
        return Err(Error::cannot_run(format!("clauses within the call of {name} have no meaning here"))
            .hint("docs/sql.md shows how functions are written"));
    }
    let distinct = list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct);
    let arguments = arguments(function, &name, list, depth)?;
    let below = |tree: &Sql| node(tree, depth + 1);
    let only = call.filter.as_deref().map(below).transpose()?.map(Box::new);
    if function.kind != Kind::Aggregate && (distinct || only.is_some()) {
        return Err(Error::cannot_run(format!("{name} takes neither DISTINCT nor FILTER"))
            .hint("they belong to aggregates such as COUNT and SUM"));
    }
    if distinct && function.id != Id::Count {
        return Err(Error::cannot_run(format!("{name} does not take DISTINCT")).hint("only COUNT does"));
    }
    let of = match function.kind {
        Kind::Row if call.over.is_some() => {
            return Err(
                Error::cannot_run(format!("{name} has no window: it looks at its own row only")).hint("leave out OVER")
            );
        }
        Kind::Row => return row_call(function, arguments),
        Kind::Window => checked_call(Node::Call(function, arguments))?,
        Kind::Aggregate => aggregate(function, &name, arguments, distinct, only)?,
    };
    match &call.over {
        Some(window) => over(function, of, window, depth),
        None if function.kind == Kind::Window => {
            Err(Error::cannot_run(format!("{name} needs a window")).hint(format!("write {name}(…) OVER (ORDER BY …)")))
        }
        None => Ok(of),
    }
}

/// The arguments; none for `COUNT(*)`.
fn arguments(function: &Function, name: &str, list: &ast::FunctionArgumentList, depth: usize) -> Result<Vec<Node>> {
    let mut arguments = Vec::with_capacity(list.args.len());
    for argument in &list.args {
        match argument {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(argument)) => {
                arguments.push(node(argument, depth + 1)?)
            }
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Wildcard) if function.id == Id::Count => {}
            ast::FunctionArg::Unnamed(_) => {
                return Err(Error::cannot_run("'*' stands for many columns").hint("name the columns one by one"));
            }
            _ => return Err(Error::cannot_run(format!("{name} takes no named arguments")).hint("write them in order")),
        }
    }
    Ok(arguments)
}

fn row_call(function: &'static Function, mut arguments: Vec<Node>) -> Result<Node> {
    if function.id == Id::DatePart && arguments.len() == 2 {
        let of = arguments.remove(1);
        return match &arguments[0] {
            Node::Literal(Literal::Text(name)) => Ok(Node::Part(part(name)?, Box::new(of))),
            _ => {
                Err(Error::cannot_run("the part of date_part must be a text literal")
                    .hint("write date_part('year', x)"))
            }
        };
    }
    checked_call(Node::Call(function, arguments))
}

fn aggregate(
    function: &'static Function,
    name: &str,
    of: Vec<Node>,
    distinct: bool,
    only: Option<Box<Node>>,
) -> Result<Node> {
    let is_star = function.id == Id::Count && of.is_empty() && !distinct;
    if !is_star {
        checked_call(Node::Call(function, of.clone()))?;
    }
    if of.iter().chain(only.as_deref()).any(|node| node.beyond_its_row().is_some()) {
        return Err(Error::cannot_run(format!("{name} holds an aggregate or a window itself"))
            .hint("only columns and functions of one row can stand there"));
    }
    Ok(Node::Aggregate { function, of, distinct, only })
}

fn over(function: &'static Function, of: Node, window: &ast::WindowType, depth: usize) -> Result<Node> {
    let ast::WindowType::WindowSpec(window) = window else {
        return Err(Error::cannot_run("named windows are not supported").hint("write the window out: OVER (…)"));
    };
    if window.window_name.is_some() {
        return Err(Error::cannot_run("named windows are not supported").hint("write the window out: OVER (…)"));
    }
    let below = |tree: &Sql| node(tree, depth + 1);
    let partition = window.partition_by.iter().map(below).collect::<Result<Vec<Node>>>()?;
    let mut order = Vec::with_capacity(window.order_by.len());
    for by in &window.order_by {
        let descending = by.options.asc == Some(false);
        let nulls_first = by.options.nulls_first.unwrap_or(false);
        order.push(Order { by: below(&by.expr)?, descending, nulls_first });
    }
    if of.children().into_iter().chain(&partition).any(|node| node.beyond_its_row().is_some())
        || order.iter().any(|order| order.by.beyond_its_row().is_some())
    {
        return Err(Error::cannot_run("a window holds an aggregate or a window itself")
            .hint("only columns and functions of one row can stand there"));
    }
    if matches!(function.id, Id::Mode | Id::ArgMin | Id::ArgMax | Id::Joined) {
        return Err(Error::cannot_run(format!("{} has no window", function.name))
            .hint("compute it in a table of its own by a step 'aggregate', and join that"));
    }
    let rows = frame(window.window_frame.as_ref())?;
    if order.is_empty() && (rows || function.kind == Kind::Window) {
        return Err(Error::cannot_run(format!("the window of {} has no ORDER BY", function.name))
            .hint("say which order the rows have: OVER (ORDER BY …)"));
    }
    let accumulates = matches!(function.id, Id::Sum | Id::Min | Id::Max | Id::Count)
        && !matches!(of, Node::Aggregate { distinct: true, .. });
    if !order.is_empty() && function.kind == Kind::Aggregate && !accumulates {
        return Err(Error::cannot_run(
            "with ORDER BY in its window this aggregate takes the whole partition, later rows included; only SUM, \
             MIN, MAX and COUNT accumulate",
        )
        .hint("leave out ORDER BY if the whole partition is meant, or divide SUM by COUNT"));
    }
    Ok(Node::Over { of: Box::new(of), partition, order, rows })
}

/// Whether the window counts rows, rather than values of which equal ones count once.
fn frame(frame: Option<&ast::WindowFrame>) -> Result<bool> {
    let Some(frame) = frame else { return Ok(false) };
    let to_here = matches!(
        (&frame.start_bound, &frame.end_bound),
        (ast::WindowFrameBound::Preceding(None), None | Some(ast::WindowFrameBound::CurrentRow))
    );
    match frame.units {
        ast::WindowFrameUnits::Rows if to_here => Ok(true),
        ast::WindowFrameUnits::Range if to_here => Ok(false),
        _ => Err(Error::cannot_run("a window with these bounds is not supported")
            .hint("leave them out, or write ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW")),
    }
}
