//! What the power cuts need besides the program: built from its sources when first wanted.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The library that records, for `LD_PRELOAD`.
pub(crate) fn recorder() -> PathBuf {
    built().join("libvhr_recorder.so")
}

/// The program that shuts an ext4 down.
pub(crate) fn cut_power() -> PathBuf {
    built().join("vhr-cut-power")
}

fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let done = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "-p", "vhr-recorder"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(done.is_ok_and(|status| status.success()), "the recorder does not build");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp");
        target.join("debug")
    })
}
