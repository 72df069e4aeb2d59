//! Building what is measured. The floor and the generator always (it is a moment, and a stale one
//! would lie); the peers and Squall only when asked, since that takes minutes.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use crate::arguments::{Arguments, main_workspace, workspace};

const STREAMS: &[&str] = &["--example", "bench_streams", "--features", "tls"];

/// Builds, each with cargo's own messages on standard error.
pub(crate) fn build(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    cargo(workspace(), &["--package", "floor", "--package", "load"])?;
    if !arguments.build {
        return Ok(());
    }
    // One after the other: what does not build here must not take the others with it.
    for peer in crate::servers::peers() {
        let package = format!("peer-{peer}");
        leave_out(peer, cargo(workspace(), &["--package", &package]));
    }
    if arguments.squall.starts_with(main_workspace()) {
        for what in [&["--example", "bench_server"][..], STREAMS] {
            leave_out("squall", cargo(main_workspace(), what));
        }
    }
    Ok(())
}

fn leave_out(name: &str, built: Result<(), Box<dyn Error>>) {
    if let Err(error) = built {
        println!("not built: {name}: {error}");
    }
}

fn cargo(folder: &Path, what: &[&str]) -> Result<(), Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet"])
        .args(what)
        .current_dir(folder)
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("cargo build {} failed", what.join(" ")).into()),
    }
}
