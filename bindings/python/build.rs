//! So that a plain `cargo build` links where the linker has to be told that Python comes later: on macOS.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
