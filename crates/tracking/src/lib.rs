//! Experiment tracking: an `MLflow` server over REST.
