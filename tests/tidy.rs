//! What a reviewer would nag about, checked: arrows between crates, headers, `unsafe`, leftovers.
//!
//! Each test reads the sources and lists every offence by file and line. See `docs/style.md` for
//! the reasons.

use std::fs;
use std::path::{Path, PathBuf};

/// Which crates each crate may name. Arrows point down; `http1` is a leaf.
const ARROWS: &[(&str, &[&str])] = &[
    ("ioloop", &[]),
    ("http1", &[]),
    ("iostream", &["ioloop"]),
    ("httpserver", &["http1", "ioloop", "iostream"]),
    ("websocket", &["http1", "ioloop", "iostream"]),
    (
        "web",
        &["http1", "httpserver", "ioloop", "iostream", "websocket"],
    ),
];

/// Crates that may have unsafe code, in their `sys.rs` and nowhere else.
const MAY_BE_UNSAFE: &[&str] = &["ioloop", "iostream"];
/// Programs that stand for a host in C, and call `poll(2)` as it would.
const HOSTS: &[&str] = &["examples/embed.rs", "ioloop/tests/host/mod.rs"];

const LINE_WIDTH_MAX: usize = 100;
const FILE_LINES_MAX: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust sources below `folder`, but for build output.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            let is_output = path.ends_with("target") || path.ends_with("benches/peers");
            if !is_output {
                found.extend(sources(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The project's own crates and the root's examples, benches and tests.
fn all_sources() -> Vec<PathBuf> {
    let folders = ARROWS
        .iter()
        .map(|(name, _)| *name)
        .chain(["src", "examples", "benches", "tests", "fuzz"]);
    let found: Vec<_> = folders
        .flat_map(|folder| sources(&root().join(folder)))
        .collect();
    assert!(
        found.len() > 50,
        "the sources are looked for in the wrong place"
    );
    found
}

/// The library sources of one crate.
fn library(name: &str) -> Vec<PathBuf> {
    let found = sources(&root().join(name).join("src"));
    assert!(!found.is_empty(), "{name} has no sources");
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Fails with the list, if there is one.
fn assert_none(what: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{what}:\n  {}", offences.join("\n  "));
}

/// Every line of every file that `is_offence` objects to.
fn lines_where(files: &[PathBuf], is_offence: impl Fn(&Path, &str) -> bool) -> Vec<String> {
    let mut offences = Vec::new();
    for path in files {
        for (index, line) in read(path).lines().enumerate() {
            if is_offence(path, line) {
                offences.push(format!("{}:{}: {}", shown(path), index + 1, line.trim()));
            }
        }
    }
    offences
}

/// The line without a trailing comment, well enough for these checks.
fn code_of(line: &str) -> &str {
    let line = line.trim_start();
    if line.starts_with("//") {
        ""
    } else {
        line.split(" // ").next().unwrap_or(line)
    }
}

#[test]
fn arrows_between_crates_point_down() {
    let mut offences = Vec::new();
    for (name, allowed) in ARROWS {
        let manifest = read(&root().join(name).join("Cargo.toml"));
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        for line in dependencies.lines() {
            let Some(rest) = line.strip_prefix("squall-") else {
                continue;
            };
            let target = rest.split(['.', ' ', '=']).next().unwrap_or_default();
            if !allowed.contains(&target) {
                offences.push(format!("{name} -> {target}"));
            }
        }
    }
    assert_none("arrows that are not in the drawing", &offences);
}

#[test]
fn the_codec_and_the_protocol_core_know_no_sockets_and_no_clock() {
    let mut pure = library("http1");
    for name in [
        "frame", "mask", "message", "utf8", "close", "protocol", "encode",
    ] {
        pure.push(root().join("websocket/src").join(format!("{name}.rs")));
    }
    let words = [
        "TcpStream",
        "UdpSocket",
        "std::io",
        "std::time",
        "Instant",
        "ioloop",
        "iostream",
        "async fn",
    ];
    let offences = lines_where(&pure, |_, line| {
        words.iter().any(|word| code_of(line).contains(word))
    });
    assert_none("I/O, time or async in a pure layer", &offences);
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    let offences: Vec<_> = all_sources()
        .iter()
        .filter(|path| !read(path).starts_with("//!"))
        .map(|path| shown(path))
        .collect();
    assert_none("files without a header", &offences);
}

#[test]
fn unsafe_code_has_one_address() {
    for (name, _) in ARROWS {
        let lib = read(&root().join(name).join("src/lib.rs"));
        let forbids = lib.contains("#![forbid(unsafe_code)]");
        assert!(
            forbids || MAY_BE_UNSAFE.contains(name),
            "{name} does not forbid unsafe code"
        );
    }
    let may_be_unsafe =
        |path: &PathBuf| path.ends_with("sys.rs") || HOSTS.iter().any(|host| path.ends_with(host));
    let files: Vec<_> = all_sources()
        .into_iter()
        .filter(|path| !may_be_unsafe(path) && !path.ends_with("tidy.rs"))
        .collect();
    let forms = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
    let offences = lines_where(&files, |_, line| {
        forms.iter().any(|form| code_of(line).contains(form))
    });
    assert_none("unsafe code outside of sys.rs", &offences);
}

#[test]
fn nothing_is_left_over() {
    let words = [
        "dbg!(",
        "todo!(",
        "unimplemented!(",
        "FIXME",
        "XXX",
        "#[ignore",
    ];
    let offences = lines_where(&all_sources(), |path, line| {
        !path.ends_with("tidy.rs") && words.iter().any(|word| line.contains(word))
    });
    assert_none("leftovers", &offences);
}

#[test]
fn libraries_print_nothing() {
    let libraries: Vec<_> = ARROWS.iter().flat_map(|(name, _)| library(name)).collect();
    let offences = lines_where(&libraries, |_, line| {
        ["println!(", "eprintln!(", "print!("]
            .iter()
            .any(|word| code_of(line).starts_with(word))
    });
    assert_none("output of a library", &offences);
}

#[test]
fn lines_fit_the_page() {
    // Long literals in tests and tables are left whole by rustfmt, and so here.
    let offences = lines_where(&all_sources(), |_, line| {
        line.chars().count() > LINE_WIDTH_MAX && !line.contains('"') && !line.ends_with('\\')
    });
    assert_none("lines that are too wide", &offences);
}

#[test]
fn files_are_one_idea_long() {
    let offences: Vec<_> = all_sources()
        .iter()
        .map(|path| (path, read(path).lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(path, lines)| format!("{}: {lines} lines", shown(path)))
        .collect();
    assert_none("files that are two ideas", &offences);
}

#[test]
fn no_module_is_a_drawer() {
    let drawers = ["util", "utils", "common", "misc", "helper", "helpers"];
    let offences: Vec<_> = all_sources()
        .iter()
        .filter(|path| {
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            drawers.contains(&stem)
        })
        .map(|path| shown(path))
        .collect();
    assert_none("modules without a noun", &offences);
}

#[test]
fn lib_rs_is_a_table_of_contents() {
    let mut offences = Vec::new();
    for (name, _) in ARROWS {
        let path = root().join(name).join("src/lib.rs");
        offences.extend(lines_where(&[path], |_, line| {
            [
                "fn ",
                "pub fn ",
                "struct ",
                "pub struct ",
                "impl ",
                "enum ",
                "pub enum ",
            ]
            .iter()
            .any(|item| line.starts_with(item))
        }));
    }
    assert_none("code in a lib.rs", &offences);
}

#[test]
fn foreign_types_stay_out_of_the_public_api() {
    let libraries: Vec<_> = ARROWS.iter().flat_map(|(name, _)| library(name)).collect();
    let offences = lines_where(&libraries, |_, line| {
        let code = code_of(line);
        (code.starts_with("pub fn") || code.starts_with("pub use") || code.starts_with("pub type"))
            && [
                "mio::",
                "httparse::",
                "socket2::",
                "slab::",
                "rustix::",
                "ipnet::",
            ]
            .iter()
            .any(|name| code.contains(name))
    });
    assert_none("types of a dependency that may change under us", &offences);
}

#[test]
fn every_example_says_how_to_run_it() {
    let offences: Vec<_> = sources(&root().join("examples"))
        .iter()
        .filter(|path| {
            let text = read(path);
            let header: String = text
                .lines()
                .take_while(|line| line.starts_with("//!"))
                .collect();
            !header.contains("cargo run")
        })
        .map(|path| shown(path))
        .collect();
    assert_none("examples that do not say how to run them", &offences);
}

#[test]
fn every_decision_is_listed() {
    let folder = root().join("docs/decisions");
    let list = read(&folder.join("README.md"));
    let offences: Vec<_> = fs::read_dir(&folder)
        .expect("a readable folder")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| !path.ends_with("README.md"))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.expect("a name in ASCII");
            let text = read(path);
            let title = text.lines().next().unwrap_or_default();
            let (number, title) = title
                .strip_prefix("# ")
                .and_then(|title| title.split_once(' '))
                .unwrap_or_default();
            !list.contains(&format!("\n- [{number}]({name}) {title}\n"))
        })
        .map(|path| shown(&path))
        .collect();
    assert_none("decisions that are not in the list", &offences);
}

/// The words in backticks of a cell of a table.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_the_protocols_name_exists() {
    let (mut offences, mut count) = (Vec::new(), 0);
    for line in read(&root().join("docs/protocols.md")).lines() {
        let cells: Vec<_> = line.split(" | ").collect();
        let [_, _, file, tests] = cells[..] else {
            continue;
        };
        let Some(file) = quoted(file).next() else {
            continue;
        };
        let source = fs::read_to_string(root().join(file)).unwrap_or_default();
        for test in quoted(tests) {
            count += 1;
            if !source.contains(&format!("fn {test}()")) {
                offences.push(format!("{file}: {test}"));
            }
        }
    }
    assert!(count > 100, "only {count} tests were found in the tables");
    assert_none("tests of docs/protocols.md that do not exist", &offences);
}
