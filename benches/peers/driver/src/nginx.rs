//! nginx as one process with one worker's work, on the loopback address, without a log.

use std::path::PathBuf;

use crate::material::Material;

/// Where it is installed, if it is.
pub(crate) fn binary() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&folders).chain(["/usr/sbin".into()]);
    all.map(|folder| folder.join("nginx"))
        .find(|path| path.is_file())
}

/// Debian's settings where they matter here, and what makes it faster: open files are remembered,
/// and connections stay open.
pub(crate) fn settings(material: &Material, port: u16, has_tls: bool) -> String {
    let folder = material.folder().display();
    let tls = match has_tls {
        true => " ssl",
        false => "",
    };
    format!(
        "daemon off;
master_process off;
pid {folder}/nginx-{port}.pid;
error_log stderr error;
events {{
    worker_connections 20000;
}}
http {{
    access_log off;
    default_type text/plain;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    open_file_cache max=16 inactive=1h;
    open_file_cache_valid 1h;
    client_body_temp_path {folder}/nginx-client;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.3;
    ssl_ecdh_curve X25519;
    ssl_session_tickets on;
    server {{
        listen 127.0.0.1:{port}{tls} backlog=4096;
        root {files};
        location = / {{
            return 200 \"Hello, World!\";
        }}
        location = /json {{
            default_type application/json;
            return 200 '{{\"message\":\"Hello, World!\"}}';
        }}
        location ~ \"^/user/([^/]+)$\" {{
            return 200 $1;
        }}
    }}
}}
",
        certificate = material.certificate().display(),
        key = material.key().display(),
        files = material.files().display(),
    )
}
