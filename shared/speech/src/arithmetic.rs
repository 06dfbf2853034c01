//! The instructions that engines on this machine multiply 8-bit numbers with.
//!
//! All of them give exact results, so a recording gets the same words on every processor. They only differ in speed.

use std::fmt;

use rten_gemm::GemmExecutor;

/// Chooses the fastest arithmetic of this machine.
pub const AUTO: &str = "auto";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// x86-64 with AVX-512 and VNNI: one instruction multiplies bytes and adds in 32 bits.
    Vnni,
    /// x86-64 with AVX2: two products are added in 16 bits, so rows are split into halves whose sums fit.
    Avx2,
    /// 64-bit ARM: products are added in 32 bits.
    Neon,
    /// Only instructions that every processor of the architecture has.
    Plain,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("engine.arithmetic: `{wanted}` {why}; expected auto, {all}; this machine has {there}", all = names(&Arithmetic::ALL), there = names(&Arithmetic::of_this_machine()))]
pub struct ArithmeticError {
    wanted: String,
    why: &'static str,
}

impl Arithmetic {
    const ALL: [Self; 4] = [Self::Vnni, Self::Avx2, Self::Neon, Self::Plain];

    pub fn name(self) -> &'static str {
        match self {
            Self::Vnni => "vnni",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Plain => "plain",
        }
    }

    /// Every arithmetic that this machine supports, the fastest first.
    pub fn of_this_machine() -> Vec<Self> {
        let gemm = GemmExecutor::<u8, i8, i32>::default();
        let mut supported = match (gemm.kernel_name(), gemm.may_saturate()) {
            ("x86_64-u8i8i32-avx512", false) => vec![Self::Vnni, Self::Avx2],
            (name, _) if name.starts_with("x86_64-") => vec![Self::Avx2],
            (name, false) if name.starts_with("aarch64-") => vec![Self::Neon],
            _ => Vec::new(),
        };
        supported.push(Self::Plain);
        supported
    }

    /// The arithmetic of this name; `auto` is the fastest of this machine.
    pub fn named(name: &str) -> Result<Self, ArithmeticError> {
        let there = Self::of_this_machine();
        if name == AUTO {
            return Ok(there[0]);
        }
        let refused = |why| ArithmeticError { wanted: name.chars().take(64).collect(), why };
        let arithmetic = Self::ALL
            .into_iter()
            .find(|arithmetic| arithmetic.name() == name)
            .ok_or_else(|| refused("is not known"))?;
        if there.contains(&arithmetic) { Ok(arithmetic) } else { Err(refused("needs another processor")) }
    }
}

impl Default for Arithmetic {
    fn default() -> Self {
        Self::of_this_machine()[0]
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn names(supported: &[Arithmetic]) -> String {
    supported.iter().map(|arithmetic| arithmetic.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_the_fastest_and_every_supported_arithmetic_can_be_forced() {
        let there = Arithmetic::of_this_machine();
        assert_eq!(Arithmetic::named(AUTO), Ok(there[0]));
        assert_eq!(there.last(), Some(&Arithmetic::Plain));
        for arithmetic in there {
            assert_eq!(Arithmetic::named(arithmetic.name()), Ok(arithmetic));
        }
    }

    #[test]
    fn error_for_unknown_or_unsupported_arithmetic_lists_the_choices() {
        let there = Arithmetic::of_this_machine();
        let missing = Arithmetic::ALL.into_iter().filter(|arithmetic| !there.contains(arithmetic));
        // No machine has both VNNI and NEON, so one at least is missing.
        let missing: Vec<_> = missing.map(|arithmetic| (arithmetic.name(), "needs another processor")).collect();
        assert!(!missing.is_empty());
        for (name, why) in
            [&missing[..], &[("", "is not known"), ("AVX2", "is not known"), ("sse", "is not known")]].concat()
        {
            let message = Arithmetic::named(name).unwrap_err().to_string();
            let expected = format!(
                "engine.arithmetic: `{name}` {why}; expected auto, vnni, avx2, neon, plain; this machine has {}",
                names(&there)
            );
            assert_eq!(message, expected);
        }
    }
}
