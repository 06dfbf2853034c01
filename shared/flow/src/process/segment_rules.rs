//! How long the segments of a recording may be: as its engine prefers them, and no longer than the configuration says.

use audio::SegmentRules;

use super::delivery::Delivery;

pub fn segment_rules(delivery: &Delivery<'_>) -> SegmentRules {
    let preferred = delivery.calls.capabilities().preferred_span;
    SegmentRules::new(delivery.services.settings.max_span.map_or(preferred, |max| max.min(preferred)))
}
