//! Tables: columns with two spaces between them where they fit, and a paragraph for each row where they do not.

use crate::screen::{Screen, Style};
use crate::wrap::{padded, width, wrap};

const GAP: usize = 2;
const INDENT: &str = "  ";

/// A value with its style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub fn new(text: impl Into<String>) -> Self {
        Self::styled(Style::Normal, text)
    }

    pub fn styled(style: Style, text: impl Into<String>) -> Self {
        Self { text: text.into(), style }
    }
}

pub struct Table {
    headings: Vec<Cell>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self { headings: headings.map(|heading| Cell::styled(Style::Heading, heading)).to_vec(), rows: Vec::new() }
    }

    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.to_vec());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as it is printed. Columns without any value are left out.
    pub fn render(&self, screen: Screen) -> String {
        let used: Vec<usize> =
            (0..self.headings.len()).filter(|at| self.rows.iter().any(|row| !row[*at].text.is_empty())).collect();
        let all = || std::iter::once(&self.headings).chain(&self.rows);
        let widths: Vec<usize> =
            used.iter().map(|at| all().map(|row| width(&row[*at].text)).max().unwrap_or(0)).collect();
        let total = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        match screen.width {
            Some(room) if room < total => self.rows.iter().map(|row| paragraph(row, screen, room)).collect(),
            _ => all().map(|row| line(row, &used, &widths, screen)).collect(),
        }
    }
}

fn line(row: &[Cell], used: &[usize], widths: &[usize], screen: Screen) -> String {
    let mut line = String::new();
    for (n, (at, columns)) in used.iter().zip(widths).enumerate() {
        let cell = &row[*at];
        let is_last = used[n + 1..].iter().all(|at| row[*at].text.is_empty());
        line.push_str(&screen.styled(cell.style, &cell.text));
        if is_last {
            break;
        }
        line.push_str(&padded("", columns - width(&cell.text) + GAP));
    }
    line + "\n"
}

/// The first value on a line of its own, the others indented below it.
fn paragraph(row: &[Cell], screen: Screen, room: usize) -> String {
    let Some((first, others)) = row.split_first() else { return String::new() };
    let mut text = screen.styled(first.style, &first.text) + "\n";
    let (mut line, mut columns) = (String::new(), 0);
    for cell in others.iter().filter(|cell| !cell.text.is_empty()) {
        for (n, piece) in wrap(&cell.text, room - INDENT.len()).iter().enumerate() {
            if columns > 0 && (n > 0 || columns + GAP + width(piece) > room - INDENT.len()) {
                text += &format!("{INDENT}{line}\n");
                (line, columns) = (String::new(), 0);
            }
            if columns > 0 {
                line.push_str(&padded("", GAP));
                columns += GAP;
            }
            line.push_str(&screen.styled(cell.style, piece));
            columns += width(piece);
        }
    }
    if columns > 0 {
        text += &format!("{INDENT}{line}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["JOB", "STATUS", "WAITS FOR", "NAME"]);
        table.row([Cell::new("8f0c6a3e"), Cell::styled(Style::Good, "done"), Cell::new(""), Cell::new("日本")]);
        table.row([Cell::new("1"), Cell::new("processing"), Cell::new(""), Cell::new("")]);
        table
    }

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let wanted = "JOB       STATUS      NAME\n8f0c6a3e  done        日本\n1         processing\n";
        assert_eq!(table().render(Screen::FILE), wanted);
        assert_eq!(table().render(Screen { width: Some(26), has_colours: false }), wanted);
        assert!(!wanted.contains('\t') && wanted.lines().all(|line| line == line.trim_end()));
    }

    #[test]
    fn rows_become_paragraphs_on_a_narrow_screen() {
        let narrow = table().render(Screen { width: Some(20), has_colours: false });
        assert_eq!(narrow, "8f0c6a3e\n  done  日本\n1\n  processing\n");
        assert!(narrow.lines().all(|line| width(line) <= 20));
    }

    #[test]
    fn colours_do_not_change_the_alignment() {
        let coloured = table().render(Screen { width: Some(80), has_colours: true });
        assert!(coloured.contains("8f0c6a3e  \u{1b}[32mdone\u{1b}[0m        日本\n"), "{coloured:?}");
    }
}
