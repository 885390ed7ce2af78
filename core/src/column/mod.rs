//! Arrow layouts: views, nulls, primitives. The only `unsafe` outside `simd`.
#![allow(unsafe_code)]

pub(crate) mod encode;
pub(crate) mod matrix;
mod plain;
pub(crate) mod text;
pub(crate) mod validity;

use std::sync::Arc;

use arrow::array::{ArrayRef, PrimitiveArray};
use arrow::datatypes::ArrowPrimitiveType;

use crate::simd::Backend;

/// A primitive column of values and, where it has nulls, one byte a row that tells whether the row is valid.
pub(crate) fn primitive<T: ArrowPrimitiveType>(
    backend: Backend,
    values: Vec<T::Native>,
    valid: Option<&[u8]>,
) -> ArrayRef {
    let nulls = valid.and_then(|valid| validity::pack(backend, valid));
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls))
}
