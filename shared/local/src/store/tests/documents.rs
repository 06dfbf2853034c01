//! Data of one version opens in the next.
