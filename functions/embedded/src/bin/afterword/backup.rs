//! `afterword backup`.

use anyhow::Result;
use local::DataFolder;
use system::output::print_line;

use crate::args::Backup;

pub fn run(args: &Backup) -> Result<()> {
    let folder = DataFolder::open_shared(&args.data.data_dir)?;
    let summary = local::backup::backup(&folder, &args.file)?;
    Ok(print_line(summary)?)
}
