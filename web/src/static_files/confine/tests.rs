//! The way without `openat2(2)`, which tests over HTTP take only on systems that lack it.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;

/// A folder `root` with a file, links of all kinds, and a secret beside it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("squall-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("root/dir")).unwrap();
        fs::write(path.join("root/dir/f"), "here").unwrap();
        fs::write(path.join("secret"), "secret").unwrap();
        symlink("dir/f", path.join("root/in")).unwrap();
        symlink("dir", path.join("root/in-folder")).unwrap();
        symlink(path.join("root/dir/f"), path.join("root/in-absolute")).unwrap();
        symlink("../secret", path.join("root/out")).unwrap();
        symlink("..", path.join("root/out-folder")).unwrap();
        symlink("nothing", path.join("root/dangling")).unwrap();
        Self(path)
    }

    fn root(&self) -> PathBuf {
        self.0.join("root")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left is in a folder that the system empties.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Walked {
    Content(String),
    Left,
    Missing,
}

fn walked(place: &Place, name: &str) -> Walked {
    let Ok(root) = open_root(&place.root()) else {
        return Walked::Missing;
    };
    match walk(root, name) {
        Ok(mut file) => {
            let mut content = String::new();
            file.read_to_string(&mut content).unwrap();
            Walked::Content(content)
        }
        Err(Beneath::Left) => Walked::Left,
        Err(Beneath::Fault(OpenFault::Missing)) => Walked::Missing,
        Err(Beneath::Fault(fault)) => panic!("{name}: {fault:?}"),
    }
}

#[test]
fn a_walk_goes_by_names_and_stops_at_each_link() {
    let place = Place::new("walk");
    assert_eq!(walked(&place, "dir/f"), Walked::Content("here".to_owned()));
    for name in [
        "in",
        "in-folder/f",
        "in-absolute",
        "out",
        "out-folder/secret",
        "dangling",
    ] {
        assert_eq!(walked(&place, name), Walked::Left, "{name}");
    }
    for name in ["nothing", "dir/nothing", "nothing/f", "dir/f/x"] {
        assert_eq!(walked(&place, name), Walked::Missing, "{name}");
    }
    let folder = walk(open_root(&place.root()).ok().unwrap(), ".")
        .ok()
        .unwrap();
    assert!(folder.metadata().unwrap().is_dir());
}

#[test]
fn a_real_path_is_opened_if_it_is_within_and_nothing_is_told_of_others() {
    let place = Place::new("real");
    let mut folder = Folder::new(place.root());
    for name in ["in", "in-folder/f", "in-absolute", "dir/f"] {
        assert!(open_real(&folder, name).is_ok(), "{name}");
    }
    for name in [
        "out",
        "out-folder/secret",
        "out-folder/nothing",
        "dangling",
        "nothing",
    ] {
        let opened = open_real(&folder, name);
        assert!(matches!(opened, Err(OpenFault::Outside)), "{name}");
    }
    folder.links_into.push(place.0.clone());
    assert!(open_real(&folder, "out").is_ok());
}
