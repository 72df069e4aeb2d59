//! The page of a folder: the names in it, as links.

use std::fmt::Write;
use std::fs;
use std::io;
use std::os::fd::AsFd;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::fs::{Dir, FileType};

use super::confine;
use super::folder::Folder;
use super::load::LoadFault;
use crate::escape::xhtml_escape;

/// Names on a page. A folder with more of them is no page to read.
const NAMES_MAX: usize = 10_000;

/// What need not be encoded in a segment of a path, and in a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
pub(super) const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// Folders first, each by name. Names that would not be served (hidden, not UTF-8, links, pipes and
/// devices) are left out: of a link it is not known where it leads.
pub(super) fn page(folder: &Folder, name: &str) -> Result<String, LoadFault> {
    let opened = confine::open(folder, name)?;
    let mut names = names(folder, &opened)?;
    names.sort_unstable();
    let title = xhtml_escape(name);
    let mut page = format!(
        "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>/{title}</title></head>\
         <body><h1>/{title}</h1><ul>"
    );
    if !name.is_empty() {
        page.push_str("<li><a href=\"../\">../</a></li>");
    }
    for Named { is_file, name } in names {
        let slash = if is_file { "" } else { "/" };
        let (link, text) = (utf8_percent_encode(&name, SEGMENT), xhtml_escape(&name));
        // `./`: a name may look like a scheme.
        let item = write!(
            page,
            "<li><a href=\"./{link}{slash}\">{text}{slash}</a></li>"
        );
        item.map_err(io::Error::other)?;
    }
    page.push_str("</ul></body></html>");
    Ok(page)
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    is_file: bool,
    name: String,
}

fn names(folder: &Folder, opened: &fs::File) -> io::Result<Vec<Named>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(opened.as_fd())? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        let is_file = match entry.file_type() {
            FileType::RegularFile => true,
            FileType::Directory => false,
            _ => continue,
        };
        let is_hidden = name.starts_with('.') && !folder.serves_hidden;
        if is_hidden || name == "." || name == ".." {
            continue;
        }
        if names.len() == NAMES_MAX {
            break;
        }
        let name = name.to_owned();
        names.push(Named { is_file, name });
    }
    Ok(names)
}
