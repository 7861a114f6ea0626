//! stub
use crate::Res;
use crate::peer::install;
pub(crate) fn command(_args: &[String]) -> Res<()> {
    install::all()
}
