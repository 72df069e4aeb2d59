//! The servers: which program serves what, and with which words it is started.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use crate::arguments::Arguments;
use crate::material::Material;
use crate::nginx;
use crate::scenarios::Needs;

/// The ruler all others are held against.
pub(crate) const FLOOR: &str = "floor";
/// The one this is all about.
pub(crate) const SQUALL: &str = "squall";

/// A server that is built or installed.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    programs: Vec<(Needs, Program)>,
}

impl Server {
    /// What serves a scenario's needs, if this server does.
    pub(crate) fn program(&self, needs: Needs) -> Option<&Program> {
        let mut programs = self.programs.iter();
        programs.find_map(|(what, program)| (*what == needs).then_some(program))
    }
}

/// A binary, and words in which what stands in braces is filled in.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    binary: PathBuf,
    words: &'static str,
    material: Rc<Material>,
}

impl Program {
    pub(crate) fn command(&self, port: u16, port_tls: u16) -> io::Result<Command> {
        let mut command = Command::new(&self.binary);
        for word in self.words.split_whitespace() {
            match word {
                "{port}" => command.arg(port.to_string()),
                "{port-tls}" => command.arg(port_tls.to_string()),
                "{certificate}" => command.arg(self.material.certificate()),
                "{key}" => command.arg(self.material.key()),
                "{log}" => command.arg(self.material.fresh_log()?),
                "{files}" => command.arg(self.material.files()),
                "{nginx}" => command.arg(self.material.nginx_settings(port, false)?),
                "{nginx-tls}" => command.arg(self.material.nginx_settings(port, true)?),
                word => command.arg(word),
            };
        }
        Ok(command)
    }
}

struct Entry {
    name: &'static str,
    needs: &'static [Needs],
    /// Beside the driver's own, beside Squall's `bench_server`, or nginx.
    binary: &'static str,
    words: &'static str,
}

const fn entry(
    name: &'static str,
    needs: &'static [Needs],
    binary: &'static str,
    words: &'static str,
) -> Entry {
    Entry {
        name,
        needs,
        binary,
        words,
    }
}

use Needs::{Broadcast, Content, Echo, EchoBesideTls, File, Http, HttpTls, Static, WebSocket};

/// Debian's.
pub(crate) const NGINX: &str = "nginx";
/// The second word is Squall's number of workers; the others do not look at it.
const PORT: &str = "{port} 1";
/// With all that a server has in earnest: limits and timeouts, and an access log.
const SQUALL_WORDS: &str = "{port} 1 --log {log} --files {files}";
const PORT_TLS: &str = "{port} 1 {certificate} {key}";

#[rustfmt::skip] // A table is read by its columns.
const ENTRIES: &[Entry] = &[
    entry(FLOOR, &[Http, Content], "floor-http", PORT),
    entry(FLOOR, &[WebSocket, Broadcast], "floor-ws", PORT),
    entry(FLOOR, &[Echo], "floor-echo", PORT),
    entry(SQUALL, &[Http, Content, Static, WebSocket, Broadcast], "bench_server", SQUALL_WORDS),
    entry(SQUALL, &[Echo], "bench_streams", "{port} echo"),
    entry(SQUALL, &[EchoBesideTls], "bench_streams", "{port} echo {port-tls} {certificate} {key}"),
    entry(SQUALL, &[HttpTls], "bench_streams", "{port} https {certificate} {key}"),
    entry(SQUALL, &[File], "bench_streams", "{port} files {files}"),
    entry("hyper", &[Http, Content], "peer-hyper", PORT),
    entry("hyper", &[HttpTls], "peer-hyper", PORT_TLS),
    entry("axum", &[Http, Content, WebSocket], "peer-axum", PORT),
    entry("actix", &[Http, Content, WebSocket], "peer-actix", PORT),
    entry("actix", &[HttpTls], "peer-actix", PORT_TLS),
    entry("ntex", &[Http, Content, WebSocket], "peer-ntex", PORT),
    entry("may_minihttp", &[Http, Content], "peer-may_minihttp", PORT),
    entry("fastwebsockets", &[WebSocket, Broadcast], "peer-fastwebsockets", PORT),
    entry("tungstenite", &[WebSocket, Broadcast], "peer-tungstenite", PORT),
    entry(NGINX, &[Http, File, Static], NGINX, "-c {nginx}"),
    entry(NGINX, &[HttpTls], NGINX, "-c {nginx-tls}"),
];

/// Names of the peers that are built here.
pub(crate) fn peers() -> impl Iterator<Item = &'static str> {
    names().filter(|name| ![FLOOR, SQUALL, NGINX].contains(name))
}

fn names() -> impl Iterator<Item = &'static str> {
    let all = ENTRIES.iter().map(|entry| entry.name);
    let before = [""].into_iter().chain(all.clone());
    all.zip(before)
        .filter_map(|(name, before)| (name != before).then_some(name))
}

/// The servers that are asked for and there, the floor first; says which programs are missing.
pub(crate) fn available(arguments: &Arguments, material: Material) -> Result<Vec<Server>, String> {
    let driver = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = driver.parent().ok_or("the driver has no folder")?;
    let known = |name: &String| names().any(|known| known == name);
    if let Some(name) = arguments.servers.iter().find(|name| !known(name)) {
        let names: Vec<_> = names().collect();
        return Err(format!("no server {name}; there are {}", names.join(", ")));
    }

    let material = Rc::new(material);
    let mut servers: Vec<Server> = Vec::new();
    for name in names().filter(|name| is_asked_for(arguments, name)) {
        let mut programs = Vec::new();
        let mut missing = "";
        for entry in ENTRIES.iter().filter(|entry| entry.name == name) {
            let Some(binary) = find(entry.binary, folder, &arguments.squall) else {
                if entry.binary != missing {
                    missing = entry.binary;
                    println!("skipped: {name} has no {missing} here; --build builds all but nginx");
                }
                continue;
            };
            let program = Program {
                binary,
                words: entry.words,
                material: material.clone(),
            };
            programs.extend(entry.needs.iter().map(|needs| (*needs, program.clone())));
        }
        servers.push(Server { name, programs });
    }
    Ok(servers)
}

fn is_asked_for(arguments: &Arguments, name: &str) -> bool {
    name == FLOOR
        || arguments.servers.is_empty()
        || arguments.servers.iter().any(|asked| asked == name)
}

fn find(name: &str, folder: &Path, squall: &Path) -> Option<PathBuf> {
    let path = match name {
        "bench_server" => squall.to_owned(),
        "bench_streams" => squall.with_file_name(name),
        NGINX => return nginx::binary(),
        _ => folder.join(name),
    };
    path.is_file().then_some(path)
}
