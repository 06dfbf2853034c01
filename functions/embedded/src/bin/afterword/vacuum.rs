//! `afterword vacuum`.

use anyhow::Result;
use local::DataFolder;
use local::vacuum::{Vacuumed, vacuum};
use serde_json::json;
use system::output::print_line;

use crate::args::Vacuum;

pub fn run(args: &Vacuum) -> Result<()> {
    // Opening the folder for reading fails if it does not exist, so no folder is created.
    DataFolder::open_shared(&args.data.data_dir)?.with_store()?;
    let folder = DataFolder::open(&args.data.data_dir)?;
    for Vacuumed { database, before, after } in vacuum(&folder)? {
        if args.json {
            print_line(json!({"database": database, "bytes_before": before, "bytes_after": after}))?;
        } else {
            print_line(format_args!("{}: {before} bytes before, {after} bytes after", database.display()))?;
        }
    }
    Ok(())
}
