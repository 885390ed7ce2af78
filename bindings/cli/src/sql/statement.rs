//! Statements: parsed, given their parameters, planned, run.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use nasalogs::arrow::array::RecordBatch;
use nasalogs::{Error, ErrorKind, Result};
use nasalogs_datafusion::datafusion::common::DataFusionError;
use nasalogs_datafusion::datafusion::dataframe::DataFrame;
use nasalogs_datafusion::datafusion::execution::context::SQLOptions;
use nasalogs_datafusion::datafusion::logical_expr::LogicalPlan;
use nasalogs_datafusion::datafusion::sql::parser::{DFParserBuilder, Statement};
use nasalogs_datafusion::datafusion::sql::sqlparser::ast::{
    Expr, Statement as SqlStatement, Value, ValueWithSpan, visit_expressions, visit_expressions_mut,
};
use nasalogs_datafusion::datafusion::sql::sqlparser::dialect::GenericDialect;
use nasalogs_datafusion::datafusion::sql::sqlparser::tokenizer::Span;
use std::ops::ControlFlow;

use super::output::Target;
use super::session::Session;
use super::{Args, account, place};
use crate::interrupt::Stop;

/// How often a running query is asked whether it is to stop.
const TICK: Duration = Duration::from_millis(50);

/// The statements of a text, with parameters in the places of `?`.
///
/// # Errors
/// Where the text is no SQL, or has another number of places than there are parameters.
pub fn parse(text: &str, params: &[String]) -> Result<Vec<Statement>> {
    let parsed = DFParserBuilder::new(text).with_dialect(&GenericDialect {}).build();
    let parsed = parsed.and_then(|mut parser| parser.parse_statements());
    let mut statements: Vec<Statement> = parsed.map_err(|error| place::explain(error, text))?.into();
    if statements.is_empty() {
        return Err(Error::new(ErrorKind::Options, "there is no statement")
            .with_hint("such as SELECT count(*) FROM logs"));
    }
    fill(&mut statements, params)?;
    Ok(statements)
}

/// Puts parameters where `?` stands, in the order of the text.
fn fill(statements: &mut [Statement], params: &[String]) -> Result<()> {
    let mut places: Vec<Span> = Vec::new();
    for statement in statements.iter() {
        if let Some(statement) = inner(statement) {
            let _ = visit_expressions(statement, |expr: &Expr| {
                places.extend(question(expr));
                ControlFlow::<()>::Continue(())
            });
        }
    }
    places.sort_by_key(|span| span.start);
    if places.len() != params.len() {
        let hint = "pass --param once for each ?, in their order";
        let message = format!("the statement has {} ?, and there are {} --param", places.len(), params.len());
        return Err(Error::new(ErrorKind::Options, message).with_hint(hint));
    }
    for statement in statements {
        if let Some(statement) = inner_mut(statement) {
            let _ = visit_expressions_mut(statement, |expr: &mut Expr| {
                if let Some(span) = question(expr)
                    && let Some(number) = places.iter().position(|place| *place == span)
                {
                    *expr = Expr::Value(ValueWithSpan { value: literal(&params[number]), span });
                }
                ControlFlow::<()>::Continue(())
            });
        }
    }
    Ok(())
}

/// Where a `?` stands.
fn question(expr: &Expr) -> Option<Span> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Placeholder(name), span }) if name == "?" => Some(*span),
        _ => None,
    }
}

fn literal(param: &str) -> Value {
    let is_number = param.parse::<f64>().is_ok_and(f64::is_finite)
        && param
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'e' | b'E' | b'+'));
    match is_number {
        true => Value::Number(param.to_owned(), false),
        false => Value::SingleQuotedString(param.to_owned()),
    }
}

fn inner(statement: &Statement) -> Option<&SqlStatement> {
    match statement {
        Statement::Statement(statement) => Some(statement),
        Statement::Explain(explain) => inner(&explain.statement),
        _ => None,
    }
}

fn inner_mut(statement: &mut Statement) -> Option<&mut SqlStatement> {
    match statement {
        Statement::Statement(statement) => Some(statement),
        Statement::Explain(explain) => inner_mut(&mut explain.statement),
        _ => None,
    }
}

/// Whether a statement has an answer, which is to be written.
pub fn answers(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(statement) => !matches!(
            statement.as_ref(),
            SqlStatement::CreateView { .. }
                | SqlStatement::CreateTable(_)
                | SqlStatement::Drop { .. }
                | SqlStatement::Set(_)
        ),
        Statement::Explain(_) => true,
        _ => false,
    }
}

/// Runs a statement, writes its answer, and says what was read.
///
/// # Errors
/// Those of the statement, of the inputs, of the output; or that someone asked to stop.
pub fn run(
    session: &mut Session,
    text: &str,
    statement: Statement,
    target: &Target,
    args: &Args,
    stop: &Stop,
) -> Result<()> {
    let begun = Instant::now();
    let outcome = execute(session, text, statement, target, stop, begun);
    let summaries = session.take_summaries();
    if !args.quiet && outcome.is_ok() {
        account::say(&summaries, begun.elapsed(), target.is_talk());
    }
    outcome
}

fn execute(
    session: &Session,
    text: &str,
    statement: Statement,
    target: &Target,
    stop: &Stop,
    begun: Instant,
) -> Result<()> {
    let explain = |error: DataFusionError| place::explain_in(error, text, session);
    let has_answer = answers(&statement);
    let frame = session.wait(until(stop, plan(session, statement)))?.map_err(explain)?;
    let mut stream = session.wait(until(stop, frame.execute_stream()))?.map_err(explain)?;
    if !has_answer {
        while let Some(batch) = session.wait(until(stop, stream.next()))? {
            batch.map_err(explain)?;
        }
        return Ok(());
    }
    let mut writer = target.open(&stream.schema(), stop, begun)?;
    while let Some(batch) = session.wait(until(stop, stream.next()))? {
        let batch: RecordBatch = batch.map_err(explain)?;
        writer.write(&batch)?;
    }
    writer.finish(stop)
}

async fn plan(session: &Session, statement: Statement) -> Result<DataFrame, DataFusionError> {
    let plan: LogicalPlan = session.ctx.state().statement_to_plan(statement).await?;
    SQLOptions::new().with_allow_dml(false).verify_plan(&plan)?;
    session.ctx.execute_logical_plan(plan).await
}

/// Waits for something, or for someone who asks to stop.
async fn until<F: Future>(stop: &Stop, future: F) -> Result<F::Output> {
    let mut future = std::pin::pin!(future);
    loop {
        stop.check()?;
        if let Ok(output) = tokio::time::timeout(TICK, &mut future).await {
            return Ok(output);
        }
    }
}
