//! Arrow layouts: views, nulls, primitives. The only `unsafe` outside `simd`.
#![allow(unsafe_code)]

pub(crate) mod encode;
pub(crate) mod matrix;
pub(crate) mod text;
pub(crate) mod validity;

use std::sync::Arc;

use arrow::array::{ArrayRef, PrimitiveArray};
use arrow::datatypes::ArrowPrimitiveType;

/// A primitive column of values and one byte a row that tells whether the row is valid.
pub(crate) fn primitive<T: ArrowPrimitiveType>(
    values: Vec<T::Native>,
    valid: Option<&[u8]>,
) -> PrimitiveArray<T> {
    PrimitiveArray::new(values.into(), valid.and_then(validity::pack))
}

/// [`primitive`], shared.
pub(crate) fn primitive_ref<T: ArrowPrimitiveType>(values: Vec<T::Native>, valid: Option<&[u8]>) -> ArrayRef {
    Arc::new(primitive::<T>(values, valid))
}
