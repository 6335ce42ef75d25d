//! Real recordings and test vectors that lie beside the project, not in it.

use std::path::{Path, PathBuf};

/// Where `path` below the shared data is on this machine, or `None`, said loudly, when it is not there.
///
/// The data is looked for in `$PERIGEE_SHARED_DATA`, then in `../shared/data` beside the workspace.
pub fn shared_data(path: impl AsRef<Path>) -> Option<PathBuf> {
    let path = path.as_ref();
    let root = match std::env::var_os("PERIGEE_SHARED_DATA") {
        Some(root) => PathBuf::from(root),
        None => workspace_root().join("../shared/data"),
    };
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("SKIPPED: ../shared/data is not here: no {}", found.display());
    None
}

/// The root of the workspace that these tests were built in.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}
