//! Tables: columns with two spaces between them where they fit, and a paragraph for each row where they do not.

use crate::screen::{Screen, Style};
use crate::wrap::{padded, width, wrap};

const GAP: usize = 2;
const INDENT: &str = "  ";
/// A last column that needs more room than there is is broken into lines of at least this width.
const LEAST_LAST: usize = 16;

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
    /// The columns whose values need their heading to be understood.
    labelled: Vec<usize>,
}

impl Table {
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self {
            headings: headings.map(|heading| Cell::styled(Style::Heading, heading)).to_vec(),
            rows: Vec::new(),
            labelled: Vec::new(),
        }
    }

    /// In paragraphs, the values of these columns follow their heading: `files 2`.
    #[must_use]
    pub fn labelled(self, columns: &[usize]) -> Self {
        Self { labelled: columns.to_vec(), ..self }
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
            Some(room) if room < total => {
                let before = total - widths.last().copied().unwrap_or(0);
                let longest = self.longest_word(used.last().copied());
                if before + LEAST_LAST.max(longest) <= room {
                    return all().map(|row| wrapped(row, &used, &widths, room - before, screen)).collect();
                }
                self.rows.iter().map(|row| self.paragraph(row, screen, room)).collect()
            }
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

/// A row whose last value is broken into lines below its beginning.
fn wrapped(row: &[Cell], used: &[usize], widths: &[usize], room: usize, screen: Screen) -> String {
    let Some(last) = used.last().map(|at| &row[*at]) else { return String::new() };
    let pieces = wrap(&last.text, room);
    let mut text = String::new();
    for (n, piece) in pieces.iter().enumerate() {
        let cells = row.iter().map(|cell| if n == 0 { cell.clone() } else { Cell::new("") });
        let mut cells: Vec<Cell> = cells.collect();
        if let Some(at) = used.last() {
            cells[*at] = Cell::styled(last.style, piece.clone());
        }
        text += &line(&cells, used, widths, screen);
    }
    text
}

impl Table {
    /// The width of the longest word in a column, which is never broken.
    fn longest_word(&self, column: Option<usize>) -> usize {
        let texts = column.into_iter().flat_map(|at| self.rows.iter().map(move |row| &row[at].text));
        texts.flat_map(|text| text.split(' ')).map(width).max().unwrap_or(0)
    }

    /// The first value on a line of its own, the others indented below it.
    fn paragraph(&self, row: &[Cell], screen: Screen, room: usize) -> String {
        let Some(first) = row.first() else { return String::new() };
        let mut text = screen.styled(first.style, &first.text) + "\n";
        let (mut line, mut columns) = (String::new(), 0);
        for (at, cell) in row.iter().enumerate().skip(1).filter(|(_, cell)| !cell.text.is_empty()) {
            let label =
                if self.labelled.contains(&at) { self.headings[at].text.to_lowercase() + " " } else { String::new() };
            let labelled = label + &cell.text;
            for (n, piece) in wrap(&labelled, room - INDENT.len()).iter().enumerate() {
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
    fn last_column_is_broken_into_lines_if_the_others_leave_room() {
        let mut table = Table::new(["CHECK", "WHAT WAS FOUND"]);
        table.row([Cell::new("clock"), Cell::new("the clock is three minutes ahead of the server's")]);
        let wanted = "CHECK  WHAT WAS FOUND\nclock  the clock is three minutes\n       ahead of the server's\n";
        assert_eq!(table.render(Screen { width: Some(33), has_colours: false }), wanted);
    }

    #[test]
    fn last_column_with_a_long_word_becomes_paragraphs() {
        let mut table = Table::new(["CHECK", "WHAT WAS FOUND"]);
        table.row([Cell::new("server"), Cell::new("at http://127.0.0.1:40000 (login)")]);
        let narrow = table.render(Screen { width: Some(28), has_colours: false });
        assert_eq!(narrow, "server\n  at http://127.0.0.1:40000\n  (login)\n");
    }

    #[test]
    fn numbers_have_their_heading_in_paragraphs() {
        let mut table = Table::new(["JOB", "FILES", "CREATED"]).labelled(&[1]);
        table.row([Cell::new("8f0c6a3e"), Cell::new("2"), Cell::new("2026-11-20 10:00")]);
        let narrow = table.render(Screen { width: Some(20), has_colours: false });
        assert_eq!(narrow, "8f0c6a3e\n  files 2\n  2026-11-20 10:00\n");
    }

    #[test]
    fn colours_do_not_change_the_alignment() {
        let coloured = table().render(Screen { width: Some(80), has_colours: true });
        assert!(coloured.contains("8f0c6a3e  \u{1b}[32mdone\u{1b}[0m        日本\n"), "{coloured:?}");
    }
}
