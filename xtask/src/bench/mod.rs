//! stub
use crate::Res;
pub(crate) fn command(_args: &[String]) -> Res<()> {
    Ok(())
}
