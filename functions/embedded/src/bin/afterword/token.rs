//! `afterword token`.

use std::sync::Arc;

use anyhow::Result;
use domain::Uid;
use local::{DataFolder, LocalIdentity};
use system::SystemClock;
use system::output::print_line;

use crate::args::Token;

pub fn run(args: &Token) -> Result<()> {
    let uid = Uid::new(args.uid.clone())?;
    let folder = DataFolder::open_shared(&args.data.data_dir)?;
    let identity = LocalIdentity::open(&folder.secrets_dir(), Arc::new(SystemClock))?;
    Ok(print_line(identity.issue(&uid, args.ttl)?)?)
}
