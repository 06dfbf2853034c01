//! Lists of names and values, one below the other.

use crate::screen::{Screen, Style};
use crate::wrap::{padded, width, wrap};

const GAP: usize = 2;
const INDENT: &str = "  ";

#[derive(Default)]
pub struct Fields(Vec<(String, Style, String)>);

impl Fields {
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        self.styled(name, Style::Normal, value);
    }

    pub fn styled(&mut self, name: &str, style: Style, value: impl Into<String>) {
        self.0.push((name.to_owned(), style, value.into()));
    }

    /// The list as it is printed. A value that does not fit beside its name goes on below it.
    pub fn render(&self, screen: Screen) -> String {
        let names = self.0.iter().map(|(name, ..)| width(name)).max().unwrap_or(0) + GAP;
        let mut text = String::new();
        for (name, style, value) in &self.0 {
            let name = screen.styled(Style::Faint, name) + &padded("", names - width(name));
            let beside = screen.width.map_or(usize::MAX, |room| room.saturating_sub(names));
            let lines = wrap(value, beside);
            if lines.iter().all(|line| width(line) <= beside) {
                for (n, line) in lines.iter().enumerate() {
                    let before = if n == 0 { name.clone() } else { padded("", names) };
                    text += &format!("{before}{}\n", screen.styled(*style, line));
                }
            } else {
                text += &format!("{}\n", name.trim_end());
                let below = screen.width.unwrap_or(usize::MAX) - INDENT.len();
                for line in wrap(value, below) {
                    text += &format!("{INDENT}{}\n", screen.styled(*style, &line));
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_beside_their_names_or_below_them() {
        let mut fields = Fields::default();
        fields.add("job", "8f0c6a3e-0000-4000-8000-000000000000");
        fields.add("detail", "the speech engine does not answer at the moment");
        let wide = "job     8f0c6a3e-0000-4000-8000-000000000000\n\
                    detail  the speech engine does not answer at the moment\n";
        assert_eq!(fields.render(Screen::FILE), wide);
        let narrow = "job\n  8f0c6a3e-0000-4000-8000-000000000000\n\
                      detail  the speech engine does not\n        answer at the moment\n";
        assert_eq!(fields.render(Screen { width: Some(40), has_colours: false }), narrow);
    }
}
