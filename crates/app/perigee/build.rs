//! Puts the operators' page into the program: every file of `web/dist`, compressed once, here.
//!
//! Where the page has not been built a small one stands in that says how to build it.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

const STAND_IN: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Perigee</title>\
<p>The station runs, but this program was built without its page. Build both with <code>make build</code>.";

fn main() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    // Asked for when it runs: several clones may share what was built, this program included.
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let web = root.join("../../../web");
    let dist = web.join("dist");
    println!("cargo::rerun-if-changed=build.rs");
    // A path that does not exist counts as changed each time: then its parent is watched.
    let watched = if dist.exists() { &dist } else { &web };
    println!("cargo::rerun-if-changed={}", watched.display());

    let mut files = Vec::new();
    if dist.join("index.html").exists() {
        collect(&dist, "", &mut files);
    } else {
        println!("cargo::warning=web/dist is missing: the page is left out (make web builds it)");
        files.push(("/index.html".to_owned(), STAND_IN.as_bytes().to_vec()));
    }
    files.sort();

    let mut table = String::from("static ASSETS: &[Asset] = &[\n");
    for (index, (path, octets)) in files.iter().enumerate() {
        let plain = out.join(format!("{index}.asset"));
        fs::write(&plain, octets).expect("writing to OUT_DIR");
        let compressed = gzip(octets);
        let gzip = if compressed.len() < octets.len() {
            let packed = out.join(format!("{index}.asset.gz"));
            fs::write(&packed, compressed).expect("writing to OUT_DIR");
            format!("Some(include_bytes!({packed:?}))")
        } else {
            "None".to_owned()
        };
        let digest = Sha256::digest(octets);
        let etag: String = digest.iter().take(8).map(|octet| format!("{octet:02x}")).collect();
        writeln!(
            table,
            "    Asset {{ path: {path:?}, content_type: {:?}, octets: include_bytes!({plain:?}), gzip: {gzip}, \
             etag: {:?}, immutable: {} }},",
            content_type(path),
            format!("\"{etag}\""),
            // The bundler puts a hash of the content into every name there.
            path.starts_with("/assets/"),
        )
        .expect("writing to a string");
    }
    table.push_str("];\n");
    fs::write(out.join("assets.rs"), table).expect("writing to OUT_DIR");
}

fn collect(directory: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) {
    println!("cargo::rerun-if-changed={}", directory.display());
    for entry in
        fs::read_dir(directory).expect("reading web/dist").map(|entry| entry.expect("reading web/dist"))
    {
        let path = format!("{prefix}/{}", entry.file_name().to_str().expect("names in web/dist are UTF-8"));
        if entry.path().is_dir() {
            collect(&entry.path(), &path, files);
        } else {
            files.push((path, fs::read(entry.path()).expect("reading web/dist")));
        }
    }
}

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(octets).and_then(|()| encoder.finish()).expect("compressing in memory")
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "ico" => "image/x-icon",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "ttf" => "font/ttf",
        "txt" => "text/plain; charset=utf-8",
        "webp" => "image/webp",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
