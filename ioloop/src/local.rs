//! One value of a type per loop: where the layers above keep what all their objects share.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

#[derive(Default)]
pub(crate) struct Locals {
    values: RefCell<HashMap<TypeId, Rc<dyn Any>>>,
}

impl Locals {
    pub(crate) fn get_or_insert_with<T: 'static>(&self, make: impl FnOnce() -> T) -> Rc<T> {
        let known = self.values.borrow().get(&TypeId::of::<T>()).cloned();
        let value = known.unwrap_or_else(|| {
            // `make` runs while nothing is borrowed: it may ask for other locals.
            let made: Rc<dyn Any> = Rc::new(make());
            let replaced = self
                .values
                .borrow_mut()
                .insert(TypeId::of::<T>(), made.clone());
            drop(replaced);
            made
        });
        value
            .downcast()
            .unwrap_or_else(|_| unreachable!("the key is the type"))
    }

    pub(crate) fn take_all(&self) -> Vec<Rc<dyn Any>> {
        self.values.take().into_values().collect()
    }
}
