//! Links libfec (Debian's libfec-dev), the peer of the channel coding benches.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-lib=fec");
}
