//! The servers: where each one's binary is, and which routes it has.

use std::path::{Path, PathBuf};

use crate::arguments::Arguments;
use crate::scenarios::Needs;

/// The ruler all others are held against.
pub(crate) const FLOOR: &str = "floor";
/// The one this is all about.
pub(crate) const SQUALL: &str = "squall";

/// A server whose binary exists.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    http: Option<PathBuf>,
    websocket: Option<PathBuf>,
    broadcast: bool,
}

impl Server {
    /// The binary that serves what a scenario needs, if this server does.
    pub(crate) fn binary(&self, needs: Needs) -> Option<&Path> {
        match needs {
            Needs::Http => self.http.as_deref(),
            Needs::WebSocket => self.websocket.as_deref(),
            Needs::Broadcast if self.broadcast => self.websocket.as_deref(),
            Needs::Broadcast => None,
        }
    }
}

struct Peer {
    name: &'static str,
    http: bool,
    websocket: bool,
    broadcast: bool,
}

#[rustfmt::skip] // A table is read by its columns.
const PEERS: &[Peer] = &[
    Peer { name: "hyper", http: true, websocket: false, broadcast: false },
    Peer { name: "axum", http: true, websocket: true, broadcast: false },
    Peer { name: "actix", http: true, websocket: true, broadcast: false },
    Peer { name: "ntex", http: true, websocket: true, broadcast: false },
    Peer { name: "may_minihttp", http: true, websocket: false, broadcast: false },
    Peer { name: "fastwebsockets", http: false, websocket: true, broadcast: true },
    Peer { name: "tungstenite", http: false, websocket: true, broadcast: true },
];

/// The peers' names.
pub(crate) fn peers() -> impl Iterator<Item = &'static str> {
    PEERS.iter().map(|peer| peer.name)
}

/// The servers that are asked for and built, the floor first; says which are left out.
pub(crate) fn available(arguments: &Arguments) -> Result<Vec<Server>, String> {
    let driver = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = driver.parent().ok_or("the driver has no folder")?;
    let known = |name: &&str| [FLOOR, SQUALL].contains(name) || peers().any(|peer| peer == *name);
    if let Some(name) = arguments.servers.iter().find(|name| !known(&name.as_str())) {
        let names: Vec<_> = peers().collect();
        return Err(format!("no server {name}; peers are {}", names.join(", ")));
    }

    let mut servers = vec![Server {
        name: FLOOR,
        http: Some(folder.join("floor-http")),
        websocket: Some(folder.join("floor-ws")),
        broadcast: true,
    }];
    let mut add = |server: Server| {
        let asked = arguments.servers.is_empty()
            || arguments.servers.iter().any(|name| name == server.name);
        let binary = server.http.as_ref().or(server.websocket.as_ref());
        match binary {
            Some(binary) if asked && binary.is_file() => servers.push(server),
            Some(binary) if asked => {
                let (name, path) = (server.name, binary.display());
                println!("skipped: {name} is not built ({path}); --build builds it");
            }
            _ => {}
        }
    };
    add(Server {
        name: SQUALL,
        http: Some(arguments.squall.clone()),
        websocket: Some(arguments.squall.clone()),
        broadcast: true,
    });
    for peer in PEERS {
        let binary = folder.join(format!("peer-{}", peer.name));
        add(Server {
            name: peer.name,
            http: peer.http.then(|| binary.clone()),
            websocket: peer.websocket.then_some(binary),
            broadcast: peer.broadcast,
        });
    }
    Ok(servers)
}
