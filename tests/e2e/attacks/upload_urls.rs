//! What attackers do with upload URLs.
