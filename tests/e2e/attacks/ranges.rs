//! What attackers write into byte ranges.
