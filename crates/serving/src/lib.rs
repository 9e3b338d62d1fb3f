//! Results and predictions over HTTP, from artifacts and journals alone.
