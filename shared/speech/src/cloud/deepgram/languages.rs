//! The languages that Deepgram documents for its model `nova-3`.

use crate::engine::{Languages, primary_subtag};

const NOVA_3: &str = "nova-3";

/// As of August 2026. A recording with another language hint waits for another engine instead of getting a useless
/// transcript.
const PRIMARY: [&str; 56] = [
    "af", "ar", "be", "bg", "bn", "bs", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "gl", "gu",
    "he", "hi", "hr", "hu", "id", "it", "ja", "kn", "ko", "lt", "lv", "mk", "mr", "ms", "ne", "nl", "no", "pa", "pl",
    "pt", "ro", "ru", "sk", "sl", "sr", "sv", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "xh", "zh", "zu",
];

/// Regions and scripts that the model distinguishes.
const VARIANTS: [&str; 22] = [
    "da-DK", "de-CH", "en-AU", "en-CA", "en-GB", "en-IN", "en-NZ", "en-US", "es-419", "fr-CA", "ko-KR", "nl-BE",
    "pa-IN", "pt-BR", "pt-PT", "sv-SE", "th-TH", "zh-CN", "zh-HK", "zh-Hans", "zh-Hant", "zh-TW",
];

/// The languages of a model. Those of other models are not known, so any hint is passed on.
pub(super) fn of(model: &str) -> Languages {
    let model = model.trim();
    if model == NOVA_3 || model.strip_prefix(NOVA_3).is_some_and(|rest| rest == "-general") {
        Languages::List(PRIMARY.iter().map(|&language| language.to_owned()).collect())
    } else {
        Languages::Any
    }
}

/// A hint as Deepgram expects it: with its region if there is such a variant, otherwise without.
pub(super) fn known_as(hint: &str) -> String {
    let hint = hint.replace('_', "-");
    match VARIANTS.iter().find(|variant| variant.eq_ignore_ascii_case(&hint)) {
        Some(variant) => (*variant).to_owned(),
        None => primary_subtag(&hint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hint_is_written_as_documented() {
        for (hint, known) in
            [("en", "en"), ("EN-gb", "en-GB"), ("de-AT", "de"), ("zh_hk", "zh-HK"), ("es-419", "es-419")]
        {
            assert_eq!(known_as(hint), known);
            assert!(of("nova-3").include(hint));
        }
    }

    #[test]
    fn undocumented_language_is_only_accepted_for_unknown_models() {
        assert!(!of("nova-3").include("tlh"));
        assert!(of("nova-2").include("tlh"));
        assert!(of("nova-3-medical").include("tlh"));
    }
}
