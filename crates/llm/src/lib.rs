//! Language models: tasks, ledger, limits, judgement
