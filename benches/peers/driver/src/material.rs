//! What servers need beside their binaries, made in a temporary folder that goes with the driver: a
//! certificate and its key, files to send, nginx's settings.

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::nginx;

/// Sizes of `/letters/N` that the scenarios ask for; nginx has a file of each.
const LETTERS: [usize; 3] = [1024, 64 * 1024, 1024 * 1024];

/// The folder.
#[derive(Debug)]
pub(crate) struct Material {
    folder: PathBuf,
}

impl Material {
    pub(crate) fn make() -> Result<Self, Box<dyn Error>> {
        let name = format!("squall-peers-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder)?;
        // From here on it is removed again, whatever happens.
        let material = Self { folder };
        let letters = material.files().join("letters");
        fs::create_dir_all(&letters)?;
        for size in LETTERS {
            fs::write(letters.join(size.to_string()), self::letters(size))?;
        }
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        fs::write(material.certificate(), own.cert.pem())?;
        fs::write(material.key(), own.signing_key.serialize_pem())?;
        Ok(material)
    }

    /// Self-signed, with a key on P-256.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }

    /// The root of the files to be sent.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    /// Where a server writes down what it has answered, empty: a round may write 50 MB.
    pub(crate) fn fresh_log(&self) -> io::Result<PathBuf> {
        let path = self.folder.join("access.log");
        fs::write(&path, "")?;
        Ok(path)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes nginx's settings for one port.
    pub(crate) fn nginx_settings(&self, port: u16, has_tls: bool) -> io::Result<PathBuf> {
        let path = self.folder.join(format!("nginx-{port}.conf"));
        fs::write(&path, nginx::settings(self, port, has_tls))?;
        Ok(path)
    }
}

impl Drop for Material {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// As the generator expects them.
fn letters(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| b'a' + ((at + at / 26 + at / 997) % 26) as u8)
        .collect()
}
