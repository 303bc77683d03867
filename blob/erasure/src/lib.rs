//! Reed-Solomon coding of one stripe: `D` data cells and `P` parity cells, any `D` of which give
//! all of them back.
//!
//! # The code
//!
//! Arithmetic is in GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d): addition is
//! exclusive or, multiplication is that of polynomials over GF(2) modulo 0x11d. Bytes at the same
//! offset of all cells form a code word, independent of all others; so any range of bytes, such as a
//! page, can be encoded and rebuilt by itself, given the same range of the other cells.
//!
//! The code word is a polynomial. There is exactly one polynomial of degree below `D` whose value at
//! the field element `c` is the byte of data cell `c`, for `c` in `0..D`. Parity cell `p` holds its value
//! at the field element `D + p`. (A field element is written as the number whose bits are its
//! coefficients.) Hence, with Lagrange's formula, parity is `Σ m[p][c] · data[c]`, where
//!
//! ```text
//! m[p][c] = Π (D+p ⊕ k) / (c ⊕ k)    over k in 0..D, k ≠ c
//! ```
//!
//! and cell `w` is rebuilt from any set `S` of `D` other cells (numbered `0..D` for data, from `D`
//! for parity) as `Σ r[s] · cell[s]`, where
//!
//! ```text
//! r[s] = Π (w ⊕ k) / (s ⊕ k)         over k in S, k ≠ s
//! ```
//!
//! This is the systematic matrix `V · inverse(V[0..D])` of the Vandermonde matrix `V[r][c] = r^c`
//! (`0^0 = 1`), `r` in `0..D+P`, `c` in `0..D`, that `reed-solomon-erasure` and its relatives build. It
//! is not one of ISA-L's own matrices, but ISA-L codes with it when given its coefficients, and so does
//! anything that can multiply by a constant.
//!
//! With `D = 1` the polynomial is a constant: all cells are copies. With `P = 0` there is no parity.
//!
//! **Invariant:** what is written here never changes: blocks on disk depend on it. A test pins
//! coefficients and parity bytes.
//!
//! **Invariant:** nothing here panics on any input; buffers are checked before they are used.

mod codec;
mod error;
mod field;
mod shared;

pub use codec::Codec;
pub use error::CodingError;
