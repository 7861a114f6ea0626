//! stub
use super::Context;
use crate::Res;
use crate::say::Tally;
pub(super) fn run(_c: &Context, _t: &mut Tally) -> Res<()> {
    Ok(())
}
