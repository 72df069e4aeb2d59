//! Writes what the targets begin with to `corpus/`, from the requests that the tests have.
//!
//! Run `cargo run --example seeds` in `fuzz`.

use std::fs;
use std::io;
use std::path::Path;

#[allow(dead_code, reason = "only how its seeds are made is wanted")]
#[path = "../bodies/connection.rs"]
mod connection;
#[path = "../../http1/tests/corpus/mod.rs"]
mod corpus;

fn main() -> io::Result<()> {
    for (index, request) in corpus::requests().into_iter().enumerate() {
        write("head", index, &[&[0, 0], &request.wire[..]].concat())?;
        if let Some(at) = request.wire.windows(4).position(|four| four == b"\r\n\r\n") {
            write(
                "chunked",
                index,
                &[&[0, 0], &request.wire[at + 4..]].concat(),
            )?;
        }
        write(
            "connection",
            index,
            &connection::as_operations(&request.wire),
        )?;
    }
    Ok(())
}

fn write(target: &str, index: usize, seed: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("{index:03}")), seed)
}
