//! Converts the refusal of a batch into a problem.

use edge::{FileProblem, Problem};
use flow::accept::{BadFile, Refused};

pub fn problem(refused: Refused) -> Problem {
    match refused {
        Refused::Batch { code, detail, retry_after } => {
            let problem = Problem::new(code, detail);
            retry_after.map_or(problem.clone(), |wait| problem.after(wait))
        }
        Refused::Files(bad) => files(&bad),
        Refused::Storage(error) => Problem::from(error),
    }
}

/// The first bad file gives the code and the status; `errors` names every one.
fn files(bad: &[BadFile]) -> Problem {
    let Some(first) = bad.first() else { return Problem::internal("a batch was refused without a bad file") };
    let detail = match bad.len() {
        1 => format!("{}: {}", first.file, first.detail),
        n => format!("{}: {} (and {} more)", first.file, first.detail, n - 1),
    };
    let problem = Problem::new(first.code, detail)
        .files(bad.iter().map(|bad| FileProblem::new(&bad.file, bad.code, &bad.detail)).collect());
    // If every mistake passes with time (recordings that lie in the future), the batch is valid after the longest wait.
    match bad.iter().filter_map(|bad| bad.retry_after).max() {
        Some(wait) => problem.after(wait),
        None => problem,
    }
}
