//! The scan as DataFusion plans it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions, SchedulingType,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
    SendableRecordBatchStream,
};

use crate::account::Ledger;
use crate::input::Piece;
use crate::scan::{Scan, Shared, read};

/// How many batches of a partition may wait for the query.
const WAITING: usize = 2;

/// Reads logs.
#[derive(Debug)]
pub(crate) struct LogExec {
    scan: Arc<Scan>,
    partitions: Vec<Arc<[Piece]>>,
    ledger: Arc<Ledger>,
    /// Of this plan's one execution; a plan that is executed anew is reset first.
    shared: OnceLock<Arc<Shared>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl LogExec {
    pub(crate) fn new(scan: Scan, dealt: Vec<Vec<Piece>>, ledger: Arc<Ledger>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&scan.output)),
            Partitioning::UnknownPartitioning(dealt.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            scan: Arc::new(scan),
            partitions: dealt.into_iter().map(Arc::from).collect(),
            ledger,
            shared: OnceLock::new(),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn shared(&self) -> Arc<Shared> {
        let pieces = self.partitions.iter().map(|pieces| pieces.len()).sum();
        Arc::clone(self.shared.get_or_init(|| Arc::new(Shared::new(Arc::clone(&self.ledger), pieces))))
    }
}

impl DisplayAs for LogExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |schema: &arrow::datatypes::Schema| {
            schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>().join(", ")
        };
        let Scan { output, needed, filter, limit, .. } = self.scan.as_ref();
        write!(
            f,
            "LogExec: partitions={}, columns=[{}], parsed=[{}]",
            self.partitions.len(),
            names(output),
            names(needed)
        )?;
        if let Some(filter) = filter {
            write!(f, ", filter={filter}")?;
        }
        if let Some(limit) = limit {
            write!(f, ", limit={limit}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for LogExec {
    fn name(&self) -> &'static str {
        "LogExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.scan.filter.as_ref().map_or(Ok(TreeNodeRecursion::Continue), f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a scan of logs has no input") }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self {
            scan: Arc::clone(&self.scan),
            partitions: self.partitions.clone(),
            ledger: Arc::clone(&self.ledger),
            shared: OnceLock::new(),
            properties: Arc::clone(&self.properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(pieces) = self.partitions.get(partition).cloned() else {
            return internal_err!("a scan of {} partitions has no number {partition}", self.partitions.len());
        };
        let (scan, shared) = (Arc::clone(&self.scan), self.shared());
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&scan.output), WAITING);
        let to = builder.tx();
        builder.spawn_blocking(move || read(&scan, &pieces, &shared, &to, &metrics));
        Ok(builder.build())
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
