//! What Athena (Trino) says and DataFusion says otherwise, so that queries for a table in Athena run here as they are.
//!
//! | Athena | becomes |
//! |---|---|
//! | `count_if(x)` | `count(1) FILTER (WHERE x)` |
//! | `n * INTERVAL '1' MINUTE`, either way round | a function that multiplies |
//! | `year(t)`, `quarter`, `month`, `week`, `day`, `hour`, `minute`, `second` | `date_part('year', t)` … |
//! | `day_of_week(t)`, Monday is 1; `day_of_year(t)` | `date_part('isodow', t)`, `date_part('doy', t)` |
//! | `approx_percentile(x, p)` | `approx_percentile_cont(x, p)` |
//! | `arbitrary(x)`, `any_value(x)` | `min(x)`, which is one of them, and null only if all are |

use std::sync::Arc;

use arrow::array::{AsArray, IntervalMonthDayNanoArray};
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNanoType, IntervalUnit};
use datafusion::common::{DFSchema, Result, ScalarValue, exec_datafusion_err, not_impl_err};
use datafusion::execution::FunctionRegistry;
use datafusion::functions::datetime::date_part;
use datafusion::functions_aggregate::approx_percentile_cont::approx_percentile_cont_udaf;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::min_max::min_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction};
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, RawWindowExpr};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility, WindowFunctionDefinition, lit,
};
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Teaches a session what Athena's queries say.
///
/// ```
/// use datafusion::prelude::SessionContext;
/// # #[tokio::main]
/// # async fn main() -> datafusion::common::Result<()> {
/// let mut ctx = SessionContext::new();
/// nasalogs_datafusion::register_athena(&mut ctx)?;
/// ctx.sql("SELECT count_if(x > 1), max(2 * INTERVAL '1' MINUTE) FROM (VALUES (1), (2)) t (x)").await?.collect().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the session refuses a function.
pub fn register_athena(ctx: &mut SessionContext) -> Result<()> {
    let alias = |known: Arc<AggregateUDF>, names: &[&'static str]| {
        Arc::new(known.as_ref().clone().with_aliases(names.iter().copied()))
    };
    ctx.register_udaf(Arc::new(AggregateUDF::new_from_impl(CountIf::new())))?;
    ctx.register_udaf(alias(approx_percentile_cont_udaf(), &["approx_percentile"]))?;
    ctx.register_udaf(alias(min_udaf(), &["arbitrary", "any_value"]))?;
    for (name, part) in PARTS {
        ctx.register_udf(Arc::new(ScalarUDF::new_from_impl(Part::new(name, part))))?;
    }
    ctx.register_expr_planner(Arc::new(Planner { times: Arc::new(ScalarUDF::new_from_impl(Times::new())) }))
}

/// Functions that give a part of a time, and what DataFusion calls the part.
const PARTS: [(&str, &str); 10] = [
    ("year", "year"),
    ("quarter", "quarter"),
    ("month", "month"),
    ("week", "week"),
    ("day", "day"),
    ("hour", "hour"),
    ("minute", "minute"),
    ("second", "second"),
    ("day_of_week", "isodow"),
    ("day_of_year", "doy"),
];

#[derive(Debug)]
struct Planner {
    times: Arc<ScalarUDF>,
}

impl ExprPlanner for Planner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if !matches!(expr.op, BinaryOperator::Multiply) {
            return Ok(PlannerResult::Original(expr));
        }
        let is_interval = |side: &Expr| matches!(side.get_type(schema), Ok(DataType::Interval(_)));
        let args = match (is_interval(&expr.left), is_interval(&expr.right)) {
            (false, true) => vec![expr.left, expr.right],
            (true, false) => vec![expr.right, expr.left],
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let times = ScalarFunction::new_udf(Arc::clone(&self.times), args);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(times)))
    }

    fn plan_window(&self, mut expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        if matches!(&expr.func_def, WindowFunctionDefinition::AggregateUDF(udaf) if udaf.name() == CountIf::NAME)
        {
            let condition = expr.args.pop();
            expr.func_def = WindowFunctionDefinition::AggregateUDF(count_udaf());
            expr.args = vec![lit(1_i64)];
            expr.filter = both(expr.filter.map(|filter| *filter), condition).map(Box::new);
        }
        Ok(PlannerResult::Original(expr))
    }
}

fn both(one: Option<Expr>, other: Option<Expr>) -> Option<Expr> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.and(other)),
        (one, other) => one.or(other),
    }
}

/// `count_if(x)`: planned away before it is computed.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CountIf {
    signature: Signature,
}

impl CountIf {
    const NAME: &str = "count_if";

    fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Boolean], Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for CountIf {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(0)))
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        not_impl_err!("count_if here; write count(*) FILTER (WHERE …)")
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        Some(Box::new(|function, _| {
            let mut params = function.params;
            let condition = params.args.pop();
            // Of conditions that differ, DISTINCT would leave one that holds.
            let args = if params.distinct { condition.iter().cloned().collect() } else { vec![lit(1_i64)] };
            let filter = both(params.filter.map(|filter| *filter), condition).map(Box::new);
            Ok(Expr::AggregateFunction(AggregateFunction::new_udf(
                count_udaf(),
                args,
                params.distinct,
                filter,
                params.order_by,
                params.null_treatment,
            )))
        }))
    }
}

/// A part of a time.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Part {
    name: &'static str,
    part: &'static str,
    signature: Signature,
}

impl Part {
    fn new(name: &'static str, part: &'static str) -> Self {
        Self { name, part, signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Part {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        not_impl_err!("{} here; write date_part('{}', …)", self.name, self.part)
    }

    fn simplify(&self, mut args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        args.insert(0, lit(self.part));
        Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(ScalarFunction::new_udf(date_part(), args))))
    }
}

/// A number times an interval.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Times {
    signature: Signature,
}

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

impl Times {
    fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Int64, INTERVAL], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Times {
    fn name(&self) -> &str {
        "interval_times"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(INTERVAL)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let mismatch = || exec_datafusion_err!("a number and an interval were expected");
        let [numbers, intervals] = arrays.as_slice() else { return Err(mismatch()) };
        let numbers = numbers.as_primitive_opt::<Int64Type>().ok_or_else(mismatch)?;
        let intervals = intervals.as_primitive_opt::<IntervalMonthDayNanoType>().ok_or_else(mismatch)?;
        let product = |(number, interval): (Option<i64>, Option<_>)| match (number, interval) {
            (Some(number), Some(interval)) => times(number, interval).map(Some),
            _ => Ok(None),
        };
        let products: IntervalMonthDayNanoArray =
            numbers.iter().zip(intervals.iter()).map(product).collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(products)))
    }
}

type Interval = <IntervalMonthDayNanoType as arrow::datatypes::ArrowPrimitiveType>::Native;

fn times(number: i64, interval: Interval) -> Result<Interval> {
    let overflow = || exec_datafusion_err!("{number} times an interval is more than an interval holds");
    let narrow = |value: i32| i32::try_from(number).ok()?.checked_mul(value);
    let part = |value: i32| if value == 0 { Some(0) } else { narrow(value) };
    let months = part(interval.months).ok_or_else(overflow)?;
    let days = part(interval.days).ok_or_else(overflow)?;
    let nanoseconds = interval.nanoseconds.checked_mul(number).ok_or_else(overflow)?;
    Ok(Interval::new(months, days, nanoseconds))
}
