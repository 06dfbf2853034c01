//! How products of 8-bit numbers are computed for the engines on this machine.
//!
//! Every way is exact, so a recording gets the same words whatever the processor is; the ways differ in speed alone.

use std::fmt;

use rten_gemm::GemmExecutor;

/// Lets the machine choose.
pub const AUTO: &str = "auto";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// x86-64 with AVX-512 and VNNI: one instruction multiplies bytes and adds in 32 bits.
    Vnni,
    /// x86-64 with AVX2: two products are added in 16 bits, so rows go in halves that fit.
    Avx2,
    /// 64-bit ARM: products are added in 32 bits.
    Neon,
    /// What every processor of its kind has.
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

    /// All ways that this machine has, the fastest first.
    pub fn of_this_machine() -> Vec<Self> {
        let gemm = GemmExecutor::<u8, i8, i32>::default();
        let mut ways = match (gemm.kernel_name(), gemm.may_saturate()) {
            ("x86_64-u8i8i32-avx512", false) => vec![Self::Vnni, Self::Avx2],
            (name, _) if name.starts_with("x86_64-") => vec![Self::Avx2],
            (name, false) if name.starts_with("aarch64-") => vec![Self::Neon],
            _ => Vec::new(),
        };
        ways.push(Self::Plain);
        ways
    }

    /// The way of this name; `auto` is the fastest of this machine.
    pub fn named(name: &str) -> Result<Self, ArithmeticError> {
        let there = Self::of_this_machine();
        if name == AUTO {
            return Ok(there[0]);
        }
        let refused = |why| ArithmeticError { wanted: name.chars().take(64).collect(), why };
        let way = Self::ALL.into_iter().find(|way| way.name() == name).ok_or_else(|| refused("is not known"))?;
        if there.contains(&way) { Ok(way) } else { Err(refused("needs another processor")) }
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

fn names(ways: &[Arithmetic]) -> String {
    ways.iter().map(|way| way.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_the_fastest_way_and_every_way_of_this_machine_can_be_forced() {
        let there = Arithmetic::of_this_machine();
        assert_eq!(Arithmetic::named(AUTO), Ok(there[0]));
        assert_eq!(there.last(), Some(&Arithmetic::Plain));
        for way in there {
            assert_eq!(Arithmetic::named(way.name()), Ok(way));
        }
    }

    #[test]
    fn a_way_that_is_unknown_or_not_there_is_refused_with_one_line_that_names_what_there_is() {
        let there = Arithmetic::of_this_machine();
        let missing = Arithmetic::ALL.into_iter().filter(|way| !there.contains(way));
        // No machine has both VNNI and NEON, so one at least is missing.
        let missing: Vec<_> = missing.map(|way| (way.name(), "needs another processor")).collect();
        assert!(!missing.is_empty());
        for (name, why) in
            [&missing[..], &[("", "is not known"), ("AVX2", "is not known"), ("sse", "is not known")]].concat()
        {
            let said = Arithmetic::named(name).unwrap_err().to_string();
            let expected = format!(
                "engine.arithmetic: `{name}` {why}; expected auto, vnni, avx2, neon, plain; this machine has {}",
                names(&there)
            );
            assert_eq!(said, expected);
        }
    }
}
