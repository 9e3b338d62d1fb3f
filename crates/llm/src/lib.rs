//! Language models: tasks, ledger, limits, judgement

pub mod judge;
