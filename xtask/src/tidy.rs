//! to come
pub fn run() -> anyhow::Result<()> {
    Ok(())
}
