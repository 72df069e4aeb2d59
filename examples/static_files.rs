//! A folder of files, a page that links to one of them by its version, and a file in the program.
//!
//! Run `cargo run --release --example static_files -- [FOLDER [PORT]]`, open http://127.0.0.1:8888

use std::io;
use std::path::PathBuf;

use squall::ioloop::IoLoop;
use squall::web::{Application, Asset, Exchange, Result, Route, StaticFiles, xhtml_escape};

const ROBOTS: Asset = Asset::new("robots.txt", b"User-agent: *\nDisallow:\n");

/// What the link leads to can be kept for ever: another content has another link.
async fn link(http: &Exchange) -> Result {
    let url = http.static_url(&http.path_argument("path")?).await?;
    let url = xhtml_escape(&url);
    http.write(format!("<!DOCTYPE html><a href=\"{url}\">{url}</a>"))
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or(".".into(), PathBuf::from);
    let port = arguments
        .next()
        .map_or(8888, |port| port.parse().expect("a port"));
    let files = StaticFiles::new(folder).list_folders().precompressed();
    let robots = StaticFiles::embedded([ROBOTS]);
    let ioloop = IoLoop::new()?;
    Application::new()
        .static_files("/static/", files)
        .add_route(Route::static_file("/robots.txt", robots, "robots.txt"))
        .get("/link/{path...}", link)
        .get("/", async |http| http.redirect("/static/"))
        .listen(&ioloop, ("127.0.0.1", port))?;
    ioloop.run()
}
