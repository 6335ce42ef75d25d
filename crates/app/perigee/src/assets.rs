//! The operators' page, built into the program by `build.rs`.

use perigee_fanout::Asset;

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Every file of the page.
pub(crate) fn all() -> Vec<Asset> {
    ASSETS.to_vec()
}
