//! The length of a recording's segments: as its engine prefers, but no longer than the configuration allows.

use audio::SegmentRules;

use super::delivery::Delivery;

pub fn segment_rules(delivery: &Delivery<'_>) -> SegmentRules {
    let preferred = delivery.calls.capabilities().preferred_span;
    SegmentRules::new(delivery.services.settings.max_span.map_or(preferred, |max| max.min(preferred)))
}
