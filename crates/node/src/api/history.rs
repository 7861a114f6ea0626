//! [`History`]: undo and redo over the steps that [`crate::history`] keeps.

use merkury_api::{Answer, ApiError, History, UndoStep, Undone};

use super::mfs;
use crate::history::{self, Step};
use crate::inner::{Handle, blocking, store_error};

fn nothing_to_undo() -> ApiError {
    ApiError::not_found("there is nothing to undo")
        .hint("merkury undo --list shows what can be undone; an explicit collection (repo gc) forgets it")
}

impl History for Handle {
    fn steps(&self) -> Answer<'_, Vec<UndoStep>> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || Ok(history::steps(&*inner.store()?)?.into_iter().map(|step| step.shown).collect())))
    }

    fn undo(&self, count: usize) -> Answer<'_, Undone> {
        Box::pin(async move {
            let mut turn = self.inner.mfs.turn().await;
            let handle = self.clone();
            blocking(move || {
                let stores = handle.inner.stores()?;
                let store = &stores.main;
                // What was not flushed is the latest change of all.
                let options = handle.mfs_options()?;
                handle.inner.mfs.save(&stores, &mut turn, &options)?;
                let mut steps = history::steps(store)?;
                steps.truncate(count.max(1));
                if steps.is_empty() {
                    return Err(nothing_to_undo());
                }
                let current = mfs::current_root(&stores, &handle.inner.mfs, &options)?;
                for step in &steps {
                    restore_pins(store, step)?;
                }
                let mut change = store.roots().change();
                let root = steps.iter().rev().find_map(|step| step.shown.root.clone());
                if let Some(root) = &root {
                    change = change.set(mfs::ROOT, root).set(history::REDO, &current);
                }
                for step in &steps {
                    change = history::forget_step(change, store, step.shown.number)?;
                }
                change.commit().map_err(store_error)?;
                let steps = steps.into_iter().map(|step| step.shown).collect();
                Ok(Undone { steps, root: root.unwrap_or(current) })
            })
            .await
        })
    }

    fn redo(&self) -> Answer<'_, Undone> {
        Box::pin(async move {
            let mut turn = self.inner.mfs.turn().await;
            let handle = self.clone();
            blocking(move || {
                let stores = handle.inner.stores()?;
                let store = &stores.main;
                let options = handle.mfs_options()?;
                handle.inner.mfs.save(&stores, &mut turn, &options)?;
                let Some(root) = store.roots().get(history::REDO).map_err(store_error)? else {
                    return Err(ApiError::not_found("there is nothing to redo")
                        .hint("redo takes back the last undo, as long as nothing was changed since"));
                };
                let current = mfs::current_root(&stores, &handle.inner.mfs, &options)?;
                let change = store.roots().change().set(mfs::ROOT, &root);
                history::record_root(change, store, &current, "undo --redo")?.commit().map_err(store_error)?;
                let steps = history::steps(store)?.into_iter().take(1).map(|step| step.shown).collect();
                Ok(Undone { steps, root })
            })
            .await
        })
    }

    fn forget(&self) -> Answer<'_, usize> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || history::forget_all(&*inner.store()?)))
    }
}

fn restore_pins(store: &merkury_store::Store, step: &Step) -> Result<(), ApiError> {
    store.pins().add_many(&step.pins).map_err(|error| {
        store_error(error)
            .context(&format!("cannot undo step {} ({})", step.shown.number, step.shown.what))
            .hint("merkury undo --forget gives the steps up")
    })
}
